"""Numpy's arrays of every dtype, shape and order, its numbers and dtypes: as they were, and without a copy."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rpyc_kernel.agent.values import MissingHereError, UnpackError, numpy_dtypes, pack, unpack
from tests.unit.agent.values.copies import bounded, copied

DTYPES = [
    "?", "b1", "i1", "u1", "<i2", ">i2", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f8", "<c8", "<c16", ">c16", "S3",
    "S0", "<U2", ">U2", "U0", "<M8[ns]", "<M8[25s]", "<M8", "<m8[D]", "<m8", "V5", "V0", np.longdouble, np.clongdouble,
    [("a", "<i4"), ("b", ">f8", (2, 3))], [("a", [("b", "u1"), ("c", "U3")]), ("d", "?")],
    {"names": ["b", "a"], "formats": ["u1", "<f8"], "offsets": [9, 1], "itemsize": 20}, [(("title", "a"), "u1")],
]  # fmt: skip
ALIGNED = np.dtype([("a", "u1"), ("b", "f8")], align=True)
SHAPES = [(), (0,), (1,), (3,), (2, 3), (2, 0, 3), (0, 0), (1,) * 30, (30, 20)]


def equal(one, two):
    """Whether two arrays are the same, but for the bytes between a structure's fields."""
    assert type(one) is type(two)
    assert (one.dtype, one.shape) == (two.dtype, two.shape)
    assert one.dtype.isalignedstruct == two.dtype.isalignedstruct
    if one.dtype.names:
        return all(equal(np.asarray(one[name]), np.asarray(two[name])) for name in one.dtype.names)
    return one.tobytes() == two.tobytes()


@pytest.mark.parametrize("dtype", [*DTYPES, ALIGNED], ids=str)
def test_arrays_of_all_kinds_and_shapes(dtype):
    for shape in SHAPES:
        is_copied(np.dtype(dtype), shape)


def is_copied(dtype, shape):
    """An array of that shape, turned and cut in each way, and its last number."""
    count = math.prod(shape)
    data = bytearray(bytes(range(128)) * (count * dtype.itemsize // 128 + 1))
    if dtype.kind in "Ugfc" or dtype.names:
        data = bytearray(len(data))
    array = np.frombuffer(data, dtype, count) if dtype.itemsize else np.empty(count, dtype)
    array = array.reshape(shape)
    for given_array in (
        array,
        np.asfortranarray(array),
        array.T,
        array[..., ::-1] if shape else array,
        array[:1:2] if shape else array,
    ):
        found = copied(given_array)
        assert equal(found, given_array)
        assert found.flags.writeable
        assert found.flags.aligned
        if given_array.nbytes and given_array.flags.forc:
            assert found.flags.f_contiguous == given_array.flags.f_contiguous
    if array.size and not dtype.subdtype:
        number = array.reshape(-1)[-1]
        assert type(copied(number)) is type(number)
        assert copied(number).dtype == number.dtype
        assert copied([number])[0] == number or number != number  # not a number


@given(
    npst.arrays(
        npst.scalar_dtypes() | npst.array_dtypes() | npst.nested_dtypes(), npst.array_shapes(min_dims=0, min_side=0)
    )
)
def test_any_array(array):
    assert equal(copied(array), array)


@given(st.data())
def test_any_number(data):
    dtype = data.draw(npst.scalar_dtypes())
    number = data.draw(npst.from_dtype(dtype))
    if isinstance(number, (np.generic, bytes, str)):
        assert type(copied(number)) is type(number)
        assert copied(number) == number or number != number


def test_the_numbers_of_numpy_are_not_those_of_python():
    values = [np.float64(0.1), np.bool_(True), np.int64(3), np.complex128(1j), np.float32(1), np.longdouble("0.1")]
    values += [np.str_("x\0"), np.bytes_(b"x\0"), np.datetime64("NaT"), np.timedelta64(3, "D"), np.void(b"\1\0")]
    for value in values:
        found = copied({"a": [value]})["a"][0]
        assert type(found) is type(value)
        assert found == value or np.isnat(value)


def test_classes_of_arrays():
    masked = np.ma.MaskedArray([1, 2, 3], [0, 1, 0], fill_value=9, hard_mask=True)
    found = copied(masked)
    assert type(found) is type(masked)
    assert (found.data.tolist(), found.mask.tolist(), found.fill_value, found.hardmask) == (
        [1, 2, 3],
        [False, True, False],
        9,
        True,
    )
    assert copied(np.ma.MaskedArray([1.5])).mask is np.ma.nomask
    assert copied([np.ma.masked])[0] is np.ma.masked
    pair = np.ma.MaskedArray([(1, 2.0)], mask=[(True, False)], dtype="i4,f8")
    assert copied(pair).mask.tolist() == [(True, False)]
    records = np.rec.array([(1, "x")], dtype="i4,U1")
    assert type(copied(records)) is np.recarray
    assert copied(records).dtype == records.dtype
    assert copied(records).f1[0] == "x"


def test_an_array_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10.0))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    found = copied(mapped)
    assert type(found) is np.ndarray
    assert found.flags.writeable  # a copy is one's own, as of any array that can't be written
    assert found.tolist() == mapped.tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_is_copied_at_either_end(order):
    array = np.asarray(np.arange(10_000.0).reshape(100, 100), order=order)
    with bounded(10, 20_000):
        packed = pack({"a": array}, "it")
    assert np.shares_memory(np.frombuffer(packed.buffers[0]), array)
    buffer = bytearray(packed.buffers[0])
    with bounded(10, 20_000):
        found = unpack(packed.text, [memoryview(buffer)])["a"]
    assert np.shares_memory(np.frombuffer(buffer), found)
    assert (found == array).all()
    assert unpack(packed.text, [bytes(buffer)])["a"].flags.writeable  # of memory that can't be written, it is a copy


def test_one_array_twice():
    array = np.zeros(1000)
    packed = pack([array, array], "it")
    assert len(packed.buffers) == 1
    found = copied([array, array])
    assert found[0] is found[1]


@pytest.mark.parametrize("dtype", [*DTYPES, ALIGNED, "O", [("a", "O")]], ids=str)
def test_dtypes(dtype):
    dtype = np.dtype(dtype)
    assert copied(dtype) == dtype
    assert copied(dtype).isalignedstruct == dtype.isalignedstruct


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([np.array([None])], r"^it\[0\] is an array of objects.*by \.tolist\(\)"),
        ({"a": np.zeros(2, [("x", "O")])}, r"^it\['a'\] is an array of objects"),
        (np.array(["a"], np.dtypes.StringDType()), "^it is an array of StringDType"),
        (np.random.default_rng(0), "^it is of the type numpy.random"),
        (np.add, "^it is of the type numpy.ufunc"),
        (np.float64, "^it is of the type type"),
        (np, "^it is of the type module"),
    ],
    ids=range(7),
)
def test_what_cannot_be_copied(value, named):
    with pytest.raises(TypeError, match=named):
        pack(value, "it")


# --- what a machine sends that means harm


def read(*parts, kind="numpy.ndarray", data=b"8 bytes."):
    """Unpack a node; a tuple among its parts is a node of its own."""
    nodes = []

    def form(part):
        if not isinstance(part, tuple):
            return part
        nodes.append(["tuple", [form(each) for each in part]])
        return [len(nodes) - 1]

    nodes.append([kind, *map(form, parts)])
    return unpack(json.dumps([*nodes, [len(nodes) - 1]]).encode(), [bytearray(data)])


def test_such_a_node_is_an_array():
    assert read("<f8", "C", 0, 1).shape == (1,)
    assert read(("struct", 8, False, "a", None, 0, "<f4"), "C", 0, 1).dtype.names == ("a",)


DEEP = "u1"
for _ in range(numpy_dtypes.MAX_DEPTH + 2):
    DEEP = ("sub", DEEP, 1)

WRONG_DTYPES = [
    "O", "|O8", "O8", "<f8,(1000000,)f8", "f8,i4", "(1000000000,)f8", "object", "<U999999999", "<f99", "<M8[nonsense]",
    "<f8\n", "float64", "numpy.float64", "", "f8,", "V9999999999", "T", None, 8, True, ["<f8"], {"a": 1},
    (), ("sub",), ("sub", "<f8", -1), ("sub", "O", 1), ("sub", "u1", 2**31), ("sub", "u1", 2**30, 2**30), ("x", "<f8"),
    ("sub", "u1", *[1] * 100), ("struct", 8), ("struct", 8, False, "a"), ("struct", 8, False, "a", None, 1, "<f8"),
    ("struct", 8, False, "a", None, -1, "<f4"), ("struct", -8, False, "a", None, 0, "<f4"),
    ("struct", 8, False, 5, None, 0, "<f4"), ("struct", 8, False, "a", 5, 0, "<f4"),
    ("struct", 8, 1, "a", None, 0, "<f4"),
    ("struct", 8, False, "a", None, 0, "O"), ("struct", 8, False, "a", None, 0, "<f4", "a", None, 4, "<f4"),
    ("longdouble", "<f8,O", 63), ("longdouble", "<f16"), ("longdouble", 16, 63), ("longdouble", "<f16", None), DEEP,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["numpy.ndarray", "numpy.generic", "numpy.dtype"])
def test_dtypes_that_are_none(kind):
    parts = {"numpy.ndarray": ["C", 0, 1], "numpy.generic": [0], "numpy.dtype": []}[kind]
    for dtype in WRONG_DTYPES:
        with pytest.raises(UnpackError), bounded(10, 2**20):
            read(dtype, *parts, kind=kind)


WRONG_SHAPES = [[2], [-1], [2**70], [1.0], [True], [1] * 65, [0, 2**62, 2**62], [0], [], [1, 2], ["1"], [None], [0, 1]]


@pytest.mark.parametrize("shape", WRONG_SHAPES, ids=str)
def test_shapes_that_do_not_fit(shape):
    if shape == []:
        shape = [1, 1, 2]
    with pytest.raises(UnpackError), bounded(10, 2**20):
        read("<f8", "C", 0, *shape)


@pytest.mark.parametrize("parts", [["<f8", "K", 0, 1], ["<f8", 5, 0, 1], ["<f8", "C", 1, 1], ["<f8", "C", None, 1],
    ["<f8", "C", -1, 1], ["<f8", "C", True, 1], ["<f8", "C", 0.0, 1], ["<f8", "C", "!", 1], ["<f8", "C", "YQ==", 1],
    ["<f8", "C"], ["<f8"], []], ids=str)  # fmt: skip
def test_arrays_that_are_none(parts):
    with pytest.raises(UnpackError), bounded(10, 2**20):
        read(*parts)


def test_rows_of_nothing_take_no_memory():
    length = 10**9
    with bounded(10, 2**20):
        assert read("<f8", "C", "", length, 0).shape == (length, 0)
        with pytest.raises(UnpackError):
            read("<f8", "C", "", length)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("numpy.ma.MaskedArray", [1, None, None, False]), ("numpy.ma.MaskedArray", [None, None, 0, True]),
        ("numpy.str_", [1]), ("numpy.bytes_", ["x"]), ("numpy.recarray", ["<f8", "C", 0, 2]),
        ("numpy.fromstring", ["x"]),
        ("numpy.generic", ["<f8", "YQ=="]), ("numpy.generic", ["<f8", ""]),
    ],
)  # fmt: skip
def test_others_that_are_none(kind, parts):
    with pytest.raises(UnpackError):
        read(*parts, kind=kind)


def test_a_long_double_of_another_processor(monkeypatch):
    for digits in (52, 105, 112):
        with pytest.raises(
            MissingHereError, match=rf"long double of {digits} digits \(<f16\) is in it.*astype\('f8'\)"
        ):
            read(("longdouble", "<f16", digits), "C", "A" * 24, 1)


def test_without_numpy(monkeypatch):
    packed = pack(np.zeros(3), "it")
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    with pytest.raises(MissingHereError, match=r"needs numpy: python -m pip install numpy.*\.tolist\(\)"):
        unpack(packed.text, packed.buffers)
