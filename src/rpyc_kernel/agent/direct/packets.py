"""Packets of `wire` on a byte stream, read piece by piece, so that each buffer lands where it is wanted."""

from __future__ import annotations

import struct

from .. import wire
from ..wire import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Callable, List, Optional, Sequence, Tuple

    from ..wire import Bytes, Json

    #: Fills a memoryview with the next bytes
    Receive = Callable[[memoryview], None]
    #: Says where the buffers of these lengths are to go, by the JSON object before them; None: into new memory
    Room = Callable[[Json, Sequence[int]], Optional[Sequence[memoryview]]]

GREETING = b"rpyc-kernel direct 1\n"  #: the worker's first bytes; no frame of RPyC begins so
MAX_JSON_BYTES = 16 << 20  #: of one packet
MAX_BUFFERS = 10000
MAX_NEW_BYTES = 64 << 20  #: of one packet's buffers, where nobody has made room for them
MAX_PIECES = 16  #: that every system takes in one call
_COUNTS = struct.Struct("!II")


class PacketError(ValueError):
    """The other end has sent something that is no packet."""


def read(receive: Receive, room: Room) -> Tuple[Json, Sequence[memoryview]]:
    """Read the next packet.

    Args:
        receive: Fills a memoryview with the next bytes.
        room: Says where the buffers go.

    Returns:
        The JSON object and the buffers.

    Raises:
        PacketError: It isn't a packet, or its buffers don't fit.
    """
    counts = bytearray(_COUNTS.size)
    receive(memoryview(counts))
    length, count = _COUNTS.unpack(counts)
    if length > MAX_JSON_BYTES or count > MAX_BUFFERS:
        raise PacketError("a packet with %d bytes of JSON and %d buffers" % (length, count))
    head = memoryview(bytearray(4 * count + length))
    receive(head)
    sizes = struct.unpack("!%dI" % count, head[: 4 * count])
    try:
        header = loads(str(head[4 * count :], "utf-8"))
    except (ValueError, RecursionError) as error:
        raise PacketError("a packet whose header is no JSON: %s" % type(error).__name__) from None
    if not isinstance(header, dict):
        raise PacketError("a packet whose header is no JSON object")
    buffers = room(header, sizes)
    if buffers is None:
        if sum(sizes) > MAX_NEW_BYTES:
            raise PacketError("a packet of %d bytes" % sum(sizes))
        buffers = [memoryview(bytearray(size)) for size in sizes]
    if [buffer.nbytes for buffer in buffers] != list(sizes):
        raise PacketError("buffers of another length than was asked for")
    for buffer in buffers:
        receive(buffer)
    return header, buffers


def send(sock: socket.socket, header: Json, buffers: Sequence[Bytes] = ()) -> None:
    """Send a packet on a blocking socket; its buffers are not copied, and nothing is sent alone that can go with them.

    Raises:
        OSError: The other end has gone.
    """
    pieces = wire.pack_pieces(header, buffers)
    if not hasattr(sock, "sendmsg"):
        for piece in pieces:
            sock.sendall(piece)
        return
    views = [memoryview(b"".join(pieces[:2])), *[memoryview(piece) for piece in pieces[2:]]]
    while views:
        sent = sock.sendmsg(views[:MAX_PIECES])
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if sent:
            views[0] = views[0][sent:]


def new_memory(_header: Json, _sizes: Sequence[int]) -> Optional[List[memoryview]]:
    """Have all buffers go into new memory."""
    return None
