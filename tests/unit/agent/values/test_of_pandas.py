"""Pandas' frames, series, indexes and scalars: dtypes, order, names, categories and zones as they were."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as pdst

from rpyc_kernel.agent.values import MissingHereError, UnpackError, pack, unpack
from tests.unit.agent.values.copies import bounded, copied

BERLIN = "Europe/Berlin"
WITH_ARROW = {"pyarrow": "23.0"}
ROWS = 5
FRAME = pd.DataFrame(
    {
        "int": range(ROWS),
        "float": [1.5, np.nan, 3, 4, 5],
        "bool": [True] * ROWS,
        "complex": [1j] * ROWS,
        "text": [*"abcd", None],
        "object": pd.Series(["a", None, 1.5, [1], float("nan")], dtype=object),
        "texts": pd.Series(["a", "b", "", "\0", "ä"], dtype=object),
        "missing": pd.Series(["a", None, "b", "", float("nan")], dtype=object),
        "time": pd.date_range("2026-01-01", periods=ROWS),
        "seconds": pd.date_range("2026-01-01", periods=ROWS).as_unit("s"),
        "zone": pd.date_range("2026-10-25", periods=ROWS, freq="h", tz=BERLIN),
        "utc": pd.date_range("2026-01-01", periods=ROWS, tz="UTC"),
        "offset": pd.date_range("2026-01-01", periods=ROWS, tz=dt.timezone(dt.timedelta(hours=1))),
        "duration": pd.to_timedelta(range(ROWS), unit="s"),
        "period": pd.period_range("2026-01", periods=ROWS, freq="M"),
        "interval": pd.interval_range(0, ROWS),
        "category": pd.Categorical(list("abcab"), list("cbad"), ordered=True),
        "number": pd.Categorical([3, 1, None, 1, 3]),
        "Int8": pd.array([1, None, 3, 4, 5], dtype="Int8"),
        "Float32": pd.array([1.5, None, 3, 4, 5], dtype="Float32"),
        "boolean": pd.array([True, None, False, True, True], dtype="boolean"),
        "string": pd.array(["x", None, "y", "z", "w"], dtype="string"),
        "python": pd.array(["x", None, "y", "z", "w"], dtype="string[python]"),
    }
)
FRAMES = {
    "all kinds of columns": FRAME,
    "no rows": FRAME.iloc[:0],
    "every second row": FRAME.iloc[::2],
    "two levels of an index": FRAME.set_index(["text", "int"]),
    "an index of times": FRAME.set_index("zone"),
    "an index of periods": FRAME.set_index("period"),
    "transposed": FRAME[["int", "float"]].T,
    "nothing": pd.DataFrame(),
    "no columns": pd.DataFrame(index=range(1000)),
    "numbers as names": pd.DataFrame(np.arange(12.0).reshape(3, 4)),
    "a name twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "two levels of columns": pd.DataFrame({("a", 1): [1], ("a", 2): [2.5]}),
    "no levels in use": pd.DataFrame({("a", 1): [1], ("b", 2): [2.5]}).iloc[:, :1],
}
INDEXES = [
    pd.RangeIndex(3, 9, 2, name="r"), pd.date_range("2026", periods=3, freq="W-TUE"), pd.Index(list("ab"), name="k"),
    pd.MultiIndex.from_product([[1, 2], ["a", None]], names=["x", None]), pd.CategoricalIndex(list("aab")),
    pd.Index([1.5, None]), pd.Index([("a", 1), (2,)], tupleize_cols=False), pd.timedelta_range(0, periods=3, freq="h"),
    pd.interval_range(0, 3), pd.Index([True, False]), pd.Index(["a", 1, None], dtype=object),
    pd.Index([], dtype=object),
    pd.period_range("2026", periods=2, freq="Q-OCT"), pd.Index([1, 2], dtype="Int64"), pd.Index([1, 2], dtype="u2"),
    pd.date_range("2026-03-28", periods=3, freq="D", tz=BERLIN),
]  # fmt: skip

peers = pytest.mark.parametrize("peer", [None, WITH_ARROW], ids=["alone", "arrow"])


@peers
@pytest.mark.parametrize("name", FRAMES)
def test_frames(name, peer):
    frame = FRAMES[name]
    found = copied(frame, peer=peer)
    pd.testing.assert_frame_equal(found, frame, check_column_type=True, check_index_type=True)
    assert list(found.dtypes) == list(frame.dtypes)


@peers
def test_series(peer):
    for series in [
        *[FRAME[name] for name in FRAME],
        pd.Series([1, 2], name=("a", 1)),
        pd.Series([pd.NaT, 1], dtype=object),
    ]:
        found = copied(series, peer=peer)
        pd.testing.assert_series_equal(found, series)
        assert [type(each) for each in found] == [type(each) for each in series]
        assert type(copied(series.array, peer=peer)) is type(series.array)


@peers
@pytest.mark.parametrize("index", INDEXES, ids=lambda index: str(index.dtype))
def test_indexes(index, peer):
    found = copied(index, peer=peer)
    pd.testing.assert_index_equal(found, index, exact=True)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2026-01-01 12:00:00.123456789"), pd.Timestamp("2026-01-01").as_unit("s"),
        pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert(BERLIN), pd.Timedelta(1, "ns"), pd.Period("2026-01", "M"),
        pd.Interval(0, 1.5, "both"), pd.NaT, pd.NA,
    ],
    ids=repr,
)  # fmt: skip
def test_scalars(value):
    found = copied([value])[0]
    assert type(found) is type(value)
    assert found is value or (found == value and repr(found) == repr(value))


@settings(max_examples=25)
@given(
    pdst.data_frames(
        [
            pdst.column("i", dtype="i8"), pdst.column("f", dtype="f4"), pdst.column("t", dtype="M8[ns]"),
            pdst.column("s", elements=st.text()), pdst.column("o", elements=st.none() | st.text(), dtype=object),
        ],
        index=pdst.range_indexes() | pdst.indexes(elements=st.text(), dtype=object),
    ),
    st.booleans(),
)  # fmt: skip
def test_any_frame(frame, arrow):
    try:
        found = copied(frame, peer=WITH_ARROW if arrow else None)
    except UnicodeEncodeError:  # Arrow has no half characters
        assert arrow
        return
    pd.testing.assert_frame_equal(found, frame)


def test_rows_of_nothing_take_no_memory():
    frame = pd.DataFrame(index=range(10**9))
    with bounded(10, 2**20):
        assert copied(frame).shape == (10**9, 0)


def test_attributes():
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"unit": "m", "of": [1, {"x": frame.index}]}
    assert copied(frame).attrs["unit"] == "m"
    assert list(copied(frame).attrs["of"][1]["x"]) == [0]
    series = pd.Series([1])
    series.attrs = {"a": 1}
    assert copied(series).attrs == {"a": 1}


def test_columns_are_not_copied_at_either_end():
    frame = pd.DataFrame({"a": np.arange(1e5), "b": np.arange(100_000, dtype="i4")})
    packed = pack(frame, "it")
    assert np.shares_memory(np.frombuffer(packed.buffers[0], "u1"), frame["a"].to_numpy())
    buffers = [bytearray(each) for each in packed.buffers]
    found = unpack(packed.text, buffers)
    assert np.shares_memory(np.frombuffer(buffers[1], "u1"), found["b"].to_numpy())
    found.loc[0, "a"] = 5.0
    assert found["a"][0] == 5


def test_columns_of_arrow():
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None], dtype="int64[pyarrow]"),
            "l": pd.Series([[1], [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        }
    )
    found = copied(frame, peer=WITH_ARROW)
    pd.testing.assert_frame_equal(found, frame)
    assert list(found.dtypes) == list(frame.dtypes)
    for peer in (None, {"pyarrow": "14.0.0"}):
        with pytest.raises(
            TypeError, match=r"^it\['a'\] has the dtype int64\[pyarrow\].*needs pyarrow 14\.0\.1 or newer"
        ):
            pack(frame, "it", peer=peer)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (pd.DataFrame({"x": [1, print]}), r"^it\['x'\]\[1\] is of the type builtin"),
        (pd.DataFrame({"ok": [1], "b": pd.arrays.SparseArray([1])}), r"^it\['b'\] has the dtype Sparse\[int64, 0\]"),
        ([pd.Index([print], dtype=object)], r"^it\[0\]\[0\] is of the type builtin"),
        (pd.DataFrame({"x": [1]}, index=[print]), r"^it\.index\[0\] is of the type builtin"),
        (pd.Series([1]).rolling(2), "^it is of the type pandas"),
        (pd.offsets.Day(2), "^it is of the type pandas"),
    ],
    ids=range(6),
)
def test_what_cannot_be_copied(value, named):
    with pytest.raises(TypeError, match=named):
        pack(value, "it")


def test_without_pandas(monkeypatch):
    packed = pack(FRAME[["int"]], "it")
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingHereError, match=r"needs pandas: python -m pip install pandas.*\.to_dict\('list'\)"):
        unpack(packed.text, packed.buffers)


# --- what a machine sends that means harm

I8 = ["numpy.ndarray", "<i8", "C", "AQAAAAAAAAACAAAAAAAAAA==", 2]
CODES = ["numpy.ndarray", "|i1", "C", "AAE=", 2]
RANGE = ["pandas.RangeIndex", 0, 2, 1, None]
INDEX = ["pandas.Index", [0], None, None]
#: two integers, two codes, a range of two, an index of two, two texts, an index of these
GOOD = [I8, CODES, RANGE, INDEX, ["tuple", ["a", "b"]], ["pandas.objects", [4]], ["pandas.Index", [5], None, None]]


def read(*nodes):
    return unpack(json.dumps([*GOOD, *nodes, [len(GOOD) + len(nodes) - 1]]).encode())


def test_such_nodes_are_values():
    assert read(["pandas.DataFrame", [2], [6], None, [0], [1]])["b"].tolist() == [0, 1]
    assert read(["pandas.Categorical", [1], [6], False]).tolist() == ["a", "b"]
    assert read(["tuple", ["x"]], ["pandas.MultiIndex", [7], [6], [1]]).tolist() == [("a",), ("b",)]


@pytest.mark.parametrize(
    "node",
    [
        ["pandas.DataFrame", [2], [6], None, [0]], ["pandas.DataFrame", [2], [6], None, [0], [6]],
        ["pandas.DataFrame", [2], [6], None, [0], 5], ["pandas.DataFrame", [0], [6], None, [0], [1]],
        ["pandas.DataFrame", [2], None, None], ["pandas.DataFrame", [2], [6], [0], [0], [1]], ["pandas.DataFrame"],
        ["pandas.Series", [2], None, None, [4]], ["pandas.Series", [2], ["x"], None, [0]],
        ["pandas.Series", 2, None, None, [0]], ["pandas.Index", [4], None, None], ["pandas.Index", [0], None, "D"],
        ["pandas.Index", 5, None, None], ["pandas.RangeIndex", 0, 2, 0, None], ["pandas.RangeIndex", 0, "2", 1, None],
        ["pandas.RangeIndex", 0, 2.5, 1, None], ["pandas.MultiIndex", [4], [6], [0], [6], [0]],
        ["pandas.MultiIndex", [4], [6], [1]], ["pandas.MultiIndex", [4]], ["pandas.Timestamp", 5, None],
        ["pandas.Timestamp", [0], None], ["pandas.Timedelta", 5], ["pandas.Period", 1, "nonsense"],
        ["pandas.Period", 1, "D" * 1000], ["pandas.Period", "1", "D"], ["pandas.Interval", 2, 1, "left"],
        ["pandas.Interval", 1, 2, "up"], ["pandas.missing", "nan"], ["pandas.missing", "eval"],
        ["pandas.objects", 5], ["pandas.texts", [4], [0]], ["pandas.texts", [0], None], ["pandas.texts", 5, None],
        ["pandas.Categorical", [0], [6], False], ["pandas.Categorical", [1], [0], False],
        ["pandas.Categorical", [1], [6], 1], ["pandas.Categorical", [6], [6], False], ["pandas.datetimes", [0], "UTC"],
        ["pandas.datetimes", 5, "UTC"], ["pandas.periods", [0], "x y z"], ["pandas.periods", [0], 5],
        ["pandas.periods", [6], "D"], ["pandas.intervals", [6], [6], "left"], ["pandas.intervals", [0], [3], "left"],
        ["pandas.masked", [0], [1]], ["pandas.masked", [0], [0]], ["pandas.masked", 1, 2],
        ["pandas.strings", "NA", "python", [0]], ["pandas.strings", "NA", "disk", [5]],
        ["pandas.strings", "x", "python", [5]], ["pandas.arrow", [0]], ["pandas.arrow", 5], ["pandas.numpy", [6]],
        ["pandas.read_pickle", "x"],
    ],
    ids=lambda node: json.dumps(node)[:40],
)  # fmt: skip
def test_what_stands_for_nothing(node):
    with pytest.raises(UnpackError), bounded(10, 2**20):
        read(node)


def test_categories_whose_hash_takes_long():
    inner = [["tuple", [[n], [n]]] for n in range(len(GOOD) - 1, len(GOOD) + 60)]
    last = len(GOOD) + len(inner) - 1
    nodes = [*inner, ["tuple", [[last], "a"]], ["pandas.objects", [last + 1]], ["pandas.Index", [last + 2], None, None]]
    with pytest.raises(UnpackError, match="tuples among categories"), bounded(10, 2**20):
        read(*nodes, ["pandas.Categorical", [1], [last + 3], False])


def test_categories_that_collide():
    members = [number * (2**61 - 1) for number in range(10_000)]
    start = len(GOOD)
    nodes = [["tuple", members], ["pandas.objects", [start]], ["pandas.Index", [start + 1], None, None]]
    with pytest.raises(UnpackError, match="collide"), bounded(20, 50 << 20):
        read(*nodes, ["pandas.Categorical", [1], [start + 2], False])
