"""The other side's rights here: a limited use of the objects that were passed to it.

RPyC's own rules are for the clients of a service. Here a user has passed a callback to a machine that is perhaps not
trusted. That machine may call the callback, use the methods of a passed object, and read the object's plain values.
It can't reach further objects (a function's globals, a frame, a module, a class's subclasses, the object of a passed
method), and it can't set, delete or pickle anything.
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
from rpyc_kernel.transport.rpyc_wire.brine import LABEL_LOCAL_REF, LABEL_TUPLE, LABEL_VALUE, BrineError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ITERATED_ITEMS = 10_000  # of one HANDLE_BUFFITER
MAX_PING_LENGTH = 1 << 20  # characters or bytes
SAFE = frozenset(DEFAULT_CONFIG["safe_attrs"]) - {"__new__"} | {"__call__", "__reversed__", "__await__", "__name__"}
COMPARISONS = frozenset(["__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__cmp__"])

_METHODS = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)

#: Types whose parts were not passed: ``gi_frame`` leads to everything, a bound method's ``repr`` shows its object, a
#: partial's shows its arguments, and a Formatter reads any attribute of its arguments.
_CLOSED = (
    types.FrameType, types.CodeType, types.TracebackType, types.ModuleType, types.FunctionType, *_METHODS,
    types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType, functools.partial,
    string.Formatter,
)  # fmt: skip
_OF_CLOSED = frozenset(["__call__", "__doc__", "__name__", "__eq__", "__ne__", "__hash__", "__bool__"])

#: Requests whose first argument is an object of this side, and the exact types of the other arguments (object: any)
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
#: Requests that take only plain values
WITHOUT = frozenset([consts.HANDLE_PING, consts.HANDLE_CLOSE, consts.HANDLE_GETROOT, consts.HANDLE_INSPECT])


class RefusedError(AttributeError):
    """The answer to a request of the other side that exceeds its rights."""


def check(request: Any) -> tuple[int, Any]:
    """Check a request of the other side.

    Returns:
        The kind of the request, and its arguments, still boxed.

    Raises:
        RefusedError: The request may not be served.
        BrineError: It isn't a request.
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
    # objects and texts of the other side were not passed from here; a text's `format` would read any attribute
    elif not (label == LABEL_TUPLE and items and isinstance(items[0], tuple) and items[0][:1] == (LABEL_LOCAL_REF,)):
        raise RefusedError("only an object that was passed from here can be used here")
    return handler, boxed


def check_arguments(handler: int, args: tuple[Any, ...]) -> None:
    """Check the types of the arguments behind the object.

    A netref can pose as a text or a number; each look at it would ask the other side.

    Raises:
        RefusedError: An argument has another type.
    """
    if handler in ON_AN_OBJECT:
        for kind, given in zip(ON_AN_OBJECT[handler], args[1:], strict=False):
            if kind is not object and type(given) is not kind:
                raise RefusedError(f"a {kind.__name__} belongs there")


def is_open(obj: Any, name: str) -> bool:
    """Tell whether the other side may ask for the attribute of that name."""
    kind = type(obj)  # not ``__class__``: a third machine guards its own objects
    if issubclass(kind, _CLOSED):
        return name in _OF_CLOSED
    if name.startswith("_"):
        return name in SAFE
    if issubclass(kind, str) and name in ("format", "format_map"):  # they read any attribute of their arguments
        return False
    # of a class its own definitions, but not `mro`, `register` and the like, which lead to other classes
    return not issubclass(kind, type) or issubclass(kind, type(BaseNetref)) or any(name in vars(c) for c in obj.__mro__)


def get(obj: Any, name: str, by_value: Callable[[Any], Any] = lambda _value: None) -> Any:
    """Read an attribute of a passed object: a method or a plain value.

    Args:
        obj: The object.
        name: The attribute.
        by_value: Returns something else than None for further plain values.

    Raises:
        AttributeError: There is no such attribute, or it may not be read (RefusedError).
    """
    if callable(getattr(type(obj), "_rpyc_getattr", None)):  # the object's class has rules of its own
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
        # a method of one object alone, such as IPython's `sys.stdout.write` in a cell
        if type(value) is types.FunctionType and not isinstance(obj, type) and vars(obj).get(name) is value:
            return value
    raise RefusedError(
        f"{name[:100]!r} of this {type(obj).__name__} was not passed: its methods and plain values may be used, "
        "and no more"
    )


def call(obj: Any, args: tuple[Any, ...], kwargs: Any = ()) -> Any:
    """Call an object for the other side.

    Raises:
        RefusedError: The call may not be made.
        BaseException: The object raised it.
    """
    if obj is str.format or obj is str.format_map:  # with their text it would read any attribute of an argument
        raise RefusedError("a text of this side can be formatted from here, and no other")
    if not all(type(pair) is tuple and len(pair) == 2 and type(pair[0]) is str for pair in kwargs):
        raise RefusedError("an argument without a name")
    return obj(*args, **dict(kwargs))


def text(obj: Any, form: Any) -> Any:
    """Return the `repr` or `str` (`form`) of an object; for a closed type only its name, without its parts."""
    if issubclass(type(obj), _CLOSED):
        return f"<{type(obj).__name__} {getattr(obj, '__name__', '')}".rstrip() + ">"
    return form(obj)


def names(obj: Any) -> tuple[str, ...]:
    """Return the attributes of a passed object that may be open, judged without reading them."""
    return tuple(name for name in dir(obj) if is_open(obj, name))


def dropped(id_pack: Any, count: int) -> tuple[int, Any]:
    """Return the boxed request that drops `count` references to an object of the other side."""
    return consts.HANDLE_DEL, (LABEL_TUPLE, ((LABEL_LOCAL_REF, id_pack), (LABEL_VALUE, count)))
