"""Frames on a socket: whole ones only, bounded, and never a wait for somebody who takes nothing."""

from __future__ import annotations

import itertools
import struct
import threading
import time

import pytest

from rpyc_kernel.agent.direct import shortcut as shortcut_module
from rpyc_kernel.agent.direct.nonblocking import attempt, wait_ready
from rpyc_kernel.agent.direct.shortcut import MAX_FRAME_BYTES, Bell, Shortcut
from tests.unit.agent.direct.pairs import tcp_pair, tls_pair

PATIENCE_S = 20.0
FRAMES = [(1, 0, b"first"), (2, 1, b""), (3, 1, bytes(MAX_FRAME_BYTES)), (4, 2, b"last")]


@pytest.fixture(params=["tcp", "tls"])
def sockets(request, tmp_path):
    pair = tcp_pair() if request.param == "tcp" else tls_pair(tmp_path)
    yield pair
    for sock in pair:
        sock.close()


def received(shortcut, count):
    """Wait for some frames."""
    found = []
    while len(found) < count:
        assert wait_ready([shortcut], [], PATIENCE_S)
        found += shortcut.receive()
    return found


def send_without_end(shortcut):
    for number in itertools.count(1):
        shortcut.send(number, 0, bytes(MAX_FRAME_BYTES))


def test_frames_come_whole_and_in_order(sockets):
    near, far = map(Shortcut, sockets)
    sending = threading.Thread(target=lambda: [near.send(*each) for each in FRAMES])
    sending.start()
    assert received(far, len(FRAMES)) == FRAMES
    sending.join(PATIENCE_S)
    assert list(far.receive()) == []


def test_a_frame_that_comes_byte_by_byte(sockets):
    near, far = sockets
    far = Shortcut(far)
    data = struct.pack("!QQI", 7, 6, 3) + b"abc"
    for number, byte in enumerate(data, 1):
        near.sendall(bytes([byte]))
        assert wait_ready([far], [], PATIENCE_S)
        assert list(far.receive()) == ([(7, 6, b"abc")] if number == len(data) else [])


def test_what_came_before_it_was_a_shortcut_counts(sockets):
    near, far = sockets
    data = struct.pack("!QQI", 1, 0, 3) + b"abc"
    far = Shortcut(far, data[:10])
    near.sendall(data[10:])
    assert received(far, 1) == [(1, 0, b"abc")]


def test_half_a_frame_is_none(sockets):
    near, far = sockets
    far = Shortcut(far)
    near.sendall((struct.pack("!QQI", 1, 0, 3) + b"abc")[:-1])
    near.close()
    with pytest.raises(OSError, match=r"."):
        received(far, 1)


def test_a_long_frame_is_refused_before_it_comes(sockets):
    near, far = sockets
    far = Shortcut(far)
    near.sendall(struct.pack("!QQI", 1, 0, MAX_FRAME_BYTES + 1))
    with pytest.raises(ValueError, match=f"a frame of {MAX_FRAME_BYTES + 1} bytes"):
        received(far, 1)


def test_somebody_who_takes_nothing_holds_up_nobody(sockets, monkeypatch):
    monkeypatch.setattr(shortcut_module, "STALL_S", 0.1)
    near = Shortcut(sockets[0])
    started = time.monotonic()
    with pytest.raises(OSError, match="takes nothing"):
        send_without_end(near)
    assert time.monotonic() - started < PATIENCE_S


def test_closing_wakes_who_waits_at_either_end(sockets):
    near, far = map(Shortcut, sockets)
    bells = [Bell(), Bell()]
    with_it = [
        threading.Thread(target=bell.wait, args=(each, None)) for bell, each in zip(bells, (near, far), strict=True)
    ]
    for thread in with_it:
        thread.start()
    near.close()
    for thread in with_it:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    for each in (near, far):
        assert Bell().wait(each, 0)
        with pytest.raises(OSError, match=r"."):
            list(each.receive())


def test_a_netref_that_is_dropped_in_the_midst_of_receiving_sends(sockets, monkeypatch):
    near, far = map(Shortcut, sockets)
    near.send(1, 0, b"first")
    assert wait_ready([far], [], PATIENCE_S)

    def collects_garbage(call):
        monkeypatch.undo()
        far.send(1, 0, b"dropped")
        return attempt(call)

    monkeypatch.setattr(shortcut_module, "attempt", collects_garbage)
    assert received(far, 1) == [(1, 0, b"first")]
    assert received(near, 1) == [(1, 0, b"dropped")]


def test_who_waits_for_the_end_gets_it(sockets):
    near, _far = map(Shortcut, sockets)
    waiting = threading.Thread(target=near.wait_closed)
    waiting.start()
    near.close()
    near.close()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_a_bell_wakes_who_waits_or_will():
    bell = Bell()
    assert not bell.wait(None, 0.01)
    for _ in range(3):
        bell.ring()
    assert bell.wait(None, PATIENCE_S)
    while bell.wait(None, 0.01):  # rung three times, it may wake as often
        pass
    waiting = threading.Thread(target=bell.wait, args=(None, None))
    waiting.start()
    bell.ring()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()
