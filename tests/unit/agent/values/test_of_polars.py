"""Polars' frames and series, alone and by way of Arrow."""

import datetime as dt
import json

import polars as pl
import pytest

from rpyc_kernel.agent.values import MissingHereError, UnpackError, pack, unpack
from tests.unit.agent.values.copies import bounded, copied

WITH_ARROW = {"pyarrow": "23.0"}
SIMPLE = pl.DataFrame(
    {
        "i": [1, None, 3],
        "u": pl.Series([1, 2, None], dtype=pl.UInt8),
        "f": [1.5, float("nan"), None],
        "s": ["a", None, ""],
        "b": [True, None, False],
        "d": [dt.date(2026, 1, 1), None, dt.date(1, 1, 1)],
        "t": [dt.time(1), None, dt.time(2)],
        "dt": pl.Series([dt.datetime(2026, 1, 1), None, dt.datetime(1999, 1, 1)]).dt.replace_time_zone("Europe/Berlin"),  # noqa: DTZ001
        "du": pl.Series([dt.timedelta(1), None, dt.timedelta(2)], dtype=pl.Duration("ms")),
        "full": [1.5, 2.5, 3.5],
    }
)
OTHERS = {
    "l": pl.Series([[1], None, [2, 3]]),
    "st": pl.Series([{"a": 1}, {"a": 2}, None]),
    "c": pl.Series(["x", "y", None], dtype=pl.Categorical),
    "e": pl.Series(["x", "y", None], dtype=pl.Enum(["z", "y", "x"])),
    "dec": pl.Series(["1.5", "2", None]).cast(pl.Decimal(10, 2)),
    "bin": pl.Series([b"a", None, b"c"]),
}


@pytest.mark.parametrize("peer", [None, WITH_ARROW], ids=["alone", "arrow"])
def test_frames_and_series(peer):
    for frame in (SIMPLE, SIMPLE[:0], SIMPLE[::2], pl.DataFrame()):
        found = copied(frame, peer=peer)
        assert found.equals(frame)
        assert found.schema == frame.schema
    for name in SIMPLE.columns:
        assert copied(SIMPLE[name], peer=peer).equals(SIMPLE[name], check_names=True, check_dtypes=True)


@pytest.mark.parametrize("name", OTHERS)
def test_what_needs_arrow(name):
    series = OTHERS[name].rename(name)
    found = copied(series.to_frame(), peer=WITH_ARROW)[name]
    assert found.equals(series, check_names=True, check_dtypes=True)
    with pytest.raises(
        TypeError, match=rf"^it\['{name}'\] has the dtype .*needs pyarrow 14\.0\.1 or newer at both ends"
    ):
        pack(series.to_frame(), "it")


def test_what_cannot_be_copied(monkeypatch):
    with pytest.raises(TypeError, match=r"^it is a LazyFrame, which has no data yet: \.collect\(\) computes it"):
        pack(SIMPLE.lazy(), "it")
    with pytest.raises(TypeError, match=r"^it is of the type polars"):
        pack(pl.col("a"), "it")
    packed = pack(SIMPLE, "it")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(MissingHereError, match=r"needs polars: python -m pip install polars.*\.to_dict\("):
        unpack(packed.text, packed.buffers)


I8 = ["numpy.ndarray", "<i8", "C", "AQAAAAAAAAACAAAAAAAAAA==", 2]


@pytest.mark.parametrize(
    "node",
    [
        ["polars.Series", "x", [1], 5, None], ["polars.Series", 5, [1], [0], None],
        ["polars.Series", "x", [1], [0], [0]], ["polars.Series", "x", [3], [0], None],
        ["polars.Series", "x", [4], [0], None], ["polars.Series", "x", [5], [0], None],
        ["polars.Series", "x", [0], [0], None], ["polars.Series", "x", "Int64", [0], None],
        ["polars.DataFrame", 2, [0]], ["polars.DataFrame", 3, [2]], ["polars.DataFrame", 2, 5],
        ["polars.scan_csv", "x"],
    ],
    ids=lambda node: json.dumps(node)[:40],
)  # fmt: skip
def test_what_stands_for_nothing(node):
    nodes = [I8, ["tuple", ["Int64"]], ["polars.Series", "x", [1], [0], None], ["tuple", ["String"]]]
    nodes += [["tuple", ["Datetime", "h", None]], ["tuple", ["Object"]], node, [6]]
    assert unpack(json.dumps([*nodes[:6], [2]]).encode()).to_list() == [1, 2]
    with pytest.raises(UnpackError), bounded(10, 2**20):
        unpack(json.dumps(nodes).encode())
