"""Arrow's tables and arrays, and streams that were made to do harm."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.values import MissingHereError, UnpackError, of_pyarrow, pack, unpack
from tests.unit.agent.values.copies import bounded, copied

TABLE = pa.table({"a": [1, 2, None], "s": ["x", None, "ä"], "n": [None] * 3, "l": [[1], None, []], "d": [{"x": 1}] * 3})
VALUES = {
    "table": TABLE,
    "with metadata": TABLE.replace_schema_metadata({"k": "v"}),
    "slice": TABLE.slice(1, 1),
    "no rows": TABLE.slice(3),
    "no columns": pa.table({}),
    "batch": pa.record_batch({"d": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "batch of no rows": pa.record_batch({"a": pa.array([], pa.int8())}),
    "array": pa.array([1.5, None]),
    "part of an array": pa.array(range(1000)).slice(990),
    "array of none": pa.array([], pa.string()),
    "chunked array": pa.chunked_array([[1], [2, 3]]),
    "chunked array of none": pa.chunked_array([], pa.int8()),
    "decimals": pa.array([None, 1]).cast(pa.decimal128(30, 3)),
    "times": pa.array([0, 5]).cast(pa.timestamp("us", "Europe/Berlin")),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "fixed": pa.array([b"ab", None], pa.binary(2)),
    "intervals": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    value = VALUES[name]
    found = copied(value)
    assert type(found) is type(value)
    assert found.equals(value)
    if isinstance(value, pa.Table):
        assert found.schema.equals(value.schema, check_metadata=True)


def test_a_part_takes_no_more_than_it_needs():
    assert pack(pa.array(range(10**6)).slice(10, 10), "it").nbytes < 2000


def test_what_cannot_be_copied():
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(TypeError, match=r"^it is of Arrow's type sparse_union"):
        pack(union, "it")
    with pytest.raises(TypeError, match=r"^it\[0\] has the column 'x' of Arrow's type extension"):
        pack([pa.table({"x": pa.array([b"1" * 16]).cast(pa.binary(16)).cast(pa.uuid())})], "it")
    with pytest.raises(TypeError, match=r"needs pyarrow 14\.0\.1 or newer there: python -m pip install pyarrow"):
        pack(TABLE, "it", peer={"pyarrow": "14.0.0"})
    with pytest.raises(TypeError, match=r"^it is of the type pyarrow.lib.Int64Scalar"):
        pack(pa.scalar(1), "it")


def test_without_arrow(monkeypatch):
    packed = pack(TABLE, "it")
    monkeypatch.setattr(pa, "__version__", "14.0.0")
    with pytest.raises(
        MissingHereError, match=r"needs pyarrow 14\.0\.1 or newer: python -m pip install --upgrade pyarrow"
    ):
        unpack(packed.text, packed.buffers)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingHereError, match="needs pyarrow"):
        unpack(packed.text, packed.buffers)


# --- what a machine sends that means harm


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(data, name="Table"):
    return unpack(json.dumps([["pyarrow.Table", name, 0], [0]]).encode(), [bytearray(data)])


def test_such_a_stream_is_a_table():
    assert read(stream(TABLE)).equals(TABLE)


def test_compressed_data_is_refused():
    """A buffer of a few bytes may name any size."""
    bomb = stream(
        pa.table({"a": pa.array(bytes(50 << 20), pa.binary()).cast(pa.binary()) if False else [b"\0" * (50 << 20)]}),
        compression="zstd",
    )
    assert len(bomb) < 1 << 20
    with pytest.raises(UnpackError, match="compressed"), bounded(10, 10 << 20):
        read(bomb)
    coded = pa.table({"a": pa.array(["x" * 1000] * 3).dictionary_encode()})
    with pytest.raises(UnpackError, match="compressed"):
        read(stream(coded, compression="lz4"))


def test_rows_of_nothing_are_refused():
    with pytest.raises(UnpackError, match="rows of Arrow's that take no memory"), bounded(10, 10 << 20):
        read(stream(pa.table({"n": pa.nulls(10**9)})))
    assert read(stream(pa.table({"n": pa.nulls(1000)}))).num_rows == 1000


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[None] * 5], pa.list_(pa.null())), pa.array([{}] * 5, pa.struct([])), pa.array([b""], pa.binary(0)),
        pa.array([[]], pa.list_(pa.int8(), 0)), pa.RunEndEncodedArray.from_arrays([10**6], ["x"]),
        pa.array(["x" * 100], pa.string_view()), pa.array([{"a": None}], pa.struct([("a", pa.null())])),
        pa.UnionArray.from_dense(pa.array([0] * 9, pa.int8()), pa.array([0] * 9, pa.int32()), [pa.array(["x" * 100])]),
        pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ],
    ids=lambda array: str(array.type),
)  # fmt: skip
def test_types_of_which_little_stands_for_much(array):
    table = pa.Table.from_arrays([array], ["a"])
    with pytest.raises(UnpackError, match="a column of Arrow's type"):
        read(stream(table))
    with pytest.raises(TypeError, match="of Arrow's type"):
        pack(table, "it")


def test_types_that_packages_extend_are_refused(monkeypatch):
    class Own(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.int8(), "own.type")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, _storage, _data):
            raise AssertionError("no code of a package's runs")

    data = stream(pa.table({"a": pa.ExtensionArray.from_storage(Own(), pa.array([1], pa.int8()))}))
    pa.register_extension_type(Own())
    try:
        with pytest.raises(UnpackError, match="a type of Arrow's that a package extends"):
            read(data)
    finally:
        pa.unregister_extension_type("own.type")


def test_offsets_that_lead_elsewhere_are_refused():
    good = stream(pa.table({"s": ["abc", "defg"]}))
    offsets = (0).to_bytes(4, "little") + (3).to_bytes(4, "little") + (7).to_bytes(4, "little")
    assert good.count(offsets) == 1
    for wrong in (2**31 - 1, -1, 8, 2):
        bad = good.replace(offsets, offsets[:8] + wrong.to_bytes(4, "little", signed=True))
        with pytest.raises(UnpackError):
            read(bad)


@pytest.mark.parametrize("name", ["RecordBatch", "Array", "ChunkedArray", "eval", 5, None])
def test_a_table_that_is_called_something_else(name):
    with pytest.raises(UnpackError):
        read(stream(pa.concat_tables([TABLE, TABLE])), name)


@given(st.data())
def test_streams_that_were_changed(data):
    """Whatever comes is a table that is valid, or refused."""
    good = data.draw(st.sampled_from([stream(value) for value in VALUES.values() if isinstance(value, pa.Table)]))
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    del bad[data.draw(st.integers(0, len(bad))) :]
    try:
        found = read(bad)
    except (UnpackError, MissingHereError):
        return
    found.to_pylist()


def test_where_the_fields_of_a_message_are():
    """By a record batch, with and without compression."""
    for options, expected in (({}, False), ({"compression": "zstd"}, True)):
        for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream(TABLE, **options))):
            metadata = message.metadata.to_pybytes()
            kind, batch = of_pyarrow._batch_of(metadata)
            assert kind == {"schema": 1, "record batch": 3}[message.type]
            if kind == 3:
                assert bool(of_pyarrow._field(metadata, batch, 3)) is expected
                position = of_pyarrow._field(metadata, batch, 0)
                assert metadata[position : position + 8] == (3).to_bytes(8, "little")
