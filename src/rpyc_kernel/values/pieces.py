"""Cuts a sequence, an array or a table into equal parts, and puts parts one behind the other again."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import ValueRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILTIN = (list, tuple, str, bytes, bytearray, range)
TABLES = ("DataFrame", "Series")
INDEXES = ("Index", "RangeIndex", "MultiIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "CategoricalIndex")


def split(value: Any, count: int, name: str) -> list[Any]:
    """Cut a value into parts, in order, whose lengths differ by one at most.

    Args:
        value: A list, tuple, text, bytes or range; or what has rows or elements along a first axis: an array of numpy's
            or torch's, a table or column of pandas', polars' or Arrow's.
        count: How many parts; those at the end are empty where there is too little.
        name: What a sentence calls it.

    Raises:
        ValueRefusedError: It has no parts.
    """
    if not (isinstance(value, BUILTIN) or _library(value) in ("numpy", "pandas", "polars", "pyarrow", "torch")):
        raise ValueRefusedError(_no_parts(name, value))
    try:
        whole, more = divmod(len(value), count)
        ends = [0, *itertools.accumulate(whole + (index < more) for index in range(count))]
        return [_rows(value, start, end) for start, end in itertools.pairwise(ends)]
    except (TypeError, AttributeError, IndexError):  # an array without an axis, a date
        raise ValueRefusedError(_no_parts(name, value)) from None


def _rows(value: Any, start: int, end: int) -> Any:
    library = _library(value)
    if library == "pandas" and hasattr(value, "iloc"):
        return value.iloc[start:end]
    return value.slice(start, end - start) if library == "pyarrow" else value[start:end]


def _no_parts(name: str, value: Any) -> str:
    return (
        f"{name} is of the type {type(value).__name__}, which can't be cut into parts. Lists, tuples, texts, bytes, "
        "ranges, arrays and tables can."
    )


def joined(values: Sequence[Any], name: str) -> Any:
    """Put values of one kind one behind the other.

    Args:
        values: At least one; they may be whatever `split` takes.
        name: What a sentence calls them.

    Raises:
        ValueRefusedError: They are of no kind that can be joined, or of several.
    """
    first = values[0]
    if type(first) is range and all(type(each) is range for each in values):
        return list(itertools.chain(*values))
    kinds = list(dict.fromkeys(type(each).__name__ for each in values))
    libraries = {_library(each) for each in values}
    if type(first) in BUILTIN and len(kinds) == 1:
        if type(first) in (list, tuple):
            return type(first)(itertools.chain(*values))
        return type(first)().join(values)
    try:
        if len(libraries) == 1 and (made := _of_library(libraries.pop(), values, kinds)) is not None:
            return made
    except Exception as error:  # noqa: BLE001 - of whatever library: shapes or columns that don't fit
        raise ValueRefusedError(
            f"The values of {name} can't be put one behind the other: {type(error).__name__}: {error}. Without "
            "--concat they come as a dictionary."
        ) from None
    raise ValueRefusedError(
        f"Values of the type {' and '.join(kinds)} can't be put one behind the other, as those of {name}: without "
        "--concat they come as a dictionary."
    )


def _of_library(library: str, values: Sequence[Any], kinds: list[str]) -> Any:
    """Join what is of one library, which is loaded then; None for what it can't join."""
    module: Any = sys.modules.get(library)
    kind = kinds[0] if len(kinds) == 1 else ""
    if library == "numpy" and all(isinstance(each, module.ndarray) for each in values):
        masked = any(isinstance(each, module.ma.MaskedArray) for each in values)
        return (module.ma if masked else module).concatenate(values)
    if library == "torch" and all(isinstance(each, module.Tensor) for each in values):
        return module.cat(list(values))
    if library == "pandas" and kinds and all(each in INDEXES for each in kinds):
        return values[0].append(list(values[1:]))
    if library in ("pandas", "polars") and kind in TABLES:
        return module.concat(list(values))
    if library == "pyarrow":
        return _of_arrow(module, values)
    return None


def _of_arrow(arrow: Any, values: Sequence[Any]) -> Any:
    if all(isinstance(each, arrow.Table) for each in values):
        return arrow.concat_tables(values)
    if all(isinstance(each, arrow.RecordBatch) for each in values):
        return arrow.Table.from_batches(values)
    if all(isinstance(each, arrow.Array) for each in values):
        return arrow.concat_arrays(values)
    if all(isinstance(each, arrow.ChunkedArray) for each in values):
        return arrow.chunked_array([chunk for each in values for chunk in each.chunks], values[0].type)
    return None


def _library(value: Any) -> str:
    return (type(value).__module__ or "").partition(".")[0]
