"""Exceptions of the other side, made here from their descriptions, and descriptions of the exceptions here.

RPyC's ``vinegar`` has the same purpose, but it looks classes up in every loaded module, sets any attribute, and puts
the remote traceback into the exception's ``str``. Here the traceback is a note of the exception (PEP 678).
`exception_classes` makes the classes. No code of the other side runs here, and none of its exceptions ends a program.
"""

from __future__ import annotations

import builtins
import contextlib
import types
from functools import partial
from typing import Any

from rpyc_kernel.agent import wire_errors
from rpyc_kernel.errors import ProtocolError, RemoteError
from rpyc_kernel.live import tracebacks
from rpyc_kernel.live.exception_classes import (
    ENDING,
    MAX_TEXT_CHARS,
    Classes,
    RemoteException,
    as_text,
    connections,
    detached,
    ending,
    guessed,
    printable,
)
from rpyc_kernel.live.exposed import RefusedError
from rpyc_kernel.transport.rpyc_wire.brine import EXC_STOP_ITERATION, BrineError
from rpyc_kernel.values import exchange

MAX_ATTRIBUTES = 50
MAX_NESTED = 8  # levels of groups in groups, and of causes of causes
MAX_MEMBERS = 500  # exceptions within one exception
#: Python searches local objects for a name similar to ``name``; 3.12 imports the module that an ImportError names.
#: A UnicodeError has its attributes in its args; with wrong types its ``str`` would read foreign memory.
_LEFT_OUT: dict[type, tuple[str, ...]] = {
    BaseException: ("args",),
    NameError: ("name",),
    AttributeError: ("name", "obj"),
    ImportError: ("name_from",),
    UnicodeError: ("encoding", "object", "start", "end", "reason"),
    RemoteError: ("name", "message", "module", "remote_traceback"),
    BaseExceptionGroup: ("message", "exceptions"),
}
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_NUMBERS = ("lineno", "offset", "end_lineno", "end_offset")


def load(dumped: Any, where: str, classes: Classes | None = None) -> BaseException | type[BaseException]:
    """Make an exception that RPyC's vinegar, or a session, has dumped.

    Args:
        dumped: The description.
        where: The machine that sent it, for the traceback.
        classes: The local classes of the connection.

    Raises:
        BrineError: `dumped` doesn't describe an exception.
    """
    if dumped == EXC_STOP_ITERATION and type(dumped) is int:
        return StopIteration
    if isinstance(dumped, str):
        return RemoteException("Exception", dumped[:MAX_TEXT_CHARS])
    return _ExceptionLoader(where, classes).load(dumped, 0)


class _ExceptionLoader:
    def __init__(self, where: str, classes: Classes | None) -> None:
        self._where = where
        self._classes = classes
        self._left = MAX_MEMBERS

    def load(self, dumped: Any, depth: int) -> BaseException:
        self._left -= 1
        if self._left < 0 or depth > MAX_NESTED:
            raise BrineError("too many exceptions in one")
        if not isinstance(dumped, tuple) or len(dumped) != 4:
            raise BrineError("an exception that is not dumped as one")
        names, args, attributes, trace = dumped
        sound = isinstance(names, tuple) and len(names) == 2
        if not (sound and isinstance(args, tuple) and isinstance(attributes, tuple)):
            raise BrineError("an exception without a name")
        module, name = map(printable, names)
        trace = as_text(trace)
        more = dict(pair for pair in attributes if _is_more(pair))
        attributes, args = self._with_copies(attributes, args, more.get(wire_errors.DATA))
        told = more.get(wire_errors.CLASS)
        if told is None and self._classes is not None and (module != "builtins" or name in ENDING):
            told = guessed(module, name) if module != "builtins" else ending(name)
            dumped = names, args, (*attributes, (wire_errors.CLASS, told)), trace
        error: Any = None
        members = more.get(wire_errors.MEMBERS, ())
        if told is not None or members:
            kind = (self._classes or detached).find(told if told is not None else (module, name, 0, (name,)))
            error = self._of_class(kind, module, args, attributes, more, depth)
        else:
            error = _builtin(module, name, args, attributes)
        if error is None:
            message = ", ".join(map(as_text, args[:10]))[:MAX_TEXT_CHARS]
            error = RemoteException(name if module == "builtins" else f"{module}.{name}", message, trace, module)
            error.name = name
            _set_attributes(error, attributes)
        if isinstance(error, RemoteException):
            error._again = again, (dumped, self._where, self._classes.id if self._classes is not None else "")
        if wire_errors.CAUSE in more:
            error.__cause__ = self.load(more[wire_errors.CAUSE], depth + 1)
        if depth and not trace:
            return error  # type: ignore[no-any-return]
        error._remote_tb = trace  # where RPyC has it
        nested = trace.count(tracebacks.BEGIN) + 1
        error.add_note(f"\n{tracebacks.BEGIN}({nested}) =========\n{trace.rstrip()}")
        error._render_traceback_ = partial(tracebacks.render, error, trace, self._where)
        return error  # type: ignore[no-any-return]

    def _of_class(
        self, kind: Any, module: str, args: Any, attributes: Any, more: dict[str, Any], depth: int
    ) -> RemoteException | None:
        """Make an exception of a local class; None if the description doesn't fit the class."""
        if not issubclass(kind, RemoteException):
            return None
        members: list[Any] = []
        if issubclass(kind, ExceptionGroup):
            told = more.get(wire_errors.MEMBERS)
            members = [self.load(each, depth + 1) for each in told] if isinstance(told, tuple) else []
            if not members:
                return None
        try:
            error: Any = (self._classes or detached).create(kind, args, members)
        except Exception:  # noqa: BLE001 - the class doesn't take these args
            return None
        error.name, error.module = vars(kind)[wire_errors.CLASS][1], module
        text = more.get(wire_errors.TEXT)
        if isinstance(text, str):
            error._text = text[:MAX_TEXT_CHARS]
        elif not members:
            error._text = ", ".join(map(as_text, args[:10]))[:MAX_TEXT_CHARS]
        own = next((pair[1] for pair in attributes[:MAX_ATTRIBUTES] if pair[:1] == ("message",)), None)
        if not members:  # a group has a message already
            error.message = own if isinstance(own, str) else error._text
        error.remote_traceback = ""
        _set_attributes(error, attributes)
        with contextlib.suppress(Exception):
            repr(error)
            return error  # type: ignore[no-any-return]
        return None

    def _with_copies(self, attributes: Any, args: Any, packed: Any) -> tuple[Any, Any]:
        """Return the attributes and args, with the values that were packed as plain data put in place."""
        if packed is None:
            return attributes, args
        try:
            copies = exchange.unpacked(packed, self._where)
            positions, named = copies["args"], copies["attributes"]
            args = tuple([positions.get(index, value) for index, value in enumerate(args)])
            attributes = [pair for pair in attributes if pair[0] not in named]
            return (*attributes, *named.items()), args
        except (ProtocolError, LookupError, TypeError, AttributeError) as error:
            raise BrineError("what an exception carries, which can't be read") from error
        except ImportError:  # an array, but no numpy here: the array's text remains
            return attributes, args


def _is_more(pair: Any) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and pair[0].startswith("____")


def again(told: Any, where: str, number: str) -> Any:
    """Make an exception again from its copy or its pickle."""
    return load(told, where, connections.get(number, detached))


def as_raised(error: BaseException, raised: Exception) -> BaseException:
    """Give an exception that was raised here, and came back from there, its original class too."""
    kind: Any = type(raised)
    if not isinstance(error, RemoteException) or issubclass(kind, RemoteException):
        return error
    try:
        own = type(kind.__name__, (RemoteException, kind), {"__module__": kind.__module__, "__slots__": ()})
        same: BaseException = detached.create(own, raised.args, list(getattr(raised, "exceptions", ())))
    except Exception:  # noqa: BLE001 - the class has no subclasses, or takes other args
        return error
    same.__dict__.update({**error.__dict__, **vars(raised)})
    same._text = wire_errors.text_of(raised)  # type: ignore[attr-defined]
    return same


def _builtin(module: str, name: str, args: tuple[Any, ...], attributes: tuple[Any, ...]) -> BaseException | None:
    """Make a built-in exception; None if the class isn't built in, or the description doesn't fit it."""
    kind = vars(builtins).get(name) if module == "builtins" else None
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, BaseExceptionGroup):
        return None
    try:
        error: BaseException = kind(*args)
    except Exception:  # noqa: BLE001 - its constructor takes other arguments than ``args``
        error = kind.__new__(kind)
        error.args = args
    _set_attributes(error, attributes)
    try:
        str(error)
        repr(error)
    except Exception:  # noqa: BLE001 - attributes of wrong types
        return None
    return error


def _set_attributes(error: BaseException, attributes: tuple[Any, ...]) -> None:
    kind = type(error)
    left_out = [name for each, names in _LEFT_OUT.items() if isinstance(error, each) for name in names]
    for pair in attributes[:MAX_ATTRIBUTES]:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise BrineError("an attribute of an exception without a name")
        name, value = pair
        if name.startswith("_") or not name.isidentifier() or name in left_out:
            continue
        if callable(getattr(kind, name, None)):  # `add_note`, `with_traceback`, …
            continue
        if value is None and isinstance(getattr(kind, name, None), _SLOTS):  # an OSError without a second file name
            continue
        with contextlib.suppress(Exception):  # a read-only property, or a value of a wrong type
            setattr(error, name, value)
    if isinstance(error, SyntaxError):
        _mark_as_theirs(error)


def _mark_as_theirs(error: SyntaxError) -> None:
    """Mark the file as remote: IPython would read the line from a local file, or hang on a device."""
    for name in _NUMBERS:
        if type(getattr(error, name, None)) is not int:
            setattr(error, name, None)
    for name in ("msg", "text", "filename"):
        if not isinstance(getattr(error, name), str):
            setattr(error, name, None)
    if error.filename is not None and not (error.filename.startswith("<") and error.filename.endswith(">")):
        error.filename = f"<{error.filename}>"


# --- out ----------------------------------------------------------------------------------------------------------


def dump(error: BaseException, *, more: bool = False) -> Any:
    """Describe an exception of this side: its class, text and plain attributes.

    Traceback and causes are left out: they would show code and paths of this machine, or of a third one.

    Args:
        error: The exception.
        more: Whether to add the details from which a session can make the exception.
    """
    kind: type[BaseException] = type(error)
    names = None
    if isinstance(error, RefusedError):
        kind, names = AttributeError, ("builtins", "AttributeError")
        more = False
    elif isinstance(error, RemoteException) and (told := vars(kind).get(wire_errors.CLASS)) is not None:
        names = told[:2]
    trace = f"{kind.__name__}: {wire_errors.short(wire_errors.text_of(error))}\n"
    left_out = _LEFT_OUT[RemoteError] if isinstance(error, RemoteException) else ()
    return wire_errors.dump(error, trace, names, texts=False, more=more, left_out=left_out)


def is_same(dumped: Any, told: Any) -> bool:
    """Tell whether `dumped`, from the other side, is the exception that was described to it as `told`.

    A class that the other side doesn't know comes back under a longer name.
    """
    if not (isinstance(dumped, tuple) and isinstance(told, tuple)):
        return False
    (_module, name), args = dumped[:2]
    return str(name).rpartition(".")[2] == told[0][1] and bool(args == told[1])
