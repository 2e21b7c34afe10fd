"""Copies of plain data, packed: JSON text, and bytes and arrays beside it. No pickle: reading it gives data only.

``None``, booleans, numbers, texts, lists, and dictionaries with texts as keys are written as JSON has them. Whatever
JSON has no form for is an object with the key ``!``, which names what it is:

==========================================  =====================================================
``{"!": "tuple", "of": [...]}``             also ``set`` and ``frozenset``
``{"!": "dict", "of": [[key, value], …]}``  where a key is no text, or a text that begins with ``!``
``{"!": "bytes", "at": 1}``                 also ``bytearray``; the first of the buffers is 1
``{"!": "array", "at": 1, …}``              a numpy array: ``dtype`` as numpy writes it, and ``shape``
``{"!": "scalar", "at": 1, "dtype": …}``    one number of numpy's
``{"!": "complex", "of": [real, imag]}``
``{"!": "int", "of": "0x…"}``               of more digits than Python reads
``{"!": "range", "of": [start, stop, step]}``
==========================================  =====================================================

What derives from one of these types is copied as that type. The kernel reads it with ``rpyc_kernel.live.values``, which
checks more.
"""

from __future__ import annotations

import json
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

MAX_DEPTH = 100  #: of data within data
_ATOMS = frozenset([type(None), bool, float, str])
_BIG = 1 << 1000  # above it an integer is written in another way
_KINDS = "?biufcSUmM"  # of numpy's types: those that are nothing but bytes
_DTYPE = r"[<>|=]?[biufcSUmM][0-9]{0,9}(\[[0-9]{0,9}[a-zA-Zμ]{1,7}\])?\Z"  # as numpy writes one of these


def pack(value: Any, name: str) -> Tuple[bytes, ...]:
    """Pack a copy of plain data.

    Args:
        value: The data.
        name: What an error's text calls it.

    Returns:
        The JSON text, and the buffers beside it.

    Raises:
        TypeError: It isn't plain data; the text says which part of it.
    """
    packer = _Packer()
    text = json.dumps(packer.write(value, name), separators=(",", ":"))
    return (text.encode("ascii"), *packer.buffers)


class _Packer:
    def __init__(self) -> None:
        self.buffers: List[bytes] = []
        self._within: Set[int] = set()  # ids of what is being written

    def write(self, value: Any, where: str) -> Any:
        """The form of a value in the JSON text; ``where`` names the value in an error's text."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is int or (isinstance(value, int) and not isinstance(value, bool)):
            number = int(value)
            return number if -_BIG < number < _BIG else {"!": "int", "of": hex(number)}
        if isinstance(value, (list, tuple, set, frozenset, dict)):
            return self._container(value, where)
        if isinstance(value, (bytes, bytearray, memoryview)):
            name = "bytearray" if isinstance(value, bytearray) else "bytes"
            return {"!": name, "at": self._beside(bytes(value))}
        if isinstance(value, str):
            return str.__str__(value)
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            return self._array(numpy, value, where)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, complex):
            return {"!": "complex", "of": [value.real, value.imag]}
        if isinstance(value, range):
            return {"!": "range", "of": [self.write(each, where) for each in (value.start, value.stop, value.step)]}
        raise TypeError("%s is of the type %s, and only plain data can be copied" % (where, _name(kind)))

    def _container(self, value: Any, where: str) -> Any:
        if callable(getattr(type(value), "_rpyc_getattr", None)):  # its class says itself what of it may be had
            raise TypeError("%s is of the type %s, which allows no copies" % (where, _name(type(value))))
        if id(value) in self._within:
            raise TypeError("%s contains itself, and no copy of it can be sent" % where)
        if len(self._within) >= MAX_DEPTH:
            raise TypeError("%s… lies more than %d levels deep" % (where[:80], MAX_DEPTH))
        self._within.add(id(value))
        try:
            if isinstance(value, dict):
                return self._dict(value, where)
            items = list(value)
            if not _ATOMS.issuperset(map(type, items)):
                items = [self.write(item, "%s[%d]" % (where, index)) for index, item in enumerate(items)]
            if isinstance(value, list):
                return items
            name = "tuple" if isinstance(value, tuple) else "set" if isinstance(value, set) else "frozenset"
            return {"!": name, "of": items}
        finally:
            self._within.discard(id(value))

    def _dict(self, value: Any, where: str) -> Any:
        pairs = [(key, self.write(item, "%s[%.40r]" % (where, key))) for key, item in value.items()]
        if all(type(key) is str and not key.startswith("!") for key, _item in pairs):
            return dict(pairs)
        return {"!": "dict", "of": [[self.write(key, "a key of " + where), item] for key, item in pairs]}

    def _array(self, numpy: Any, value: Any, where: str) -> Any:
        array = numpy.asarray(value)
        wide = array.dtype.kind in "fc" and array.dtype.itemsize > {"f": 8, "c": 16}[array.dtype.kind]
        if array.dtype.kind not in _KINDS or wide:  # a long double is another number on another machine
            raise TypeError("%s is an array of %s, of which no copy can be sent" % (where, array.dtype))
        at = self._beside(array.tobytes())
        if isinstance(value, numpy.generic):
            return {"!": "scalar", "at": at, "dtype": array.dtype.str}
        return {"!": "array", "at": at, "dtype": array.dtype.str, "shape": list(array.shape)}

    def _beside(self, data: bytes) -> int:
        self.buffers.append(data)
        return len(self.buffers)


class Reader:
    """Makes the values again; raises ValueError and the like for what no packer writes."""

    def __init__(self, buffers: Sequence[bytes]) -> None:
        self._buffers: List[Optional[bytes]] = list(buffers)

    def read(self, text: bytes) -> Any:
        """The value of a JSON text, whose buffers are those that were given."""
        return json.loads(text, object_hook=self._revive)

    def _revive(self, node: Dict[str, Any]) -> Any:
        """The value for which an object in the JSON text stands."""
        kind = node.get("!")
        if kind is None:
            return node
        if kind in ("bytes", "bytearray"):
            data = self._buffer(node)
            return data if kind == "bytes" else bytearray(data)
        if kind in ("array", "scalar"):
            return self._array(node, kind)
        of = node.get("of")
        if kind == "int" and isinstance(of, str):
            return int(of, 16)
        if not isinstance(of, list):
            raise ValueError("%.20r of nothing" % str(kind))  # noqa: TRY004 - as all that is wrong in it
        if kind == "tuple":
            return tuple(of)
        if kind in ("set", "frozenset"):
            return (set if kind == "set" else frozenset)(self._fair(of))
        if kind == "dict":
            pairs = [(key, value) for key, value in of]
            self._fair([key for key, _value in pairs])
            return dict(pairs)
        if kind == "complex":
            real, imag = map(float, of)
            return complex(real, imag)
        if kind == "range":
            start, stop, step = map(int, of)
            return range(start, stop, step)
        raise ValueError("an unknown %.20r" % str(kind))

    def _buffer(self, node: Dict[str, Any]) -> bytes:
        """The buffer that an object names, once: else a short text could make a thousand copies of a long one."""
        at = node.get("at")
        data = self._buffers[at - 1] if type(at) is int and 1 <= at <= len(self._buffers) else None
        if data is None:
            raise ValueError("bytes that are not there")
        self._buffers[node["at"] - 1] = None
        return data

    def _array(self, node: Dict[str, Any], kind: str) -> Any:
        numpy = self._numpy()
        name = node.get("dtype")
        if not (isinstance(name, str) and re.match(_DTYPE, name)):
            raise ValueError("an array of %.50r" % str(name))
        dtype = numpy.dtype(name)
        data = bytearray(self._buffer(node))
        if kind == "scalar":
            return numpy.frombuffer(data, dtype, 1)[0]
        shape = node.get("shape")
        if not (isinstance(shape, list) and len(shape) <= 64 and all(type(n) is int and n >= 0 for n in shape)):
            raise ValueError("an array without a shape")
        if not data:
            return numpy.empty(0, dtype).reshape(shape)
        return numpy.frombuffer(data, dtype).reshape(shape)

    def _numpy(self) -> Any:
        import numpy as np

        return np

    def _fair(self, members: List[Any]) -> List[Any]:
        """The members of a set or the keys of a dictionary, once they are believed."""
        return members


def unpack(packed: Sequence[bytes]) -> Any:
    """The value that a trusted end has packed."""
    return Reader(packed[1:]).read(packed[0])


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
