"""Containers of the standard library: arrays of numbers, which boards without numpy have, and queues with two ends."""

from __future__ import annotations

import sys
from array import array
from collections import deque

from .errors import UnpackError
from .kinds import Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

_FAMILIES = ("bhilq", "BHILQ", "fd")  # type codes of like numbers; how many bytes one has is the processor's matter


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of an array of numbers or a queue; None for all else."""
    if isinstance(value, array) and value.typecode in "".join(_FAMILIES):
        # a copy: over its own memory it could not grow
        return "array.array", [value.typecode, value.itemsize, sys.byteorder, Memory(array.tobytes(value))]
    if isinstance(value, deque):
        return "collections.deque", [value.maxlen, tuple(deque.__iter__(value))]
    return None


def _build_array(unpacker: Any, code: Any, size: Any, order: Any, form: Any) -> Any:
    if order not in ("little", "big"):
        raise UnpackError("an array that is none")
    family = next((each for each in _FAMILIES if type(code) is str and len(code) == 1 and code in each), "")
    same_size = [each for each in code + family if array(each).itemsize == size] if family else []
    if not same_size:
        raise UnpackError("an array of numbers that this Python does not have")
    made = array(same_size[0])
    made.frombytes(unpacker.memory(form))
    if order != sys.byteorder:
        made.byteswap()
    return made


def _build_deque(_unpacker: Any, most: Any, items: Any) -> Any:
    if type(items) is not tuple or not (most is None or (type(most) is int and most >= len(items))):
        raise UnpackError("a queue that is none")
    return deque(items, most)


BUILDERS: Dict[str, Callable[..., Any]] = {"array.array": _build_array, "collections.deque": _build_deque}
