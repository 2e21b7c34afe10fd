"""Packets that are read piece by piece: each buffer where it is wanted, and nothing believed before it was checked."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent import wire
from rpyc_kernel.agent.direct import packets


def reader(data: bytes):
    """What fills memoryviews with these bytes, and ends with them."""
    rest = memoryview(data)

    def receive(into: memoryview) -> None:
        nonlocal rest
        if len(rest) < len(into):
            raise EOFError
        into[:] = rest[: len(into)]
        rest = rest[len(into) :]

    return receive


def test_buffers_land_where_they_are_wanted():
    target = bytearray(5)
    packet = wire.pack({"op": "x"}, [b"hello"])
    header, buffers = packets.read(reader(packet), lambda _header, _sizes: [memoryview(target)])
    assert (header, bytes(target), buffers[0].obj) == ({"op": "x"}, b"hello", target)


def test_a_packet_that_is_sent_is_read_again():
    one, other = socket.socketpair()
    buffers = [bytes([number]) * number * 1000 for number in range(40)]  # more than one call takes
    with one, other:
        thread = threading.Thread(target=packets.send, args=(one, {"a": "é"}, buffers))
        thread.start()
        other.settimeout(20)

        def receive(into: memoryview) -> None:
            while into:
                into = into[other.recv_into(into) :]

        header, found = packets.read(receive, packets.new_memory)
        thread.join(20)
    assert header == {"a": "é"}
    assert [bytes(buffer) for buffer in found] == buffers


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (struct.pack("!II", 1 << 30, 0), "bytes of JSON"),
        (struct.pack("!II", 2, 1 << 30), "buffers"),
        (wire.pack({})[:-2] + b"[]", "no JSON object"),
        (wire.pack({})[:-2] + b"{[", "no JSON"),
        (struct.pack("!III", 2, 1, 1 << 31) + b"{}", "a packet of"),
    ],
)
def test_what_is_no_packet_is_refused(data, why):
    with pytest.raises(packets.PacketError, match=why):
        packets.read(reader(data), packets.new_memory)


def test_a_buffer_of_another_length_is_refused_before_it_is_read():
    packet = wire.pack({}, [b"longer"])
    with pytest.raises(packets.PacketError, match="another length"):
        packets.read(reader(packet), lambda _header, _sizes: [memoryview(bytearray(3))])


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_packet_or_an_error(data):
    try:
        header, _buffers = packets.read(reader(data), packets.new_memory)
    except (packets.PacketError, EOFError):
        return
    assert isinstance(header, dict)
