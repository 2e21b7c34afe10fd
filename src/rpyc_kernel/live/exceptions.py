"""Exceptions of the other side, made here from what it tells of them, and what it is told of those here.

RPyC's ``vinegar`` does that too; it looks a class up in any module that is loaded, sets whatever attributes it is told
to, and puts the other side's traceback into ``str`` of the exception. Here it is a note of the exception (PEP 678).
"""

from __future__ import annotations

import builtins
import contextlib
import reprlib
from functools import partial
from typing import Any

from rpyc.core import brine
from rpyc.core.vinegar import GenericException

from rpyc_kernel.errors import RemoteError
from rpyc_kernel.live import tracebacks
from rpyc_kernel.live.exposed import RefusedError
from rpyc_kernel.transport.brine import BrineError
from rpyc_kernel.transport.dialect import EXC_STOP_ITERATION

MAX_TEXT = 100_000  # characters of a traceback
MAX_NAME = 200  # characters of the name of a class, or of a module
MAX_ATTRIBUTES = 50
#: From a name Python guesses what was meant, looking at objects here; 3.12 imports what an ImportError names.
#: Those of a UnicodeError stand in its args; of another type they make `str` of it read memory that isn't its own.
_LEFT_OUT: dict[type, tuple[str, ...]] = {
    BaseException: ("args",),
    NameError: ("name",),
    AttributeError: ("name", "obj"),
    ImportError: ("name_from",),
    UnicodeError: ("encoding", "object", "start", "end", "reason"),
    RemoteError: ("name", "message", "module", "remote_traceback"),
}
_NUMBERS = ("lineno", "offset", "end_lineno", "end_offset")

_short = reprlib.Repr()
_short.maxtuple = _short.maxfrozenset = 50
_short.maxstring = _short.maxother = 1_000


class RemoteException(RemoteError, GenericException):
    """An exception of a class that isn't built into Python: ``name``, ``module``, ``message``, ``remote_traceback``.

    One that would end the program, as SystemExit, arrives as this too: another machine doesn't end this one's.
    """


def load(dumped: Any, where: str) -> BaseException | type[BaseException]:
    """The exception that was dumped by RPyC's vinegar on the machine *where*. Raises BrineError where that is none."""
    if dumped == EXC_STOP_ITERATION and type(dumped) is int:
        return StopIteration
    if isinstance(dumped, str):
        return RemoteException("Exception", dumped[:MAX_TEXT])
    if not isinstance(dumped, tuple) or len(dumped) != 4:
        raise BrineError("an exception that is not dumped as one")
    names, args, attributes, trace = dumped
    if not (isinstance(names, tuple) and len(names) == 2 and isinstance(args, tuple) and isinstance(attributes, tuple)):
        raise BrineError("an exception without a name")
    module, name = ("".join(c if c.isprintable() else "?" for c in _text(each)[:MAX_NAME]) for each in names)
    trace = _text(trace)
    error = _builtin(module, name, args, attributes)
    if error is None:
        message = ", ".join(map(_text, args[:10]))[:MAX_TEXT]
        error = RemoteException(name if module == "builtins" else f"{module}.{name}", message, trace, module)
        _set_attributes(error, attributes)
    error._remote_tb = trace  # type: ignore[attr-defined]  # where RPyC has it
    nested = trace.count(tracebacks.BEGIN) + 1
    error.add_note(f"\n{tracebacks.BEGIN}({nested}) =========\n{trace.rstrip()}")
    error._render_traceback_ = partial(tracebacks.render, error, trace, where)  # type: ignore[attr-defined]
    return error


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else _short.repr(value)


def _builtin(module: str, name: str, args: tuple[Any, ...], attributes: tuple[Any, ...]) -> BaseException | None:
    """The one of Python's own; None if it is none of them, or isn't sound."""
    kind = vars(builtins).get(name) if module == "builtins" else None
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, BaseExceptionGroup):
        return None
    try:
        error: BaseException = kind(*args)
    except Exception:  # noqa: BLE001 - it wants other arguments than it keeps
        error = kind.__new__(kind)
        error.args = args
    _set_attributes(error, attributes)
    try:
        str(error)
        repr(error)
    except Exception:  # noqa: BLE001 - attributes that no such exception has
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
        if value is None:  # an OSError without a second file name has none, rather than one that is None
            continue
        with contextlib.suppress(Exception):  # a property, or one that takes no such value
            setattr(error, name, value)
    if isinstance(error, SyntaxError):
        _mark_as_theirs(error)


def _mark_as_theirs(error: SyntaxError) -> None:
    """Its file is not one here: IPython would read the line from there, or wait at a device for its end."""
    for name in _NUMBERS:
        if type(getattr(error, name, None)) is not int:
            setattr(error, name, None)
    for name in ("msg", "text", "filename"):
        if not isinstance(getattr(error, name), str):
            setattr(error, name, None)
    if error.filename is not None and not (error.filename.startswith("<") and error.filename.endswith(">")):
        error.filename = f"<{error.filename}>"


# --- out ----------------------------------------------------------------------------------------------------------


def dump(error: BaseException) -> Any:
    """What the other side is told of an exception here: class, words and plain attributes, not where it came from.

    A traceback would show lines and paths of this machine, and what led to it perhaps another machine's.
    """
    if type(error) is StopIteration:
        return EXC_STOP_ITERATION
    kind = AttributeError if isinstance(error, RefusedError) else type(error)
    names = kind.__module__, kind.__name__
    args = tuple(map(_plain, error.args))
    attributes: list[tuple[str, Any]] = []
    for name in dir(error):
        if not name.startswith("_") and name != "args" and len(attributes) < MAX_ATTRIBUTES:
            with contextlib.suppress(Exception):  # a property of the user's
                value = getattr(error, name)
                brine.dump(value)
                attributes.append((name, value))
    return names, args, tuple(attributes), f"{kind.__name__}: {_plain(_str(error))}\n"


def is_same(dumped: Any, told: Any) -> bool:
    """Whether an exception of theirs is the one that they were told of: it went through over there.

    A class that they don't know comes back under a longer name.
    """
    if not (isinstance(dumped, tuple) and isinstance(told, tuple)):
        return False
    (_module, name), args = dumped[:2]
    return str(name).rpartition(".")[2] == told[0][1] and bool(args == told[1])


def _plain(value: Any) -> Any:
    """The value if it can be sent, else a text."""
    try:
        brine.dump(value)
    except Exception:  # noqa: BLE001 - a TypeError, half a character, a number that is too long, …
        return _str(value).encode(errors="backslashreplace").decode()[:MAX_TEXT]
    return value


def _str(value: Any) -> str:
    try:
        return str(value) if isinstance(value, (str, BaseException)) else repr(value)
    except Exception:  # noqa: BLE001 - the user's own
        return f"<{type(value).__name__}>"
