"""The socket between broker and keeper: it stands in a private place, and who doesn't know the key isn't let in."""

import hmac
import os
import socket
import stat
import struct
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent import local_socket
from rpyc_kernel.agent.local_socket import LENGTH, LengthFrames, PeerConnection, Refused

KEY = b"k" * 32


def test_the_proof_is_an_hmac():
    for key in (b"", b"key", KEY, bytes(range(64))):
        assert local_socket.proof(key, b"broker", b"nonce") == hmac.digest(key, b"brokernonce", "sha256")


@pytest.fixture
def listen(tmp_path):
    listeners = []

    def listen_there(folder=tmp_path, session="abc"):
        listener, name = local_socket.listen(folder and str(folder), session)
        listener.settimeout(10.0)
        listeners.append(listener)
        return listener, name

    yield listen_there
    for listener in listeners:
        listener.close()


class Keeper(threading.Thread):
    """Welcomes one broker and sends back each packet, as far as it believes who is there."""

    def __init__(self, listener, key=KEY):
        super().__init__(daemon=True)
        self.listener, self.key = listener, key
        self.end = None
        self.start()

    def run(self):
        sock, _address = self.listener.accept()
        with sock:
            visitor = PeerConnection(sock, self.key)
            sock.settimeout(10.0)
            try:
                while True:
                    for packet in visitor.receive():
                        visitor.answer(packet[::-1])
            except (EOFError, Refused) as error:
                self.end = type(error)


def kinds(tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    return {"folder": tmp_path, "long folder": deep, "no folder": None}


@pytest.mark.needs("linux")
@pytest.mark.parametrize("kind", ["folder", "long folder", "no folder", "loopback"])
def test_the_two_find_each_other(kind, listen, tmp_path, monkeypatch):
    if kind == "loopback":
        monkeypatch.delattr(socket, "AF_UNIX")
        listener, name = listen(None)
        assert name.startswith("127.0.0.1:")
    else:
        listener, name = listen(kinds(tmp_path)[kind], f"session{os.getpid()}")
        assert name.startswith("@") == (kind == "no folder")
    keeper = Keeper(listener)
    with local_socket.connect(name, KEY) as sock:
        assert sock.gettimeout() is None
        for packet in (b"", b"abc", b"12" * 200_000):
            local_socket.send_packet(sock, packet)
            assert local_socket.read_packet(sock) == packet[::-1]
    keeper.join(10.0)
    assert keeper.end is EOFError


@pytest.mark.needs("posix")
def test_the_socket_is_for_its_owner_alone(listen, tmp_path):
    _listener, name = listen()
    assert name == str(tmp_path / "abc.sock")
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600


def test_a_broker_with_another_key_is_refused(listen):
    listener, name = listen()
    keeper = Keeper(listener)
    with pytest.raises(OSError, match="closed"):
        local_socket.connect(name, b"x" * 32)
    keeper.join(10.0)
    assert keeper.end is Refused


def test_a_broker_looks_who_the_keeper_is(listen, monkeypatch):
    def refuse(sock):
        if threading.current_thread() is not keeper:
            raise OSError("belongs to somebody else")

    listener, name = listen()
    keeper = Keeper(listener)
    monkeypatch.setattr(local_socket, "check_peer", refuse)
    with pytest.raises(OSError, match="somebody else"):
        local_socket.connect(name, KEY)
    keeper.join(10.0)


@pytest.mark.parametrize("answer", ["nothing", "noise", "echo"])
def test_a_broker_believes_nobody_who_does_not_know_the_key(listen, answer):
    listener, name = listen()

    def pretend():
        sock, _address = listener.accept()
        with sock:
            sock.sendall(b"n" * local_socket.NONCE_BYTES)
            greeting = local_socket.read_exactly(sock, local_socket.PROOF_BYTES + local_socket.NONCE_BYTES)
            size = local_socket.PROOF_BYTES
            sock.sendall({"nothing": b"", "noise": b"p" * size, "echo": greeting[:size]}[answer])

    thread = threading.Thread(target=pretend, daemon=True)
    thread.start()
    with pytest.raises(OSError, match="closed" if answer == "nothing" else "is not this session's keeper"):
        local_socket.connect(name, KEY)
    thread.join(10.0)


def test_nobody_waits_forever_at_a_door(listen, monkeypatch):
    _listener, name = listen()
    monkeypatch.setattr(local_socket, "HANDSHAKE_TIMEOUT_S", 0.1)
    with pytest.raises(TimeoutError):
        local_socket.connect(name, KEY)


@pytest.mark.parametrize("name", ["/no/such/door.sock", "@no-such-door", "127.0.0.1:1"])
@pytest.mark.needs("linux")
def test_a_door_that_is_not_there_is_an_error(name):
    with pytest.raises(local_socket.NobodyError, match="nobody listens"):
        local_socket.connect(name, KEY)


@pytest.mark.needs("linux")
def test_a_process_of_another_user_is_refused(monkeypatch):
    ours, other = socket.socketpair(socket.AF_UNIX)
    with ours, other:
        local_socket.check_peer(ours)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        if os.getuid() != 0:
            with pytest.raises(OSError, match="belongs to user"):
                local_socket.check_peer(ours)
        monkeypatch.setattr(socket.socket, "getsockopt", lambda *_: struct.pack("3i", 1, 54321, 1))
        with pytest.raises(OSError, match="belongs to user 54321"):
            local_socket.check_peer(ours)


def test_proofs_differ_by_key_nonce_and_who_gives_them():
    proofs = {
        local_socket.proof(key, who, nonce)
        for key in (b"a", b"b")
        for who in (b"broker", b"keeper")
        for nonce in (b"1" * 16, b"2" * 16)
    }
    assert len(proofs) == 8
    assert {len(proof) for proof in proofs} == {local_socket.PROOF_BYTES}


def test_half_an_answer_is_an_error():
    ours, other = socket.socketpair()
    with ours:
        other.sendall(LENGTH.pack(10) + b"half")
        other.close()
        with pytest.raises(OSError, match="closed"):
            local_socket.read_packet(ours)


# --- the visitor alone


@pytest.fixture
def pair():
    ours, other = socket.socketpair()
    other.settimeout(10.0)
    with ours, other:
        yield PeerConnection(ours, KEY), other


def greet(visitor, other):
    nonce = local_socket.read_exactly(other, local_socket.NONCE_BYTES)
    return local_socket.proof(KEY, b"broker", nonce) + b"m" * local_socket.NONCE_BYTES


def test_a_visitor_may_greet_in_pieces_and_ask_at_once(pair):
    visitor, other = pair
    assert visitor.receive() == []
    greeting = greet(visitor, other)
    other.sendall(greeting[:40])
    assert visitor.receive() == []
    other.sendall(greeting[40:] + LENGTH.pack(3) + b"ask")
    assert visitor.receive() == [b"ask"]
    assert local_socket.read_exactly(other, local_socket.PROOF_BYTES) == local_socket.proof(
        KEY, b"keeper", b"m" * local_socket.NONCE_BYTES
    )


def test_nothing_is_read_from_a_visitor_before_it_has_proved_itself(pair):
    visitor, other = pair
    other.sendall(LENGTH.pack(3) + b"ask" + b"\0" * 60)
    with pytest.raises(Refused):
        visitor.receive()


def test_a_visitor_that_announces_too_much_is_refused(pair):
    visitor, other = pair
    other.sendall(greet(visitor, other) + LENGTH.pack(local_socket.MAX_PACKET_BYTES + 1))
    with pytest.raises(Refused):
        visitor.receive()


def test_a_visitor_that_reads_slowly_holds_nobody_up(pair):
    visitor, other = pair
    other.sendall(greet(visitor, other))
    visitor.receive()
    local_socket.read_exactly(other, local_socket.PROOF_BYTES)
    long = os.urandom(5 << 20)
    visitor.answer(long)
    assert visitor.outgoing
    reader = []
    thread = threading.Thread(target=lambda: reader.append(local_socket.read_packet(other)), daemon=True)
    thread.start()
    while visitor.outgoing:
        visitor.outgoing.flush()
    thread.join(10.0)
    assert reader == [long]


def test_a_visitor_that_goes_is_noticed(pair):
    visitor, other = pair
    other.close()
    with pytest.raises(EOFError):
        visitor.receive()
    visitor.answer(b"too late")
    assert not visitor.outgoing


# --- packets behind their length


def framed(packets):
    return b"".join(LENGTH.pack(len(packet)) + packet for packet in packets)


def pieces_of(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 10_000)))
def test_packets_come_out_however_the_bytes_come_in(packets, cuts):
    taken_apart = LengthFrames(20)
    found = []
    for piece in pieces_of(framed(packets), cuts):
        found += taken_apart.feed(piece)
    assert found == packets


@given(st.lists(st.binary(max_size=20)), st.binary(min_size=1, max_size=20))
def test_a_packet_comes_as_soon_as_it_is_whole_and_no_sooner(packets, last):
    taken_apart = LengthFrames(20)
    assert taken_apart.feed(framed([*packets, last])[:-1]) == packets
    assert taken_apart.feed(last[-1:]) == [last]


@given(st.lists(st.binary(max_size=30)))
def test_whatever_comes_is_packets_or_a_value_error(pieces):
    taken_apart = LengthFrames(25)
    for piece in pieces:
        try:
            packets = taken_apart.feed(piece)
        except ValueError:
            break
        assert all(len(packet) <= 25 for packet in packets)


def test_a_length_above_the_limit_is_refused_at_once():
    with pytest.raises(ValueError, match="a packet of 26 bytes"):
        LengthFrames(25).feed(LENGTH.pack(26))
    assert LengthFrames(25).feed(LENGTH.pack(25)) == []


def test_a_long_packet_that_was_only_announced_costs_nothing():
    tracemalloc.start()
    try:
        assert LengthFrames(1 << 30).feed(LENGTH.pack(1 << 30) + b"x" * 1000) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_what_was_taken_is_freed():
    taken_apart = LengthFrames(1000)
    tracemalloc.start()
    try:
        for _ in range(2000):
            assert taken_apart.feed(framed([b"x" * 1000])) == [b"x" * 1000]
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
