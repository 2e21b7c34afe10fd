"""The objects that go into a session by value where RPyC would give a reference: see ``agent/wire_live.py``.

Such an object is either immutable, or of no use as a reference: Python raises only real exceptions, and numpy takes
only its own types.
"""

from __future__ import annotations

import builtins
import sys
from typing import Any

from rpyc.core import brine

from rpyc_kernel.agent import values, wire_errors, wire_live

MAX_ITEMS = 10_000  # items of a container that is copied shallowly


def of_class(kind: type) -> Any:
    """Box a class; None if the class goes by reference."""
    if issubclass(kind, BaseException):
        return wire_live.ERROR_CLASS, wire_errors.describe(kind)
    if vars(builtins).get(kind.__name__) is kind:
        return wire_live.NAMED, ("builtins", kind.__name__)
    numpy = _numpy(kind)
    if numpy is not None and issubclass(kind, numpy.generic) and getattr(numpy, kind.__name__, None) is kind:
        return wire_live.NAMED, ("numpy", kind.__name__)
    return None


def of_numpy(obj: Any) -> Any:
    """Box a number or a dtype of numpy; None if the object is neither, or goes by reference."""
    numpy = _numpy(type(obj))
    if numpy is None:
        return None
    if isinstance(obj, numpy.dtype):
        return (wire_live.DTYPE, obj.str) if obj.kind != "O" and numpy.dtype(obj.str) == obj else None
    if isinstance(obj, numpy.generic) and obj.dtype.kind in "?biufcSU" and brine.dumpable(obj.item()):
        return wire_live.NUMBER, (obj.item(), obj.dtype.str, obj.tobytes())
    return None


def is_array(obj: Any) -> bool:
    """Tell whether an object is a numpy array."""
    numpy = _numpy(type(obj))
    return numpy is not None and isinstance(obj, numpy.ndarray)


def copied(obj: Any, *, as_array: bool) -> Any:
    """Copy an object that was passed to the other side.

    Args:
        obj: The object.
        as_array: Whether to copy it as a numpy array.

    Returns:
        Packed plain data, or the name of a container's type and its items.

    Raises:
        TypeError: The object is neither plain data nor one of Python's containers.
    """
    if as_array:
        if not is_array(obj):
            raise TypeError(f"a {type(obj).__name__} is no array")
        obj = sys.modules["numpy"].asarray(obj)
    try:
        return values.pack(obj, "what was passed", objects=False).copied()
    except TypeError:
        for kind in (list, dict, set):
            guarded = callable(getattr(type(obj), "_rpyc_getattr", None))
            if issubclass(type(obj), kind) and len(obj) <= MAX_ITEMS and not guarded:
                return kind.__name__, tuple(obj.items() if kind is dict else obj)
        raise


def _numpy(kind: type) -> Any:
    """Return the module numpy if the class belongs to it; never imports numpy."""
    return sys.modules.get("numpy") if str(kind.__module__).partition(".")[0] == "numpy" else None
