"""Numpy's arrays, masked arrays, numbers and dtypes. An array is its memory, not copied where it is contiguous."""

from __future__ import annotations

import sys

from . import numpy_dtypes
from .errors import UnpackError
from .kinds import Memory, required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

MAX_DIMENSIONS = 64


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of what is numpy's; None for all else."""
    import numpy as np

    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        if value is masked.masked:
            return "numpy.ma.masked", [None]
        mask = None if value.mask is masked.nomask else masked.getmaskarray(value)
        return "numpy.ma.MaskedArray", [value.data.view(np.ndarray), mask, value.fill_value, bool(value.hardmask)]
    if isinstance(value, np.ndarray):
        return _array(np, value)
    if isinstance(value, np.generic):
        if isinstance(value, (str, bytes)):  # an array of these would lose NULs at the end
            plain = str.__str__(value) if isinstance(value, str) else bytes(value)
            return "numpy.%s" % ("str_" if isinstance(value, str) else "bytes_"), [plain]
        return "numpy.generic", [numpy_dtypes.describe(np, value.dtype), Memory(np.asarray(value).tobytes())]
    if isinstance(value, np.dtype):
        return "numpy.dtype", [numpy_dtypes.describe(np, value, objects=True)]
    return None


def _array(np: Any, value: Any) -> Tuple[str, Sequence[Any]]:
    dtype = numpy_dtypes.describe(np, value.dtype)
    name = "numpy.recarray" if isinstance(value, np.recarray) else "numpy.ndarray"
    order = "C"
    plain = value.view(np.ndarray)
    if not plain.flags.c_contiguous:
        if plain.flags.f_contiguous:
            order, plain = "F", plain.T
        else:
            plain = np.ascontiguousarray(plain)
    data: Any = b""
    if plain.nbytes:
        data = plain.reshape(-1).view(np.uint8).data
    return name, [dtype, order, Memory(data), *value.shape]


def _numpy() -> Any:
    return required(
        "numpy", "A numpy array or number is in it, which needs numpy: %s. As a list it comes without, by .tolist()."
    )


def _build_array(unpacker: Any, described: Any, order: Any, form: Any, *shape: Any) -> Any:
    np = _numpy()
    dtype = numpy_dtypes.build(np, described)
    if order not in ("C", "F") or len(shape) > MAX_DIMENSIONS:
        raise UnpackError("an array without a shape")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise UnpackError("an array without a shape")
    data = unpacker.writable(form)
    if len(data):
        flat = np.frombuffer(data, dtype)
    else:
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize:
            raise UnpackError("an array without its memory")
        flat = np.empty(count, dtype)
    return flat.reshape(shape, order=order)


def _build_record_array(unpacker: Any, *parts: Any) -> Any:
    return _build_array(unpacker, *parts).view(_numpy().recarray)


def _build_masked(_unpacker: Any, data: Any, mask: Any, fill: Any, hard: Any) -> Any:
    np = _numpy()
    if type(data) is not np.ndarray or not (mask is None or type(mask) is np.ndarray):
        raise UnpackError("a masked array that is none")
    made = np.ma.MaskedArray(data, np.ma.nomask if mask is None else mask, fill_value=fill, hard_mask=hard is True)
    return made


def _build_number(unpacker: Any, described: Any, form: Any) -> Any:
    np = _numpy()
    dtype = numpy_dtypes.build(np, described)
    data = unpacker.memory(form)
    return np.frombuffer(data, dtype, 1)[0] if dtype.itemsize else np.zeros(1, dtype)[0]


def _build_dtype(_unpacker: Any, described: Any) -> Any:
    return numpy_dtypes.build(_numpy(), described, objects=True)


def _build_text(_unpacker: Any, value: Any) -> Any:
    if type(value) is not str:
        raise UnpackError("a text that is none")
    return _numpy().str_(value)


def _build_bytes(_unpacker: Any, value: Any) -> Any:
    if type(value) is not bytes:
        raise UnpackError("bytes that are none")
    return _numpy().bytes_(value)


BUILDERS: Dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _build_array,
    "numpy.recarray": _build_record_array,
    "numpy.ma.MaskedArray": _build_masked,
    "numpy.ma.masked": lambda _unpacker, _none: _numpy().ma.masked,
    "numpy.generic": _build_number,
    "numpy.str_": _build_text,
    "numpy.bytes_": _build_bytes,
    "numpy.dtype": _build_dtype,
}
