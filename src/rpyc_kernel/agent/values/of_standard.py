"""Values of the standard library: dates and times, zones, exact numbers, identifiers and paths."""

from __future__ import annotations

from .errors import CannotPackError, MissingHereError, UnpackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

MAX_FRACTION_BITS = 100_000  #: of its numerator and denominator: reducing it takes quadratic time
MAX_FRACTIONS_BITS = 5_000_000  #: of all in one value


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of such a value; None for all else."""
    for base in type(value).__mro__:
        described = _DESCRIBED.get("%s.%s" % (base.__module__.partition(".")[0], base.__name__))
        if described is not None:
            return described(value)
    return None


def _date(value: Any) -> Tuple[str, Sequence[Any]]:
    return "datetime.date", [value.year, value.month, value.day]


def _datetime(value: Any) -> Tuple[str, Sequence[Any]]:
    parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
    zone, fold = value.tzinfo, value.fold
    if hasattr(zone, "localize") and zone.zone is not None:  # pytz has an object for each offset of a zone
        first = zone.localize(value.replace(tzinfo=None), is_dst=True)
        fold = int(first.utcoffset() != value.utcoffset())
    return "datetime.datetime", [*parts, fold, zone]


def _time(value: Any) -> Tuple[str, Sequence[Any]]:
    return "datetime.time", [value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo]


def _timezone(value: Any) -> Tuple[str, Sequence[Any]]:
    offset = value.utcoffset(None)
    name = value.__getinitargs__()[1:]
    return "datetime.timezone", [offset.days, offset.seconds, offset.microseconds, *name]


def _zone(value: Any) -> Tuple[str, Sequence[Any]]:
    if value.key is None:
        raise CannotPackError("is a time zone that was read from a file, and has no name to be sent")
    return "zoneinfo.ZoneInfo", [value.key]


def _pytz(value: Any) -> Tuple[str, Sequence[Any]]:
    return "zoneinfo.ZoneInfo", [value.zone]


def _timezone_of_minutes(value: Any) -> Tuple[str, Sequence[Any]]:
    offset = value.utcoffset(None)
    return "datetime.timezone", [offset.days, offset.seconds, offset.microseconds]


def _fraction(value: Any) -> Tuple[str, Sequence[Any]]:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_FRACTION_BITS:
        raise CannotPackError("is a fraction of more than {:,} bits".format(MAX_FRACTION_BITS))
    return "fractions.Fraction", [value.numerator, value.denominator]


def _path(value: Any) -> Tuple[str, Sequence[Any]]:
    import pathlib

    flavour = "Windows" if isinstance(value, pathlib.PureWindowsPath) else "Posix"
    return "pathlib.Path", [flavour, isinstance(value, pathlib.Path), str(value)]


_DESCRIBED: Dict[str, Callable[[Any], Tuple[str, Sequence[Any]]]] = {
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": lambda value: ("datetime.timedelta", [value.days, value.seconds, value.microseconds]),
    "datetime.timezone": _timezone,
    "zoneinfo.ZoneInfo": _zone,
    "backports.ZoneInfo": _zone,
    "pytz.BaseTzInfo": _pytz,
    "pytz._FixedOffset": _timezone_of_minutes,
    "decimal.Decimal": lambda value: ("decimal.Decimal", [str(value)]),
    "fractions.Fraction": _fraction,
    "uuid.UUID": lambda value: ("uuid.UUID", ["%032x" % value.int]),
    "pathlib.PurePath": _path,
}


def _build_date(_unpacker: Any, *parts: Any) -> Any:
    import datetime as dt

    return dt.date(*parts)


def _build_datetime(_unpacker: Any, *parts: Any) -> Any:
    import datetime as dt

    *numbers, fold, zone = parts
    make: Any = dt.datetime
    return make(*numbers, zone, fold=fold)


def _build_time(_unpacker: Any, *parts: Any) -> Any:
    import datetime as dt

    *numbers, fold, zone = parts
    make: Any = dt.time
    return make(*numbers, zone, fold=fold)


def _build_timedelta(_unpacker: Any, days: Any, seconds: Any, microseconds: Any) -> Any:
    import datetime as dt

    if not all(type(each) is int for each in (days, seconds, microseconds)):
        raise UnpackError("a duration that is none")
    return dt.timedelta(days, seconds, microseconds)


def _build_timezone(unpacker: Any, days: Any, seconds: Any, microseconds: Any, *name: Any) -> Any:
    import datetime as dt

    offset = _build_timedelta(unpacker, days, seconds, microseconds)
    return dt.timezone.utc if not offset and not name else dt.timezone(offset, *name)


def _build_zone(_unpacker: Any, key: Any) -> Any:
    if type(key) is not str or len(key) > 200:
        raise UnpackError("a time zone without a name")
    import sys

    try:
        if sys.version_info >= (3, 9):
            from zoneinfo import ZoneInfo

            return ZoneInfo(key)
        from importlib import import_module

        return import_module("backports.zoneinfo").ZoneInfo(key)
    except (ImportError, LookupError):
        raise MissingHereError(
            "A time in %.100r is in it, a time zone that this Python does not know: python -m pip install tzdata%s."
            % (key, "" if sys.version_info >= (3, 9) else " backports.zoneinfo")
        ) from None


def _build_decimal(_unpacker: Any, text: Any) -> Any:
    import decimal

    if type(text) is not str:
        raise UnpackError("a decimal number that is none")
    return decimal.Decimal(text)


def _build_fraction(unpacker: Any, numerator: Any, denominator: Any) -> Any:
    import fractions

    if type(numerator) is not int or type(denominator) is not int:
        raise UnpackError("a fraction that is none")
    bits = max(numerator.bit_length(), denominator.bit_length())
    unpacker.fraction_bits += bits
    if bits > MAX_FRACTION_BITS or unpacker.fraction_bits > MAX_FRACTIONS_BITS:
        raise UnpackError("fractions of more than {:,} bits".format(MAX_FRACTION_BITS))
    return fractions.Fraction(numerator, denominator)


def _build_uuid(_unpacker: Any, text: Any) -> Any:
    import uuid

    if type(text) is not str:
        raise UnpackError("a UUID that is none")
    return uuid.UUID(text)


def _build_path(_unpacker: Any, flavour: Any, concrete: Any, text: Any) -> Any:
    import os
    import pathlib

    if type(text) is not str or flavour not in ("Windows", "Posix") or type(concrete) is not bool:
        raise UnpackError("a path that is none")
    if concrete and (flavour == "Windows") == (os.name == "nt"):
        return pathlib.Path(text)
    return (pathlib.PureWindowsPath if flavour == "Windows" else pathlib.PurePosixPath)(text)


BUILDERS: Dict[str, Callable[..., Any]] = {
    "datetime.date": _build_date,
    "datetime.datetime": _build_datetime,
    "datetime.time": _build_time,
    "datetime.timedelta": _build_timedelta,
    "datetime.timezone": _build_timezone,
    "zoneinfo.ZoneInfo": _build_zone,
    "decimal.Decimal": _build_decimal,
    "fractions.Fraction": _build_fraction,
    "uuid.UUID": _build_uuid,
    "pathlib.Path": _build_path,
}
