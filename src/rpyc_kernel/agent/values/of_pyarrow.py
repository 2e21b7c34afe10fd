"""Arrow's tables, record batches and arrays, as an IPC stream that isn't compressed.

What Arrow is to read is checked before: no type that another package makes of its data; no compression, by which some
bytes may name any size; no type of which few bytes stand for many values. What was read is validated before it is used.
"""

from __future__ import annotations

import struct

from .errors import CannotPackError, MissingHereError, UnpackError
from .kinds import Memory
from .versions import MIN_ARROW, has_arrow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

MAX_DEPTH = 32  #: of types in types
MAX_EMPTY_ROWS = 1_000_000  #: rows that take no memory in Arrow, and eight bytes or more elsewhere
_NEEDED = ".".join(map(str, MIN_ARROW))
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # types of messages


def describe(packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of what is Arrow's; None for all else."""
    import pyarrow as pa

    if isinstance(value, pa.Table):
        name, table = "Table", value
    elif isinstance(value, pa.RecordBatch):
        name, table = "RecordBatch", pa.Table.from_batches([value])
    elif isinstance(value, pa.ChunkedArray):
        name, table = "ChunkedArray", pa.Table.from_arrays([value], [""])
    elif isinstance(value, pa.Array):
        name, table = "Array", pa.Table.from_arrays([value], [""])
    else:
        return None
    if packer.peer and not has_arrow(packer.peer):
        raise CannotPackError(
            "is of Arrow, and needs pyarrow %s or newer there: python -m pip install pyarrow" % _NEEDED
        )
    for field in table.schema:
        if not _is_allowed(pa.types, field.type):
            where = "has the column %r" % field.name if field.name else "is"
            raise CannotPackError("%s of Arrow's type %s, of which no copy can be sent" % (where, field.type))
    return "pyarrow.Table", [name, Memory(_stream(pa, table))]


def _stream(pa: Any, table: Any) -> Any:
    """An IPC stream, in memory of its very size."""
    size = pa.MockOutputStream()
    _write(pa, table, size)
    memory = pa.allocate_buffer(size.size())
    _write(pa, table, pa.FixedSizeBufferWriter(memory))
    return memory


def _write(pa: Any, table: Any, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _is_allowed(types: Any, kind: Any, depth: int = 0) -> bool:
    """Whether values of a type take as much memory in Arrow as the count of them demands, and nobody else makes them.

    Unions, views and run-end encoded arrays name one value many times, and so does a dictionary within another type.
    """
    if types.is_null(kind):
        return depth == 0  # whose rows are counted
    if types.is_dictionary(kind):
        return depth == 0 and _is_allowed(types, kind.value_type, 1) and not types.is_nested(kind.value_type)
    if depth > MAX_DEPTH:
        return False
    if types.is_struct(kind):
        fields = [kind.field(number).type for number in range(kind.num_fields)]
        return bool(fields) and all(_is_allowed(types, field, depth + 1) for field in fields)
    if types.is_map(kind):
        return _is_allowed(types, kind.key_type, depth + 1) and _is_allowed(types, kind.item_type, depth + 1)
    if types.is_fixed_size_list(kind):
        return kind.list_size > 0 and _is_allowed(types, kind.value_type, depth + 1)
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_allowed(types, kind.value_type, depth + 1)
    if types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > 0)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return True
    return bool(types.is_primitive(kind) or types.is_decimal(kind))


# --- building


def _build_table(unpacker: Any, name: Any, form: Any) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        pa = None
    if pa is None or not has_arrow({"pyarrow": pa.__version__}):
        raise MissingHereError(
            "A value of Arrow is in it, which needs pyarrow %s or newer: python -m pip install --upgrade pyarrow."
            % _NEEDED
        )
    buffer = pa.py_buffer(unpacker.memory(form))
    _check_messages(pa, buffer)
    with pa.ipc.open_stream(buffer) as stream:
        for field in stream.schema:
            if not _is_allowed(pa.types, field.type):
                raise UnpackError("a column of Arrow's type %.100s" % field.type)
        table = stream.read_all()
    table.validate(full=True)
    if name == "Table":
        return table
    if name == "RecordBatch":
        (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        return batch
    (column,) = table.columns
    if name == "ChunkedArray":
        return column
    if name != "Array":
        raise UnpackError("something else of Arrow's")
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _check_messages(pa: Any, buffer: Any) -> None:
    """Check the messages of a stream before Arrow reads what is in them."""
    for message in pa.ipc.MessageReader.open_stream(buffer):
        metadata = message.metadata.to_pybytes()
        if b"ARROW:extension" in metadata:
            raise UnpackError("a type of Arrow's that a package extends")
        kind, batch = _batch_of(metadata)
        if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH):
            continue
        if _field(metadata, batch, 3):
            raise UnpackError("Arrow's data in compressed form")
        position = _field(metadata, batch, 0)
        rows = struct.unpack_from("<q", metadata, position)[0] if position else 0
        if rows > MAX_EMPTY_ROWS + 8 * message.body.size:
            raise UnpackError("rows of Arrow's that take no memory")


def _batch_of(metadata: bytes) -> Tuple[int, int]:
    """The type of a message, and the position of the table ``RecordBatch`` in it.

    By https://arrow.apache.org/docs/format/Columnar.html and Message.fbs.
    """
    (message,) = struct.unpack_from("<I", metadata)
    position = _field(metadata, message, 1)
    kind = metadata[position] if position else 0
    batch = _table(metadata, _field(metadata, message, 2))
    if kind == _DICTIONARY_BATCH:
        batch = _table(metadata, _field(metadata, batch, 1))
    return kind, batch


def _field(data: bytes, table: int, number: int) -> int:
    """The position of a field of a flatbuffers table; 0 if the table hasn't it."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if vtable < 0 or 4 + 2 * number >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _table(data: bytes, position: int) -> int:
    """The position of the table to which a field points."""
    (offset,) = struct.unpack_from("<I", data, position)
    return position + int(offset)


BUILDERS: Dict[str, Callable[..., Any]] = {"pyarrow.Table": _build_table}
