"""Polars' frames and series: numbers, dates and texts as arrays, all else by Arrow where pyarrow is at both ends."""

from __future__ import annotations

from .errors import CannotPackError, UnpackError
from .kinds import Named, required
from .versions import has_arrow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

_NUMBERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "Boolean")
_UNITS = ("ns", "us", "ms")


def describe(packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of what is polars'; None for all else."""
    import polars as pl

    if isinstance(value, pl.LazyFrame):
        raise CannotPackError("is a LazyFrame, which has no data yet: .collect() computes it")
    if isinstance(value, pl.DataFrame):
        return "polars.DataFrame", [value.height, *[Named("[%.40r]" % each.name, each) for each in value.get_columns()]]
    if isinstance(value, pl.Series):
        return "polars.Series", [value.name, *_column(packer, pl, value)]
    return None


def _column(packer: Any, pl: Any, series: Any) -> Sequence[Any]:
    """The dtype as texts, the values, and what is missing among them or None."""
    dtype = series.dtype
    name = type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    missing = series.is_null().to_numpy() if series.null_count() else None
    if name in _NUMBERS:
        filled = series if missing is None else series.fill_null(False if name == "Boolean" else 0)
        return [(name,), filled.to_numpy(), missing]
    if name == "String":
        return [(name,), tuple(series.fill_null("").to_list()), missing]
    if name in ("Date", "Time", "Datetime", "Duration"):
        options = [getattr(dtype, each) for each in ("time_unit", "time_zone") if hasattr(dtype, each)]
        described = (name, *options)
        return [described, series.to_physical().fill_null(0).to_numpy(), missing]
    if not has_arrow(packer.peer) or not has_arrow():
        raise CannotPackError(
            "has the dtype %s, which needs pyarrow 14.0.1 or newer at both ends: python -m pip install pyarrow" % dtype
        )
    categories = tuple(dtype.categories.to_list()) if name == "Enum" else None
    return [(name, categories), series.to_arrow(compat_level=pl.CompatLevel.oldest()), None]


# --- building


def _polars() -> Any:
    return required(
        "polars",
        "A value of polars is in it, which needs polars: %s. "
        "As a dictionary of lists it comes without, by .to_dict(as_series=False).",
    )


def _build_frame(_unpacker: Any, height: Any, *columns: Any) -> Any:
    pl = _polars()
    if not all(type(column) is pl.Series and len(column) == height for column in columns):
        raise UnpackError("columns of another length, or that are none")
    return pl.DataFrame(list(columns))


def _build_series(_unpacker: Any, name: Any, dtype: Any, values: Any, missing: Any) -> Any:
    import numpy as np

    pl = _polars()
    if type(name) is not str or type(dtype) is not tuple or not dtype or type(dtype[0]) is not str:
        raise UnpackError("a series that is none")
    kind = dtype[0]
    if kind == "String":
        if type(values) is not tuple or not {str}.issuperset(map(type, values)):
            raise UnpackError("texts that are none")
        made = pl.Series(name, values, dtype=pl.String)
    elif kind in _NUMBERS or kind in ("Date", "Time", "Datetime", "Duration"):
        if type(values) is not np.ndarray or values.ndim != 1 or values.dtype.kind not in "biuf":
            raise UnpackError("numbers that are none")
        made = pl.Series(name, values)
        if made.dtype != _dtype(pl, dtype):
            made = made.cast(_dtype(pl, dtype))
    else:
        return _of_arrow(pl, name, dtype, values)
    if missing is None:
        return made
    if type(missing) is not np.ndarray or missing.dtype != bool or missing.shape != (len(made),):
        raise UnpackError("missing values that are none")
    return made.set(pl.Series(missing), None)


def _of_arrow(pl: Any, name: str, dtype: Sequence[Any], values: Any) -> Any:
    if not type(values).__module__.startswith("pyarrow.") or len(dtype) != 2:
        raise UnpackError("an array of Arrow's that is none")
    made = pl.from_arrow(values).rename(name)
    if dtype[0] != "Enum":
        return made
    if type(dtype[1]) is not tuple or not all(type(text) is str for text in dtype[1]):
        raise UnpackError("categories that are none")
    return made.cast(pl.String).cast(pl.Enum(list(dtype[1])))


def _dtype(pl: Any, described: Sequence[Any]) -> Any:
    name, *options = described
    if name == "Datetime" and len(options) == 2 and options[0] in _UNITS and type(options[1]) in (str, type(None)):
        return pl.Datetime(*options)
    if name == "Duration" and len(options) == 1 and options[0] in _UNITS:
        return pl.Duration(*options)
    if options or name in ("Datetime", "Duration"):
        raise UnpackError("a dtype of polars' that is none")
    return getattr(pl, name)


BUILDERS: Dict[str, Callable[..., Any]] = {"polars.DataFrame": _build_frame, "polars.Series": _build_series}
