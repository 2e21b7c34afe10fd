"""What the other side of a live connection may do here: with the very objects that were passed to it, and little.

RPyC's own rules are for a side that was given a service on purpose. Here somebody has passed a callback to a machine
that is perhaps not trusted: it may call it. It may use the methods of an object that was passed, and read those of its
attributes that are plain values. What lies behind (a function's globals, a frame, a module, a class's subclasses) can't
be had, and nothing can be set, deleted or pickled.
"""

from __future__ import annotations

import types
from typing import Any

from rpyc.core import brine, consts
from rpyc.core.protocol import DEFAULT_CONFIG

from rpyc_kernel.transport.dialect import LABEL_LOCAL_REF, LABEL_TUPLE, LABEL_VALUE

MAX_ITERATED = 10_000  # items of one HANDLE_BUFFITER
SAFE = frozenset(DEFAULT_CONFIG["safe_attrs"]) - {"__new__"} | {"__call__", "__reversed__", "__await__", "__name__"}
COMPARISONS = frozenset(["__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__cmp__"])

#: their public attributes lead to everything: ``gi_frame``, ``f_globals``, ``co_consts`` …
_INNARDS = (types.FrameType, types.CodeType, types.TracebackType, types.ModuleType, types.FunctionType)
_METHODS = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)

#: what takes an object of ours first; everything else is answered without one, or refused
ON_AN_OBJECT = frozenset(
    [
        consts.HANDLE_GETATTR, consts.HANDLE_CALL, consts.HANDLE_CALLATTR, consts.HANDLE_REPR, consts.HANDLE_STR,
        consts.HANDLE_CMP, consts.HANDLE_HASH, consts.HANDLE_DIR, consts.HANDLE_BUFFITER, consts.HANDLE_CTXEXIT,
        consts.HANDLE_DEL,
    ]
)  # fmt: skip
WITHOUT = frozenset([consts.HANDLE_PING, consts.HANDLE_CLOSE, consts.HANDLE_GETROOT, consts.HANDLE_INSPECT])


class RefusedError(AttributeError):
    """Told to the other side, which asked for something that it wasn't given."""


def check(handler: Any, boxed: Any) -> None:
    """Whether a request of theirs is one that may be served: *boxed* are its arguments, as they came.

    Raises RefusedError.
    """
    if handler in WITHOUT:
        return
    if handler not in ON_AN_OBJECT:
        raise RefusedError(
            f"this side refuses requests of the kind {handler!r}: nothing can be pickled, set or deleted"
        )
    # an object of theirs, or a text of theirs (whose `format` would read any attribute), is none that was passed
    label, items = boxed if isinstance(boxed, tuple) and len(boxed) == 2 else (None, None)
    first = items[0] if label == LABEL_TUPLE and isinstance(items, tuple) and items else None
    if not (isinstance(first, tuple) and len(first) == 2 and first[0] == LABEL_LOCAL_REF):
        raise RefusedError("only an object that was passed from here can be used here")


def is_open(obj: Any, name: str) -> bool:
    """Whether an attribute of that name may be asked for."""
    if name.startswith("_"):
        return name in SAFE
    if isinstance(obj, str) and name in ("format", "format_map"):  # these read any attribute of what they are given
        return False
    return not isinstance(obj, _INNARDS)


def get(obj: Any, name: Any) -> Any:
    """An attribute of an object that was passed: a method of it, or a plain value. Raises AttributeError."""
    if not isinstance(name, str):
        raise RefusedError("an attribute's name is a text")
    if callable(getattr(type(obj), "_rpyc_getattr", None)):  # the object's class says itself what may be had
        return obj._rpyc_getattr(name)
    exposed = "exposed_" + name
    if not name.startswith("_") and hasattr(obj, exposed):
        return getattr(obj, exposed)
    if is_open(obj, name):
        value = getattr(obj, name)
        if brine.dumpable(value) or (isinstance(value, _METHODS) and value.__self__ is obj):
            return value
    raise RefusedError(
        f"{name!r} of this {type(obj).__name__} was not passed: its methods and plain values may be used, and no more"
    )


def names(obj: Any) -> tuple[str, ...]:
    """What of an object that was passed may be used, as far as it can be said without reading it."""
    return tuple(name for name in dir(obj) if is_open(obj, name))


def dropped(id_pack: Any, count: int) -> tuple[int, Any]:
    """The request that drops references to an object of theirs, boxed."""
    return consts.HANDLE_DEL, (LABEL_TUPLE, ((LABEL_LOCAL_REF, id_pack), (LABEL_VALUE, count)))
