"""Dtypes of numpy, as texts and tuples. Another machine's are checked before numpy sees them: it evaluates some texts.

===================================================  ================================================================
``"<f8"``                                            as ``dtype.str`` has it
``("longdouble", "<f16", digits)``                   digits of its mantissa, which differ between processors
``("sub", dtype, length, …)``                        an array of a fixed shape in each element
``("struct", size, aligned, name, title, offset,     a structure; a title is a text or None
dtype, …)``
===================================================  ================================================================
"""

from __future__ import annotations

import re

from .errors import CannotPackError, MissingHereError, UnpackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

MAX_DEPTH = 32  #: of structures in structures
MAX_SUBARRAY_DIMENSIONS = 32
_SIMPLE = re.compile(r"[<>|=]?[?biufcSUmMV][0-9]{0,10}(\[[0-9]{0,9}[a-zA-Zμ]{1,7}(/[0-9]{1,9})?\])?\Z")
_LONG = {"f": 8, "c": 16}  # itemsizes; what is larger is a long double


def describe(np: Any, dtype: Any, objects: bool = False, depth: int = 0) -> Any:
    """Describe a dtype.

    Args:
        np: The module numpy.
        dtype: The dtype.
        objects: Whether it may be that of Python objects.
        depth: How many others it is in.

    Raises:
        CannotPackError: Arrays of it can't be packed.
    """
    if depth > MAX_DEPTH:
        raise CannotPackError("has a dtype of structures in structures, too deep to be sent")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ("sub", describe(np, base, objects, depth + 1), *shape)
    if dtype.names is not None:
        parts: List[Any] = ["struct", dtype.itemsize, bool(dtype.isalignedstruct)]
        for name in dtype.names:
            field, offset, *title = dtype.fields[name]
            title = title[0] if title and isinstance(title[0], str) else None
            parts += [name, title, offset, describe(np, field, objects, depth + 1)]
        return tuple(parts)
    if dtype.kind in _LONG and dtype.itemsize > _LONG[dtype.kind]:
        return ("longdouble", dtype.str, int(np.finfo(dtype).nmant))
    if (dtype.kind == "O" and objects) or (dtype.kind in "?biufcSUmMV" and _of_numpy(np, dtype)):
        return dtype.str
    if dtype.kind == "O":
        raise CannotPackError("is an array of objects, of which no copy can be sent; as a list it can be, by .tolist()")
    raise CannotPackError("is an array of %s, of which no copy can be sent" % dtype)


def _of_numpy(np: Any, dtype: Any) -> bool:
    """Whether a dtype is what its text says: another package's may say V2, as bfloat16 does."""
    return bool(np.dtype(dtype.str) == dtype)


def build(np: Any, described: Any, objects: bool = False, depth: int = 0) -> Any:
    """The dtype that was described.

    Args:
        np: The module numpy.
        described: What `describe` gave, or anything.
        objects: Whether it may be that of Python objects.
        depth: How many others it is in.

    Raises:
        UnpackError: It is none.
        MissingHereError: This machine has no such long double.
    """
    if type(described) is str:
        if (described == "|O" and objects) or _SIMPLE.match(described):
            return np.dtype(described)
        raise UnpackError("a dtype %.50r" % described)
    if type(described) is not tuple or len(described) < 2 or depth > MAX_DEPTH:
        raise UnpackError("a dtype that is none")
    kind, *parts = described
    if kind == "longdouble":
        return _long_double(np, parts)
    if kind == "sub" and len(parts) <= MAX_SUBARRAY_DIMENSIONS + 1 and _are_sizes(parts[1:]):
        return np.dtype((build(np, parts[0], objects, depth + 1), tuple(parts[1:])))
    if kind == "struct" and len(parts) >= 2 and len(parts) % 4 == 2:
        return _structure(np, parts, objects, depth)
    raise UnpackError("a dtype that is none")


def _structure(np: Any, parts: List[Any], objects: bool, depth: int) -> Any:
    size, aligned, names, titles, offsets = parts[0], parts[1], parts[2::4], parts[3::4], parts[4::4]
    if not _are_sizes([size, *offsets]) or type(aligned) is not bool:
        raise UnpackError("a structure without sizes")
    if not all(type(name) is str for name in names) or not all(title is None or type(title) is str for title in titles):
        raise UnpackError("a structure without names")
    formats = [build(np, each, objects, depth + 1) for each in parts[5::4]]
    fields = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size, "aligned": aligned}
    if any(title is not None for title in titles):
        fields["titles"] = titles
    return np.dtype(fields)


def _long_double(np: Any, parts: List[Any]) -> Any:
    text, digits = parts if len(parts) == 2 else (None, None)
    if type(text) is not str or not re.match(r"[<>=][fc][0-9]{2}\Z", text) or type(digits) is not int:
        raise UnpackError("a long double that is none")
    try:
        dtype = np.dtype(text)
    except TypeError:
        dtype = None
    if dtype is None or np.finfo(dtype).nmant != digits:
        raise MissingHereError(
            "A long double of %d digits (%s) is in it, which this machine does not have: .astype('f8') rounds it to a "
            "double before it is copied." % (digits, text)
        )
    return dtype


def _are_sizes(sizes: Any) -> bool:
    return all(type(each) is int and 0 <= each < 1 << 31 for each in sizes)
