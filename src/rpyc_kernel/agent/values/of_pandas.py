"""Pandas' frames, series, indexes, arrays and scalars: column by column, each by the memory that it has.

A column of numbers or dates is a numpy array, which isn't copied. A column of texts that is Arrow's is so at the other
end too, if pyarrow is there. All other texts are packed together, with a code for each that is missing.
"""

from __future__ import annotations

from . import pandas_arrays
from .errors import UnpackError
from .kinds import Named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple


def describe(packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of what is pandas'; None for all else."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, number] for number in range(value.shape[1])]
        names = [_step(name) for name in value.columns]
        parts = [Named(name, pandas_arrays.array_of(column)) for name, column in zip(names, columns)]
        return "pandas.DataFrame", [
            Named(".index", value.index),
            Named(".columns", value.columns),
            _attrs(value),
            *parts,
        ]
    if isinstance(value, pd.Series):
        index = Named(".index", value.index)
        return "pandas.Series", [index, value.name, _attrs(value), Named("", pandas_arrays.array_of(value))]
    if isinstance(value, pd.Index):
        return _index(pd, value)
    if value is pd.NaT or value is pd.NA:
        return "pandas.missing", ["NaT" if value is pd.NaT else "NA"]
    return _scalar(pd, value) or pandas_arrays.describe(packer, value)


def _step(name: Any) -> str:
    try:
        return "[%.40r]" % (name,)
    except Exception:  # its own repr fails
        return "[…]"


def _attrs(value: Any) -> Any:
    return tuple([item for pair in value.attrs.items() for item in pair]) or None


def _index(pd: Any, value: Any) -> Tuple[str, Sequence[Any]]:
    if isinstance(value, pd.RangeIndex):
        return "pandas.RangeIndex", [value.start, value.stop, value.step, value.name]
    if isinstance(value, pd.MultiIndex):
        parts: List[Any] = []
        for level, codes in zip(value.levels, value.codes):
            parts += [level, codes]
        return "pandas.MultiIndex", [tuple(value.names), *parts]
    freq = getattr(value, "freqstr", None) if isinstance(value, (pd.DatetimeIndex, pd.TimedeltaIndex)) else None
    return "pandas.Index", [pandas_arrays.array_of(value), value.name, freq]


def _scalar(pd: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    if isinstance(value, pd.Timestamp):
        plain = value if value.tzinfo is None else value.tz_convert("UTC").tz_localize(None)
        return "pandas.Timestamp", [plain.to_datetime64(), pandas_arrays.zone_of(value.tzinfo)]
    if isinstance(value, pd.Timedelta):
        return "pandas.Timedelta", [value.to_timedelta64()]
    if isinstance(value, pd.Period):
        return "pandas.Period", [value.ordinal, value.freqstr]
    if isinstance(value, pd.Interval):
        return "pandas.Interval", [value.left, value.right, value.closed]
    return None


# --- building


def _check_lengths(columns: Sequence[Any], length: int) -> None:
    import numpy as np

    pd = pandas_arrays.pandas()
    for column in columns:
        is_array = (type(column) is np.ndarray and column.ndim == 1) or isinstance(
            column, pd.api.extensions.ExtensionArray
        )
        if not is_array or len(column) != length:
            raise UnpackError("a column of another length, or that is none")


def _set_attrs(made: Any, attrs: Any) -> Any:
    if attrs is not None:
        if type(attrs) is not tuple or not all(type(name) is str for name in attrs[::2]):
            raise UnpackError("attributes of a frame that are none")
        made.attrs.update(zip(attrs[::2], attrs[1::2]))
    return made


def _build_frame(_unpacker: Any, index: Any, columns: Any, attrs: Any, *arrays: Any) -> Any:
    pd = pandas_arrays.pandas()
    if not isinstance(index, pd.Index) or not isinstance(columns, pd.Index) or len(columns) != len(arrays):
        raise UnpackError("a frame that is none")
    _check_lengths(arrays, len(index))
    columns_of = {number: _column(pd, array, index) for number, array in enumerate(arrays)}
    made = pd.DataFrame(columns_of, index=index, copy=False)
    made.columns = columns
    return _set_attrs(made, attrs)


def _column(pd: Any, array: Any, index: Any) -> Any:
    """An array as a column: pandas would look into one of objects, and take texts for its own."""
    return pd.Series(array, index=index, dtype=object, copy=False) if array.dtype == object else array


def _build_series(_unpacker: Any, index: Any, name: Any, attrs: Any, array: Any) -> Any:
    pd = pandas_arrays.pandas()
    if not isinstance(index, pd.Index):
        raise UnpackError("a series that is none")
    _check_lengths([array], len(index))
    return _set_attrs(pd.Series(array, index=index, dtype=array.dtype, name=name, copy=False), attrs)


def _build_index(_unpacker: Any, array: Any, name: Any, freq: Any) -> Any:
    pd = pandas_arrays.pandas()
    _check_lengths([array], len(array))
    made = pd.Index(array, dtype=array.dtype, name=name, tupleize_cols=False, copy=False)
    if freq is not None:
        is_of_time = isinstance(made, (pd.DatetimeIndex, pd.TimedeltaIndex))
        if not is_of_time or type(freq) is not str or len(freq) > pandas_arrays.MAX_FREQ_CHARS:
            raise UnpackError("an index of an unknown frequency")
        made.freq = freq
    return made


def _build_range(_unpacker: Any, start: Any, stop: Any, step: Any, name: Any) -> Any:
    if not all(type(each) is int for each in (start, stop, step)):
        raise UnpackError("a range that is none")
    return pandas_arrays.pandas().RangeIndex(start, stop, step, name=name)


def _build_multi_index(unpacker: Any, names: Any, *parts: Any) -> Any:
    import numpy as np

    pd = pandas_arrays.pandas()
    levels, codes = parts[::2], parts[1::2]
    if type(names) is not tuple or not (len(names) == len(levels) == len(codes) > 0):
        raise UnpackError("an index of levels that are none")
    for level, numbers in zip(levels, codes):
        if not isinstance(level, pd.Index) or type(numbers) is not np.ndarray or numbers.dtype.kind != "i":
            raise UnpackError("an index of levels that are none")
        pandas_arrays.check_hashable(unpacker, level)
    return pd.MultiIndex(levels=levels, codes=codes, names=names)


def _build_timestamp(unpacker: Any, when: Any, zone: Any) -> Any:
    import numpy as np

    if type(when) is not np.datetime64:
        raise UnpackError("a time that is none")
    made = pandas_arrays.pandas().Timestamp(when)
    return made if zone is None else made.tz_localize("UTC").tz_convert(pandas_arrays.build_zone(unpacker, zone))


def _build_timedelta(_unpacker: Any, value: Any) -> Any:
    import numpy as np

    if type(value) is not np.timedelta64:
        raise UnpackError("a duration that is none")
    return pandas_arrays.pandas().Timedelta(value)


def _build_period(_unpacker: Any, ordinal: Any, freq: Any) -> Any:
    if type(ordinal) is not int or type(freq) is not str or len(freq) > pandas_arrays.MAX_FREQ_CHARS:
        raise UnpackError("a period that is none")
    return pandas_arrays.pandas().Period(ordinal=ordinal, freq=freq)


def _build_interval(_unpacker: Any, left: Any, right: Any, closed: Any) -> Any:
    return pandas_arrays.pandas().Interval(left, right, closed)


def _build_missing(_unpacker: Any, name: Any) -> Any:
    if name not in ("NaT", "NA"):
        raise UnpackError("a missing value that is none")
    return getattr(pandas_arrays.pandas(), name)


BUILDERS: Dict[str, Callable[..., Any]] = {
    "pandas.DataFrame": _build_frame,
    "pandas.Series": _build_series,
    "pandas.Index": _build_index,
    "pandas.RangeIndex": _build_range,
    "pandas.MultiIndex": _build_multi_index,
    "pandas.Timestamp": _build_timestamp,
    "pandas.Timedelta": _build_timedelta,
    "pandas.Period": _build_period,
    "pandas.Interval": _build_interval,
    "pandas.missing": _build_missing,
    **pandas_arrays.BUILDERS,
}
