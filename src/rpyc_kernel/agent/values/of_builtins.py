"""Values of Python's built-in types, but containers."""

from __future__ import annotations

from .errors import UnpackError
from .kinds import Memory
from .long_bytes import to_bytearray, to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of a value, as the built-in type that its class derives from."""
    kind = type(value)
    for base, described in _DESCRIBED.items():
        if issubclass(kind, base):
            return described(value)
    return None


def _text(value: str) -> Tuple[str, Sequence[Any]]:
    plain = str.__str__(value)
    return ("plain", [plain]) if type(value) is not str else ("str", [Memory(plain.encode("utf-8", "surrogatepass"))])


def _int(value: int) -> Tuple[str, Sequence[Any]]:
    plain = int.__int__(value)
    return ("plain", [plain]) if type(value) is not int else ("int", [hex(plain)])


def _view(value: memoryview) -> Tuple[str, Sequence[Any]]:
    return "bytes", [Memory(value if value.c_contiguous else value.tobytes())]


_DESCRIBED: Dict[Any, Callable[[Any], Tuple[str, Sequence[Any]]]] = {
    str: _text,
    int: _int,
    float: lambda value: ("plain", [float.__float__(value)]),
    bytes: lambda value: ("bytes", [Memory(value)]),
    bytearray: lambda value: ("bytearray", [Memory(bytes(value))]),  # its own memory would keep it from growing
    memoryview: _view,
    complex: lambda value: ("complex", [value.real, value.imag]),
    range: lambda value: ("range", [value.start, value.stop, value.step]),
    slice: lambda value: ("slice", [value.start, value.stop, value.step]),
    type(...): lambda _value: ("Ellipsis", [None]),
    type(NotImplemented): lambda _value: ("NotImplemented", [None]),
}


def _build_int(_unpacker: Any, text: Any) -> int:
    if type(text) is not str:
        raise UnpackError("an integer that is none")
    return int(text, 16)


def _build_bytes(unpacker: Any, form: Any) -> bytes:
    data = unpacker.memory(form)
    return data if type(data) is bytes else to_bytes(data)


def _build_bytearray(unpacker: Any, form: Any) -> bytearray:
    data = unpacker.memory(form)
    return data if type(data) is bytearray else to_bytearray(data)


def _build_complex(_unpacker: Any, real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise UnpackError("a complex number that is none")
    return complex(real, imag)


def _build_range(_unpacker: Any, start: Any, stop: Any, step: Any) -> range:
    if not all(type(each) is int for each in (start, stop, step)):
        raise UnpackError("a range that is none")
    return range(start, stop, step)


BUILDERS: Dict[str, Callable[..., Any]] = {
    "plain": lambda _unpacker, value: value,
    "str": lambda unpacker, form: bytes(unpacker.memory(form)).decode("utf-8", "surrogatepass"),
    "int": _build_int,
    "bytes": _build_bytes,
    "bytearray": _build_bytearray,
    "complex": _build_complex,
    "range": _build_range,
    "slice": lambda _unpacker, start, stop, step: slice(start, stop, step),
    "Ellipsis": lambda _unpacker, _none: ...,
    "NotImplemented": lambda _unpacker, _none: NotImplemented,
}
