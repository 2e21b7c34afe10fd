"""The arrays that pandas keeps columns and indexes in: numpy's, and pandas' own."""

from __future__ import annotations

import math

from .errors import CannotPackError, UnpackError
from .kinds import required
from .versions import has_arrow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

MAX_FREQ_CHARS = 50  #: of a text as "15min" or "QS-OCT"
_PRESENT, _NONE, _NAN = 0, 1, 2  # codes of texts


class Objects:
    """A numpy array of objects, as a column or an index has one; alone, numpy's are refused."""

    __slots__ = ("array",)
    __module__ = "pandas"  # as which it is described

    def __init__(self, array: Any) -> None:
        self.array = array


def array_of(value: Any) -> Any:
    """The array of a series or an index, as something that can be packed."""
    import numpy as np

    if not isinstance(value.dtype, np.dtype):
        return value.array
    return _plain(value)


def _plain(value: Any) -> Any:
    array = value.to_numpy()
    return Objects(array) if array.dtype == object else array


def describe(packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of one of pandas' arrays, or of `Objects`; None for all else."""
    import pandas as pd

    if isinstance(value, Objects):
        return _objects(value.array)
    if not isinstance(value, pd.api.extensions.ExtensionArray):
        return None
    if isinstance(value, pd.Categorical):
        return "pandas.Categorical", [value.codes, value.categories, bool(value.ordered)]
    if isinstance(value, pd.arrays.DatetimeArray) and value.tz is not None:
        plain = value.tz_convert("UTC").tz_localize(None).to_numpy()
        return "pandas.datetimes", [plain, zone_of(value.tz)]
    if isinstance(value, pd.arrays.PeriodArray):
        return "pandas.periods", [value.asi8, value.freqstr]
    if isinstance(value, pd.arrays.IntervalArray):
        return "pandas.intervals", [value.left, value.right, value.closed]
    if isinstance(value, _masked_arrays(pd)):
        return "pandas.masked", [value._data, value._mask]
    if isinstance(value.dtype, pd.StringDtype):
        return _strings(packer, pd, value)
    if type(value.dtype).__name__ == "ArrowDtype" and has_arrow(packer.peer):
        return "pandas.arrow", [value.__arrow_array__()]
    if isinstance(value.dtype, np_dtype()) or isinstance(value, getattr(pd.arrays, "NumpyExtensionArray", ())):
        return "pandas.numpy", [_plain(value)]
    raise CannotPackError(
        "has the dtype %s, of which no copy can be sent%s"
        % (value.dtype, ": it needs pyarrow 14.0.1 or newer there" if "Arrow" in type(value.dtype).__name__ else "")
    )


def _masked_arrays(pd: Any) -> Any:
    """The classes of arrays of values that may be missing; before pandas 1.2 there was none of floats."""
    names = ("BooleanArray", "IntegerArray", "FloatingArray")
    return tuple([getattr(pd.arrays, name) for name in names if hasattr(pd.arrays, name)])


def np_dtype() -> Any:
    """The class of numpy's dtypes."""
    import numpy as np

    return np.dtype


def _objects(array: Any) -> Tuple[str, Sequence[Any]]:
    import numpy as np

    items = array.tolist()
    kinds = set(map(type, items))
    if kinds == {str}:
        return "pandas.texts", [tuple(items), None]
    missing = [item for item in items if type(item) is not str] if kinds <= {str, type(None), float} else None
    if missing is None or not all(item is None or math.isnan(item) for item in missing):
        return "pandas.objects", [tuple(items)]
    codes = [_PRESENT if type(item) is str else _NONE if item is None else _NAN for item in items]
    texts = tuple([item if type(item) is str else "" for item in items])
    return "pandas.texts", [texts, np.array(codes, "u1")]


def _strings(packer: Any, pd: Any, value: Any) -> Tuple[str, Sequence[Any]]:
    na = "NA" if value.dtype.na_value is pd.NA else "nan"
    storage = value.dtype.storage
    if "pyarrow" in storage and has_arrow(packer.peer):
        return "pandas.strings", [na, "pyarrow", value.__arrow_array__()]
    return "pandas.strings", [na, storage.partition("_")[0], Objects(value.to_numpy(object, na_value=None))]


def zone_of(zone: Any) -> Any:
    """A time zone as a part: a name, or an offset of the standard library."""
    import datetime as dt

    if zone is None or type(zone) is dt.timezone:
        return zone
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name is None:
        raise CannotPackError("has a time zone of the type %s, which has no name to be sent" % type(zone).__name__)
    return name


# --- building


def pandas() -> Any:
    """The module pandas, for building."""
    return required(
        "pandas",
        "A value of pandas is in it, which needs pandas: %s. "
        "As a dictionary of lists it comes without, by .to_dict('list').",
    )


def build_zone(unpacker: Any, zone: Any) -> Any:
    """The time zone that `zone_of` has described."""
    import datetime as dt

    from .of_standard import BUILDERS as STANDARD

    if type(zone) is dt.timezone:
        return zone
    if type(zone) is str and int(pandas().__version__.partition(".")[0]) < 3:  # which has pytz's zones, by names
        return zone
    return STANDARD["zoneinfo.ZoneInfo"](unpacker, zone)


def _is_array(value: Any, kinds: str) -> bool:
    import numpy as np

    return type(value) is np.ndarray and value.ndim == 1 and value.dtype.kind in kinds


def check_hashable(unpacker: Any, index: Any) -> None:
    """Check what pandas is going to hash."""
    if index.dtype == object:
        items = index.tolist()
        if any(isinstance(item, (tuple, frozenset)) for item in items):
            raise UnpackError("tuples among categories")
        unpacker.hashing.check(items, [])


def _build_objects(_unpacker: Any, items: Any) -> Any:
    import numpy as np

    if type(items) is not tuple:
        raise UnpackError("objects that are none")
    made = np.empty(len(items), object)
    for number, item in enumerate(items):
        made[number] = item
    return made


def _build_texts(_unpacker: Any, texts: Any, codes: Any) -> Any:
    import numpy as np

    if type(texts) is not tuple or not {str}.issuperset(map(type, texts)):
        raise UnpackError("texts that are none")
    made = np.empty(len(texts), object)
    made[:] = texts
    if codes is not None:
        if not _is_array(codes, "u") or len(codes) != len(texts):
            raise UnpackError("codes of texts that are none")
        made[codes == _NONE] = None
        made[codes == _NAN] = float("nan")
    return made


def _build_categorical(unpacker: Any, codes: Any, categories: Any, ordered: Any) -> Any:
    pd = pandas()
    if not _is_array(codes, "i") or not isinstance(categories, pd.Index) or type(ordered) is not bool:
        raise UnpackError("categories that are none")
    check_hashable(unpacker, categories)
    return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _build_datetimes(unpacker: Any, plain: Any, zone: Any) -> Any:
    if not _is_array(plain, "M"):
        raise UnpackError("times that are none")
    made = pandas().DatetimeIndex(plain, copy=False).tz_localize("UTC").tz_convert(build_zone(unpacker, zone))
    return made.array


def _build_periods(_unpacker: Any, ordinals: Any, freq: Any) -> Any:
    if not _is_array(ordinals, "i") or type(freq) is not str or len(freq) > MAX_FREQ_CHARS:
        raise UnpackError("periods that are none")
    pd = pandas()
    dtype = pd.PeriodDtype(freq)
    return pd.arrays.PeriodArray(ordinals.astype("i8", copy=False), dtype=dtype)


def _build_intervals(_unpacker: Any, left: Any, right: Any, closed: Any) -> Any:
    pd = pandas()
    if not isinstance(left, pd.Index) or not isinstance(right, pd.Index) or len(left) != len(right):
        raise UnpackError("intervals that are none")
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)


def _build_masked(_unpacker: Any, data: Any, mask: Any) -> Any:
    pd = pandas()
    if not _is_array(data, "biuf") or not _is_array(mask, "b") or len(data) != len(mask):
        raise UnpackError("values that may be missing, which are none")
    kinds = {"b": "BooleanArray", "f": "FloatingArray"}
    return getattr(pd.arrays, kinds.get(data.dtype.kind, "IntegerArray"))(data, mask)


def _build_strings(_unpacker: Any, na: Any, storage: Any, array: Any) -> Any:
    import numpy as np

    pd = pandas()
    if na not in ("NA", "nan") or storage not in ("python", "pyarrow"):
        raise UnpackError("texts of an unknown storage")
    is_arrow = type(array).__module__.partition(".")[0] == "pyarrow"
    if not is_arrow and not (_is_array(array, "O") and {str, type(None)}.issuperset(map(type, array.tolist()))):
        raise UnpackError("texts that are none")
    if storage == "pyarrow" and not has_arrow():
        storage = "python"
    if na == "NA":
        dtype: Any = pd.StringDtype(*([storage] if hasattr(pd.StringDtype, "storage") or is_arrow else []))
    elif int(pd.__version__.partition(".")[0]) >= 3:
        dtype = pd.StringDtype(storage, na_value=np.nan)
    else:  # whose texts were objects
        objects = np.array(array.to_pylist() if is_arrow else array, object)
        objects[[item is None for item in objects]] = np.nan
        return objects
    if is_arrow:
        if int(pd.__version__.partition(".")[0]) < 3:  # whose texts are small ones of Arrow's
            array = array.cast("string")
        return dtype.__from_arrow__(array)
    return pd.array(array, dtype=dtype)


def _build_arrow(_unpacker: Any, array: Any) -> Any:
    pd = pandas()
    if type(array).__name__ != "ChunkedArray":
        raise UnpackError("an array of Arrow's that is none")
    return pd.ArrowDtype(array.type).__from_arrow__(array)


def _build_numpy(_unpacker: Any, array: Any) -> Any:
    if not _is_array(array, "biufcmMO"):
        raise UnpackError("an array that is none")
    return pandas().Series(array, dtype=array.dtype, copy=False).array


BUILDERS: Dict[str, Callable[..., Any]] = {
    "pandas.objects": _build_objects,
    "pandas.texts": _build_texts,
    "pandas.Categorical": _build_categorical,
    "pandas.datetimes": _build_datetimes,
    "pandas.periods": _build_periods,
    "pandas.intervals": _build_intervals,
    "pandas.masked": _build_masked,
    "pandas.strings": _build_strings,
    "pandas.arrow": _build_arrow,
    "pandas.numpy": _build_numpy,
}
