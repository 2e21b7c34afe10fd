"""Strangers at a server's TLS port, and in the middle: they gain nothing, end nothing, and cost a bound.

All of them meet a real server over real TLS. After each, a client that is paired still gets in.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpyc_kernel.agent.serve import certificate, proof
from rpyc_kernel.errors import CertificateChangedError, DialError, PairingError
from rpyc_kernel.transport import paired, proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.deadline import Deadline
from tests.servers.paired_server import PairedServer, paired_server
from tests.servers.venvs import venv

SECONDS = 2.0  # until the server gives a client up
STRANGE_KEY = bytes(32)
# what a kernel says first in RPyC 6: a request for the service
RPYC_REQUEST = struct.pack("!LB", 7, 0) + b"\x01\x12\x51\x12\x53\x10\x02" + b"\n"


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[PairedServer]:
    """A server that this user is paired with, and still at the end of the test."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    with paired_server(venv(), tmp_path / "there", seconds=SECONDS) as running:
        proving.pair(running.address, running.codes.show(), Deadline(20))
        yield running
        with open_broker(running.address) as broker:
            assert broker.hello
        assert running.process.poll() is None
        assert [line for line in running.lines if not line.startswith("{")] == []  # no traceback either


def tls(server: PairedServer) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", server.port), 10)
    return certificate.client_context().wrap_socket(sock)


def message(sock: socket.socket) -> bytes:
    with sock.makefile("rb") as file:
        return file.read(proof.length_of(file.read(2)))


def ended(sock: socket.socket) -> bytes:
    """What still comes until the server hangs up."""
    sock.settimeout(SECONDS + 10)
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := sock.recv(4096):
            data += piece
    return data


def seen(sock: ssl.SSLSocket) -> bytes:
    return proving._fingerprint(sock)


def known(server: PairedServer) -> paired.Pairing:
    pairing = paired.find(server.address)
    assert pairing
    return pairing


# --- clients


def test_no_proof(server):
    with tls(server) as sock:
        message(sock)
        started = time.monotonic()
        assert ended(sock) == b""
        assert time.monotonic() - started < SECONDS + 2
    assert server.event("refused")["reason"] == "it took too long"


def test_requests_before_the_proof_are_no_requests(server):
    with tls(server) as sock:
        sock.sendall(RPYC_REQUEST)
        message(sock)
        assert ended(sock) == b""
    assert "a message of" in server.event("refused")["reason"]


def test_requests_behind_a_wrong_proof_are_not_read(server):
    with tls(server) as sock:
        half = proof.ClientHalf(seen(sock), proof.SESSION, known(server).name, STRANGE_KEY)
        claim = half.claim(message(sock))
        sock.sendall(proof.framed(claim) + RPYC_REQUEST)
        assert ended(sock) in (b"", proof.framed(proof._pack(b"R", proof.UNKNOWN)))
    assert server.event("refused")["reason"] == f"it doesn't prove to be {known(server).name}"


@pytest.mark.parametrize("name", ["ada@laptop", "", "known"])
def test_a_wrong_proof_is_answered_late_and_alike(server, name):
    """Whether there is such a client can't be told by the answer."""
    with tls(server) as sock:
        name = known(server).name if name == "known" else name or "nobody"
        half = proof.ClientHalf(seen(sock), proof.SESSION, name, STRANGE_KEY)
        sock.sendall(proof.framed(half.claim(message(sock))))
        started = time.monotonic()
        with pytest.raises(proof.ProofRefusedError) as refused:
            half.verdict(message(sock))
        assert refused.value.reason == proof.UNKNOWN
        assert time.monotonic() - started > 0.9
        assert ended(sock) == b""


def test_a_proof_that_was_seen_before(server):
    """Whoever has recorded all of a client's messages, without TLS even, gets in with none of them."""
    pairing = known(server)
    with tls(server) as sock:
        half = proof.ClientHalf(seen(sock), proof.SESSION, pairing.name, pairing.key)
        claim = half.claim(message(sock))
        sock.sendall(proof.framed(claim))
        assert half.verdict(message(sock)) == []
    with tls(server) as sock:
        message(sock)
        sock.sendall(proof.framed(claim))
        assert message(sock) == proof._pack(b"R", proof.UNKNOWN)


def test_half_a_handshake(server):
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a ClientHello's first bytes
        assert ended(sock) == b""
    assert server.event("refused")["reason"] == "it took too long"


def test_one_byte_at_a_time(server):
    """Each byte is in time, and all of them together aren't: in the TLS handshake, and behind it."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        dripping(sock, b"\x16\x03\x01\x02\x00" + bytes(512))
    assert server.event("refused")["reason"] == "it took too long"
    with tls(server) as sock:
        message(sock)
        dripping(sock, proof.LENGTH.pack(proof.MAX_MESSAGE_BYTES) + bytes(proof.MAX_MESSAGE_BYTES))
    assert server.event("refused")["reason"] == "it took too long"


def dripping(sock: socket.socket, data: bytes) -> None:
    started = time.monotonic()
    with contextlib.suppress(OSError):
        for byte in data:
            sock.sendall(bytes((byte,)))
            time.sleep(0.2)  # a slow client is the fault that this tries
    assert time.monotonic() - started < SECONDS + 3


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", bytes(5000), b"\xff" * 5000, RPYC_REQUEST],
    ids=["http", "ssh", "zeros", "ones", "rpyc"],
)
def test_garbage_instead_of_tls(server, data):
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        ended(sock)
    assert server.event("refused")["reason"]


@pytest.mark.parametrize(
    "data",
    [proof.LENGTH.pack(0), proof.LENGTH.pack(513) + bytes(513), b"\xff\xff" + bytes(70000), b"\0\x05Cxxxx", b"\0\x01C"],
    ids=["empty", "oversized", "huge", "cut off", "no fields"],
)
def test_garbage_behind_tls(server, data):
    with tls(server) as sock:
        message(sock)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            sock.sendall(data)
        ended(sock)
    assert "message" in server.event("refused")["reason"]


def test_garbage_behind_the_proof(server):
    """It harms the connection of who has sent it, and no other."""
    pairing = known(server)
    with open_broker(server.address) as other:
        with tls(server) as sock:
            half = proof.ClientHalf(seen(sock), proof.SESSION, pairing.name, pairing.key)
            sock.sendall(proof.framed(half.claim(message(sock))))
            half.verdict(message(sock))
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                sock.sendall(b"\xff" * 5000)
            ended(sock)
        assert other.call("list", {}, timeout=20)[0]
    assert server.event("broken")


def test_old_tls_is_refused(server):
    context = certificate.client_context()
    with pytest.deprecated_call():
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock)
    assert server.event("refused")["reason"].startswith("TLS: ")


def test_two_hundred_at_once(server):
    """The server of this test has no bound for them; `rpyc-kernel serve` has one, besides."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(200)]
        for sock in socks[::2]:
            sock.sendall(b"\x16\x03\x01\x02\x00")
        before = memory(server)
        with open_broker(server.address, timeout=20) as broker:
            assert broker.hello
        assert memory(server) < before + 30_000
        for sock in socks:
            ended(sock)


def memory(server: PairedServer) -> int:
    """In KiB."""
    text = Path(f"/proc/{server.process.pid}/status").read_text() if Path("/proc").is_dir() else "VmRSS: 0 kB"
    return int(text.partition("VmRSS:")[2].split()[0])


# --- a pairing that breaks off


def test_a_client_that_vanishes_while_it_is_paired(server):
    """It knows the code, and never says that it has kept what it was given: it isn't kept there, and the code is."""
    code, before = server.codes.show(), server.clients.names()
    with tls(server) as sock:
        half = proof.ClientHalf(seen(sock), proof.PAIR, "ada@laptop", proving.code_key(code))
        sock.sendall(proof.framed(half.claim(message(sock))))
        name, key = proof.given(half.verdict(message(sock)))
        assert name not in before
    server.event("refused")
    assert server.clients.names() == before
    with tls(server) as sock:  # what it was given gets nobody in
        half = proof.ClientHalf(seen(sock), proof.SESSION, name, key)
        sock.sendall(proof.framed(half.claim(message(sock))))
        with pytest.raises(proof.ProofRefusedError):
            half.verdict(message(sock))
    pairing = proving.pair(server.address, code, Deadline(20))
    assert server.clients.names() == [pairing.name] != before


def test_a_client_that_says_it_has_kept_something_else(server):
    code, before = server.codes.show(), server.clients.names()
    with tls(server) as sock:
        half = proof.ClientHalf(seen(sock), proof.PAIR, "ada@laptop", proving.code_key(code))
        sock.sendall(proof.framed(half.claim(message(sock))))
        half.verdict(message(sock))
        sock.sendall(proof.framed(proof.kept(STRANGE_KEY, by_server=False)))
        assert ended(sock) == b""
    assert server.event("refused")["reason"] == "no proof"
    assert server.clients.names() == before


def test_a_server_that_vanishes_while_it_pairs(server, tmp_path):
    """It has given a secret, and never says that it has kept it: nothing is kept here."""
    (tmp_path / "other").mkdir(mode=0o700)
    own = certificate.own_certificate(str(tmp_path / "other"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, own.context.wrap_socket(listener.accept()[0], server_side=True) as client:
            half = proof.ServerHalf(own.fingerprint)
            client.sendall(proof.framed(half.greeting))
            half.read(message(client))
            client.sendall(proof.framed(half.accept(bytes(10), b"ada@laptop", bytes(range(32)))))
            message(client)

    threading.Thread(target=serve, daemon=True).start()
    there = Address.parse(f"rpycs://127.0.0.1:{listener.getsockname()[1]}")
    files = sorted((tmp_path / "data").rglob("*"))
    with pytest.raises(DialError):
        proving.pair(there, "0000-0000-0000-0000", Deadline(20))
    assert paired.find(there) is None
    assert sorted((tmp_path / "data").rglob("*")) == files


# --- in the middle


class Middle:
    """Stands between: ends TLS with a certificate of its own, and passes on what both sides say."""

    def __init__(self, folder: Path, server: PairedServer) -> None:
        self.own = certificate.own_certificate(str(folder))
        self.heard: list[bytes] = []  # from the client
        self.answers: list[bytes] = []  # from the server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = server
        self.address = Address.parse(f"rpycs://127.0.0.1:{self._listener.getsockname()[1]}")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _peer = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), self.own.context.wrap_socket(sock, server_side=True) as client:
            with tls(self._server) as there:
                backward = threading.Thread(target=self._pass_on, args=(there, client, self.answers), daemon=True)
                backward.start()
                self._pass_on(client, there, self.heard)
                backward.join(10)

    @staticmethod
    def _pass_on(source: ssl.SSLSocket, sink: ssl.SSLSocket, heard: list[bytes]) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(4096):
                heard.append(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def middle(tmp_path, server):
    (tmp_path / "middle").mkdir(mode=0o700)
    between = Middle(tmp_path / "middle", server)
    yield between
    between.close()


def test_in_the_middle_of_a_pairing(server, middle):
    """It passes on every byte, and the server still sees a wrong proof: the client's is about another certificate."""
    code, before = server.codes.show(), server.clients.names()
    with pytest.raises(PairingError, match="or somebody stands between you and it"):
        proving.pair(middle.address, code, Deadline(20))
    assert server.event("refused")["reason"] == "it doesn't know the pairing code"
    assert server.clients.names() == before
    assert paired.find(middle.address) is None
    for secret in (proving.code_key(code), code.encode(), code.replace("-", "").encode()):
        assert secret not in b"".join(middle.heard)
    assert b"".join(middle.answers).endswith(proof.WRONG_CODE)


def test_a_server_that_is_none_says_yes(server, middle, monkeypatch):
    """It has no proof of its own, so that what it gives is not believed."""

    def serve(sock):
        with middle.own.context.wrap_socket(sock, server_side=True) as client:
            half = proof.ServerHalf(middle.own.fingerprint)
            client.sendall(proof.framed(half.greeting))
            half.read(message(client))
            client.sendall(proof.framed(half.accept(bytes(10), b"ada@laptop", bytes(32))))
            ended(client)

    monkeypatch.setattr(middle, "_serve", serve)
    with pytest.raises(PairingError, match="somebody stands between"):
        proving.pair(middle.address, server.codes.show(), Deadline(20))
    assert paired.find(middle.address) is None


def test_in_the_middle_of_a_later_connection(server, middle, tmp_path):
    """Refused by the certificate, before anything was sent but TLS."""
    pairing = known(server)
    there = paired.Pairing(str(middle.address), pairing.name, pairing.fingerprint, pairing.key)
    with paired.keeping(middle.address, there):
        pass
    with pytest.raises(CertificateChangedError, match="Somebody may stand between you and it"):
        open_broker(middle.address)
    assert middle.heard == []


def test_in_the_middle_with_the_client_not_looking(server, middle, monkeypatch):
    """Even if the client looked at no certificate, its proof would be none for the server."""
    pairing = known(server)
    mine = paired.Pairing(str(middle.address), pairing.name, middle.own.fingerprint, pairing.key)
    with paired.keeping(middle.address, mine):
        pass
    with pytest.raises(DialError):
        open_broker(middle.address)
    assert server.event("refused")["reason"] == f"it doesn't prove to be {pairing.name}"
