"""Several connections in one stream: each whole and in order, none held up by another, and nothing believed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.serve import mux as module
from rpyc_kernel.agent.serve.mux import (
    CLOSE,
    CREDIT,
    DATA,
    HEADER,
    MAX_CONNECTIONS,
    MAX_DATA_BYTES,
    OPEN,
    PING,
    PONG,
    WINDOW_BYTES,
    FrameReader,
    Mux,
    MuxError,
)


@contextmanager
def running(mux: Mux) -> Iterator[None]:
    def quietly(work: object) -> None:
        with suppress(OSError, MuxError):
            work()  # type: ignore[operator]

    threads = [threading.Thread(target=quietly, args=(work,)) for work in (mux.read, mux.write)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def pair(**options: object) -> Iterator[tuple[Mux, list[socket.socket]]]:
    """Two ends, and the sockets that the second one has been given."""
    ours, theirs = socket.socketpair()
    accepted: list[socket.socket] = []
    near = Mux(lambda: ours.recv(1 << 16), ours.sendall, **options)  # type: ignore[arg-type]
    halves = bool(options.get("halves"))
    far = Mux(lambda: theirs.recv(1 << 16), theirs.sendall, accepted.append, halves=halves)
    with running(near), running(far), ours, theirs:
        yield near, accepted
        for sock in accepted:
            sock.close()
        near.end()
        far.end()
        for sock in (ours, theirs):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def read(sock: socket.socket, count: int) -> bytes:
    sock.settimeout(10)
    data = b""
    while len(data) < count and (piece := sock.recv(count - len(data))):
        data += piece
    return data


def accepted_after(near: Mux, accepted: list[socket.socket]) -> tuple[socket.socket, socket.socket]:
    """Open a connection; both of its ends."""
    before = len(accepted)
    sock = near.open()
    sock.sendall(b"?")
    while len(accepted) == before:
        threading.Event().wait(0.005)  # for the other end's thread
    assert read(accepted[-1], 1) == b"?"
    return sock, accepted[-1]


def test_connections_are_apart_and_whole() -> None:
    with pair() as (near, accepted):
        ends = [accepted_after(near, accepted) for _ in range(5)]
        data = [bytes([number]) * 3_000_000 for number in range(5)]
        senders = [
            threading.Thread(target=end.sendall, args=(text,)) for (ours, theirs), text in zip(ends, data, strict=True)
            for end in (ours, theirs)
        ]  # fmt: skip
        for sender in senders:
            sender.start()
        for (ours, theirs), text in zip(ends, data, strict=True):
            assert read(theirs, len(text)) == text
            assert read(ours, len(text)) == text
        for sender in senders:
            sender.join()
        for ours, _theirs in ends:
            ours.close()
        assert [read(theirs, 1) for _ours, theirs in ends] == [b""] * 5


def test_many_are_opened_at_once() -> None:
    with pair() as (near, accepted):
        opened: list[socket.socket] = []
        gate = threading.Barrier(16)

        def opens() -> None:
            gate.wait()
            opened.extend(near.open() for _ in range(3))

        threads = [threading.Thread(target=opens) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until = time.monotonic() + 10
        while len(accepted) < 48 and time.monotonic() < until:
            time.sleep(0.005)  # for the other end's thread
        assert len(accepted) == 48
        for sock in opened:
            sock.close()


def test_one_that_sends_no_more_may_still_be_read() -> None:
    with pair(halves=True) as (near, accepted):
        ours, theirs = accepted_after(near, accepted)
        ours.sendall(b"x" * 100_000)
        ours.shutdown(socket.SHUT_WR)
        assert read(theirs, 100_001) == b"x" * 100_000
        sender = threading.Thread(target=theirs.sendall, args=(b"y" * 3_000_000,))
        sender.start()
        assert read(ours, 3_000_000) == b"y" * 3_000_000
        sender.join()
        theirs.close()
        assert read(ours, 1) == b""
        assert near_is_empty(near)
        ours.close()


def test_one_that_is_closed_takes_nothing_more_where_halves_are_known() -> None:
    with pair(halves=True) as (near, accepted):
        ours, theirs = accepted_after(near, accepted)
        ours.close()
        assert read(theirs, 1) == b""
        with suppress(ConnectionError):
            for _ in range(100):
                theirs.sendall(b"y" * 100_000)
        assert near_is_empty(near)


def near_is_empty(near: Mux) -> bool:
    until = time.monotonic() + 10
    while near.connections and time.monotonic() < until:
        time.sleep(0.005)  # for the threads of both ends
    return not near.connections


def test_one_that_is_not_read_holds_up_no_other() -> None:
    with pair() as (near, accepted):
        (full, unread), (ours, theirs) = accepted_after(near, accepted), accepted_after(near, accepted)
        full.settimeout(0.3)
        with pytest.raises(TimeoutError):
            full.sendall(bytes(20 * WINDOW_BYTES))  # some of it is under way, and no more
        theirs.sendall(b"y" * 100_000)
        assert read(ours, 100_000) == b"y" * 100_000
        ours.sendall(b"x" * 100_000)
        assert read(theirs, 100_000) == b"x" * 100_000
        assert read(unread, WINDOW_BYTES // 2) == bytes(WINDOW_BYTES // 2)
        full.close()
        ours.close()


def test_an_end_closes_the_connections_at_the_other() -> None:
    with pair() as (near, accepted):
        ours, _theirs = accepted_after(near, accepted)
        near.end()
        assert read(ours, 1) == b""
        with pytest.raises(ConnectionResetError):
            near.open()
        ours.close()


def test_it_ends_by_itself_when_nobody_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_INTERVAL_S", 0.05)
    with pair(linger=0.1) as (near, accepted):
        ours, theirs = accepted_after(near, accepted)
        assert near.connections == 1
        ours.close()
        assert read(theirs, 1) == b""
        near._wake.settimeout(None)
        while not near._ended:
            threading.Event().wait(0.01)


def test_a_ping_is_answered() -> None:
    with pair() as (near, _accepted):
        before = near.heard
        near.ping()
        while near.heard == before:
            threading.Event().wait(0.005)


BAD = {
    "an unknown kind": HEADER.pack(9, 1, 0),
    "no kind": bytes(20),
    "too much at once": HEADER.pack(DATA, 1, MAX_DATA_BYTES + 1),
    "more than may be under way": HEADER.pack(OPEN, 1, 0)
    + (HEADER.pack(DATA, 1, MAX_DATA_BYTES) + bytes(MAX_DATA_BYTES)) * (WINDOW_BYTES // MAX_DATA_BYTES + 8),
    "credit for nothing": HEADER.pack(OPEN, 1, 0) + HEADER.pack(CREDIT, 1, 1),
    "opened twice": HEADER.pack(OPEN, 1, 0) * 2,
    "too many": b"".join(HEADER.pack(OPEN, number, 0) for number in range(1, MAX_CONNECTIONS + 2)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_no_end_sends_ends_it(data: bytes) -> None:
    pieces = [data, b""]
    sockets: list[socket.socket] = []
    mux = Mux(lambda: pieces.pop(0), lambda _data: None, sockets.append)
    try:
        with pytest.raises(MuxError):
            mux.read()
    finally:
        for sock in sockets:
            sock.close()
        mux.write()  # closes what is open


def test_what_belongs_to_no_connection_is_dropped_and_nobody_may_open_one_here() -> None:
    frames = [HEADER.pack(kind, 7, 0) for kind in (CLOSE, CREDIT, DATA, PONG)]
    pieces = [b"".join(frames), b""]
    mux = Mux(lambda: pieces.pop(0), lambda _data: None)
    mux.read()
    mux.write()
    pieces = [HEADER.pack(OPEN, 1, 0), b""]
    mux = Mux(lambda: pieces.pop(0), lambda _data: None)
    with pytest.raises(MuxError, match="has opened a connection"):
        mux.read()
    mux.write()


def test_a_flood_of_pings_is_answered_once() -> None:
    pieces = [HEADER.pack(PING, 0, 0) * 100_000, b""]
    mux = Mux(lambda: pieces.pop(0), lambda _data: None)
    mux.read()
    assert len(mux._out) == 1
    mux.write()


@given(st.lists(st.tuples(st.sampled_from([OPEN, CREDIT, CLOSE]), st.integers(0, 2**32 - 1))), st.data())
def test_frames_come_out_however_they_are_cut(frames: list[tuple[int, int]], data: st.DataObject) -> None:
    whole = b"".join(HEADER.pack(kind, number, 5) + HEADER.pack(DATA, number, 2) + b"ab" for kind, number in frames)
    reader, found, start = FrameReader(), [], 0
    while start < len(whole):
        end = data.draw(st.integers(start + 1, len(whole)))
        found += reader.feed(whole[start:end])
        start = end
    assert found == [each for kind, n in frames for each in ((kind, n, 5, b""), (DATA, n, 2, b"ab"))]


@given(st.binary(max_size=200))
def test_random_bytes_are_frames_or_an_error(data: bytes) -> None:
    with suppress(MuxError):
        FrameReader().feed(data)
