"""What the other side of a live connection may do here: with the very objects that were passed to it, and little.

RPyC's own rules are for a side that was given a service on purpose. Here somebody has passed a callback to a machine
that is perhaps not trusted: it may call it. It may use the methods of an object that was passed, and read those of its
attributes that are plain values. What lies behind (a function's globals, a frame, a module, a class's subclasses, the
object whose method was passed) can't be had, and nothing can be set, deleted or pickled.
"""

from __future__ import annotations

import functools
import string
import types
from typing import TYPE_CHECKING, Any

from rpyc.core import brine, consts
from rpyc.core.netref import BaseNetref
from rpyc.core.protocol import DEFAULT_CONFIG

from rpyc_kernel.agent import wire_live
from rpyc_kernel.transport.rpyc_wire.brine import BrineError
from rpyc_kernel.transport.rpyc_wire.dialect import LABEL_LOCAL_REF, LABEL_TUPLE, LABEL_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ITERATED = 10_000  # items of one HANDLE_BUFFITER
MAX_PING = 1 << 20  # characters or bytes
SAFE = frozenset(DEFAULT_CONFIG["safe_attrs"]) - {"__new__"} | {"__call__", "__reversed__", "__await__", "__name__"}
COMPARISONS = frozenset(["__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__cmp__"])

_METHODS = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)

#: What they are, or are made of, was not passed: ``gi_frame`` leads to everything, a bound method's ``repr`` tells of
#: its object, a partial's of its arguments, and a Formatter reads any attribute of what it is given.
_CLOSED = (
    types.FrameType, types.CodeType, types.TracebackType, types.ModuleType, types.FunctionType, *_METHODS,
    types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType, functools.partial,
    string.Formatter,
)  # fmt: skip
_OF_CLOSED = frozenset(["__call__", "__doc__", "__name__", "__eq__", "__ne__", "__hash__", "__bool__"])

#: what takes an object of ours first, and what must come behind it: of that very type, or any object
ON_AN_OBJECT: dict[int, tuple[type, ...]] = {
    consts.HANDLE_GETATTR: (str,),
    consts.HANDLE_CALL: (tuple, tuple),
    consts.HANDLE_CALLATTR: (str, tuple, tuple),
    consts.HANDLE_REPR: (),
    consts.HANDLE_STR: (),
    consts.HANDLE_CMP: (object, str),
    consts.HANDLE_HASH: (),
    consts.HANDLE_DIR: (),
    consts.HANDLE_BUFFITER: (int,),
    consts.HANDLE_CTXEXIT: (object,),
    consts.HANDLE_DEL: (int,),
    wire_live.HANDLE_COPY: (bool,),
}
#: what takes no object, but plain values
WITHOUT = frozenset([consts.HANDLE_PING, consts.HANDLE_CLOSE, consts.HANDLE_GETROOT, consts.HANDLE_INSPECT])


class RefusedError(AttributeError):
    """Told to the other side, which asked for something that it wasn't given."""


def check(request: Any) -> tuple[int, Any]:
    """What a request of theirs asks for, and its arguments as they came, if it is one that may be served.

    Raises RefusedError, or BrineError where it is no request at all.
    """
    if not (isinstance(request, tuple) and len(request) == 2 and type(request[0]) is int):
        raise BrineError("a request that is none")
    handler, boxed = request
    if not (isinstance(boxed, tuple) and len(boxed) == 2 and isinstance(boxed[1], tuple)):
        raise BrineError("a request whose arguments are none")
    label, items = boxed
    if handler in WITHOUT:
        if label != LABEL_VALUE:
            raise RefusedError("only plain values are taken there")
    elif handler not in ON_AN_OBJECT:
        raise RefusedError(f"this side refuses requests of the kind {handler}: nothing can be pickled, set or deleted")
    # an object of theirs, or a text of theirs (whose `format` would read any attribute), is none that was passed
    elif not (label == LABEL_TUPLE and items and isinstance(items[0], tuple) and items[0][:1] == (LABEL_LOCAL_REF,)):
        raise RefusedError("only an object that was passed from here can be used here")
    return handler, boxed


def check_arguments(handler: int, args: tuple[Any, ...]) -> None:
    """Whether what comes behind the object is what it must be. Raises RefusedError.

    An object of theirs can pose as a text or a number, and would be asked what it is whenever it is looked at.
    """
    if handler in ON_AN_OBJECT:
        for kind, given in zip(ON_AN_OBJECT[handler], args[1:], strict=False):
            if kind is not object and type(given) is not kind:
                raise RefusedError(f"a {kind.__name__} belongs there")


def is_open(obj: Any, name: str) -> bool:
    """Whether an attribute of that name may be asked for."""
    kind = type(obj)  # not what it says that it is: an object of a third machine is that machine's to guard
    if issubclass(kind, _CLOSED):
        return name in _OF_CLOSED
    if name.startswith("_"):
        return name in SAFE
    if issubclass(kind, str) and name in ("format", "format_map"):  # these read any attribute of what they are given
        return False
    # of a class, what it defines itself, and not `mro`, `register` and the like, which lead to other classes
    return not issubclass(kind, type) or issubclass(kind, type(BaseNetref)) or any(name in vars(c) for c in obj.__mro__)


def get(obj: Any, name: str, by_value: Callable[[Any], Any] = lambda _value: None) -> Any:
    """An attribute of an object that was passed: a method of it, or a plain value. Raises AttributeError.

    *by_value*: tells what else is a plain value, by something else than None.
    """
    if callable(getattr(type(obj), "_rpyc_getattr", None)):  # the object's class says itself what may be had
        return obj._rpyc_getattr(name)
    exposed = "exposed_" + name
    if not name.startswith("_") and hasattr(obj, exposed):
        return getattr(obj, exposed)
    if is_open(obj, name):
        value = getattr(obj, name)
        if brine.dumpable(value) or by_value(value) is not None or (type(value) in _METHODS and value.__self__ is obj):
            return value
        if isinstance(obj, BaseNetref) and isinstance(value, BaseNetref):
            return value
        # what IPython makes of `sys.stdout.write` in a cell, and others who give one object a method of its own
        if type(value) is types.FunctionType and not isinstance(obj, type) and vars(obj).get(name) is value:
            return value
    raise RefusedError(
        f"{name[:100]!r} of this {type(obj).__name__} was not passed: its methods and plain values may be used, "
        "and no more"
    )


def call(obj: Any, args: tuple[Any, ...], kwargs: Any = ()) -> Any:
    """What a call of it returns. Raises RefusedError, and whatever it raises."""
    if obj is str.format or obj is str.format_map:  # of a text of theirs: it would read any attribute of an argument
        raise RefusedError("a text of this side can be formatted from here, and no other")
    if not all(type(pair) is tuple and len(pair) == 2 and type(pair[0]) is str for pair in kwargs):
        raise RefusedError("an argument without a name")
    return obj(*args, **dict(kwargs))


def text(obj: Any, form: Any) -> Any:
    """What `repr` or `str`, which is *form*, makes of it; of a method without that of its object, and so on."""
    if issubclass(type(obj), _CLOSED):
        return f"<{type(obj).__name__} {getattr(obj, '__name__', '')}".rstrip() + ">"
    return form(obj)


def names(obj: Any) -> tuple[str, ...]:
    """What of an object that was passed may be used, as far as it can be said without reading it."""
    return tuple(name for name in dir(obj) if is_open(obj, name))


def dropped(id_pack: Any, count: int) -> tuple[int, Any]:
    """The request that drops references to an object of theirs, boxed."""
    return consts.HANDLE_DEL, (LABEL_TUPLE, ((LABEL_LOCAL_REF, id_pack), (LABEL_VALUE, count)))
