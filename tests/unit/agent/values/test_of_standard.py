"""Dates, exact numbers, identifiers and paths come out as they were."""

import datetime as dt
import pathlib
import sys
import uuid
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.values import MissingHereError, UnpackError, pack, unpack
from tests.unit.agent.values.copies import copied, same

OFFSETS = st.builds(
    dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)), st.text(max_size=5)
) | st.just(dt.UTC)


def values(zones):
    """Give values of each kind, with times in some zones."""
    return st.one_of(
        st.dates(), st.datetimes(timezones=zones), st.times(timezones=zones), st.timedeltas(), OFFSETS, st.decimals(),
        st.fractions(), st.uuids(), st.text().map(pathlib.PurePosixPath), st.text().map(pathlib.PureWindowsPath),
    )  # fmt: skip


WITHOUT_ZONES = values(st.none() | OFFSETS)
VALUES = values(st.none() | OFFSETS | st.timezones()) | st.timezones()


@given(st.lists(VALUES, max_size=4))
def test_they_come_out_as_they_were(given_values):
    assert same(copied(given_values), given_values)


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=ZoneInfo("Europe/Berlin")),
        Decimal("sNaN123"), Decimal("-0.000"), Decimal("1E+999999"), Fraction(-(10**5000), 7),
        pathlib.Path("a/b"), pathlib.Path("\udcff"), uuid.UUID(int=0),
    ],
    ids=range(9),
)  # fmt: skip
def test_each_of_these(value):
    found = copied(value)
    assert same(found, value)
    if isinstance(value, dt.datetime):
        assert found.utcoffset() == value.utcoffset()


def test_a_class_of_the_users_arrives_as_what_it_derives_from():
    class Day(dt.date):
        pass

    assert same(copied(Day(2026, 1, 2)), dt.date(2026, 1, 2))


class BaseTzInfo(dt.tzinfo):
    """A zone as pytz has it: an object for each offset, which knows no `fold`."""

    zone = "Europe/Berlin"

    def __init__(self, hours):
        self.hours = hours

    def utcoffset(self, _when):
        return dt.timedelta(hours=self.hours)

    def localize(self, when, is_dst):
        return when.replace(tzinfo=BaseTzInfo(2 if is_dst else 1))


@pytest.mark.parametrize("hours", [1, 2])
def test_a_zone_of_pytz_arrives_as_that_of_its_name(monkeypatch, hours):
    monkeypatch.setattr(BaseTzInfo, "__module__", "pytz.tzinfo")
    when = dt.datetime(2026, 10, 25, 2, 30, tzinfo=BaseTzInfo(hours))
    found = copied(when)
    assert found.tzinfo.key == "Europe/Berlin"
    assert found.utcoffset() == dt.timedelta(hours=hours)


def test_what_has_no_name_or_is_too_long_is_refused():
    class Own(dt.tzinfo):
        pass

    with pytest.raises(TypeError, match=r"^it\[0\] is of the type .*Own, of which"):
        pack([dt.datetime(2026, 1, 1, tzinfo=Own())], "it")
    with pytest.raises(TypeError, match="it is a fraction of more than 100,000 bits"):
        pack(Fraction(1, 2**100_001), "it")


def test_a_zone_that_is_not_known_here():
    text = pack(ZoneInfo("Europe/Berlin"), "it").text
    with pytest.raises(MissingHereError, match=r"'Europe/Nowhere' is in it, .*: python -m pip install tzdata"):
        unpack(text.replace(b"Berlin", b"Nowhere"))


@pytest.mark.parametrize(
    "node",
    [
        b'["zoneinfo.ZoneInfo","../../../etc/passwd"]', b'["zoneinfo.ZoneInfo","/etc/passwd"]',
        b'["zoneinfo.ZoneInfo",5]', b'["datetime.date",1,2,3.5]', b'["datetime.date",0,1,1]', b'["datetime.date",1]',
        b'["datetime.datetime",1,1,1,0,0,0,0,2,null]', b'["datetime.datetime",1,1,1,0,0,0,0,0,"UTC"]',
        b'["datetime.timedelta",1e300,0,0]', b'["datetime.timedelta",9999999999,0,0]',
        b'["datetime.timezone",5,0,0]', b'["datetime.timezone",0,0,0,5]', b'["decimal.Decimal",5]',
        b'["decimal.Decimal","x"]', b'["fractions.Fraction",1,0]', b'["fractions.Fraction",1.5,2]',
        b'["uuid.UUID","12"]', b'["uuid.UUID",5]', b'["pathlib.Path","Mac",true,"x"]',
        b'["pathlib.Path","Posix",true,5]', b'["pathlib.Path","Posix",1,"x"]', b'["datetime.x",1]',
    ],
    ids=str,
)  # fmt: skip
def test_what_stands_for_none(node):
    with pytest.raises((UnpackError, MissingHereError)):
        unpack(b"[" + node + b",[0]]")


def test_many_fractions_that_take_long_to_reduce():
    number = b'["int","0x' + b"f" * 24_000 + b'"]'
    nodes = b",".join([number, number] + [b'["fractions.Fraction",[0],[1]]'] * 100)
    with pytest.raises(UnpackError, match="fractions of more than"):
        unpack(b"[" + nodes + b",5]")


@pytest.mark.skipif(sys.platform == "win32", reason="it has only paths of its own")
def test_a_path_of_another_system_is_a_pure_one():
    found = unpack(b'[["pathlib.Path","Windows",true,"c:/x"],[0]]')
    assert same(found, pathlib.PureWindowsPath("c:/x"))
