"""Cutting values into equal parts, and putting parts together: the one undoes the other."""

import numpy as np
import pytest

from rpyc_kernel.errors import ValueRefusedError
from rpyc_kernel.values.pieces import joined, split


def test_the_lengths_differ_by_one_at_most_and_the_order_stays():
    assert split(list(range(7)), 3, "x") == [[0, 1, 2], [3, 4], [5, 6]]
    assert split([1], 3, "x") == [[1], [], []]
    assert split(range(4), 2, "x") == [range(2), range(2, 4)]


@pytest.mark.parametrize("value", [[1, 2, 3], (1, 2, 3), "äbc", b"abc", bytearray(b"abc"), [], ""])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_builtin_values_come_back_as_they_were(value, count):
    back = joined(split(value, count, "x"), "x")
    assert back == value
    assert type(back) is type(value)


def test_ranges_become_a_list():
    assert joined(split(range(5), 3, "x"), "x") == [0, 1, 2, 3, 4]


def test_arrays_are_cut_along_their_first_axis():
    array = np.arange(10).reshape(5, 2)
    assert [each.shape for each in split(array, 3, "x")] == [(2, 2), (2, 2), (1, 2)]
    assert np.array_equal(joined(split(array, 3, "x"), "x"), array)
    masked = np.ma.masked_equal(np.arange(5), 3)
    assert joined(split(masked, 2, "x"), "x").mask.tolist() == masked.mask.tolist()


def test_tables_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(5), "b": list("vwxyz")}, index=list("abcde"))
    assert joined(split(frame, 3, "x"), "x").equals(frame)
    assert joined(split(frame["a"], 3, "x"), "x").equals(frame["a"])
    for index in (frame.index, pandas.RangeIndex(5), pandas.date_range("2024-01-01", periods=5)):
        assert joined(split(index, 2, "x"), "x").equals(index)


def test_tables_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": range(5)})
    assert joined(split(frame, 3, "x"), "x").equals(frame)
    assert joined(split(frame["a"], 3, "x"), "x").equals(frame["a"])


def test_tables_of_arrow():
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1, 2, None, 4, 5]})
    (batch,) = table.to_batches()
    assert joined(split(table, 3, "x"), "x").equals(table)
    assert joined(split(batch, 3, "x"), "x").equals(table)
    assert joined(split(batch["a"], 3, "x"), "x").equals(batch["a"])
    assert joined(split(table["a"], 3, "x"), "x").equals(table["a"])


@pytest.mark.parametrize("value", [5, {1: 2}, {1}, np.float64(1), np.array(1), None, object()])
def test_what_has_no_parts(value):
    with pytest.raises(ValueRefusedError, match=r"^frames is of the type .* can't be cut into parts"):
        split(value, 2, "frames")


@pytest.mark.parametrize("values", [[1, 2], [[1], (2,)], [{1: 2}], [None], [np.float64(1)], [[1], np.zeros(1)]])
def test_what_can_not_be_joined(values):
    with pytest.raises(ValueRefusedError, match="can't be put one behind the other"):
        joined(values, "x")


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueRefusedError, match=r"x can't be put one behind the other: ValueError: .*dictionary"):
        joined([np.zeros((1, 2)), np.zeros((1, 3))], "x")
