"""A client of ``serve --port`` by hand: TLS, pairing and the proof, and then a connected socket."""

from __future__ import annotations

import socket
import ssl

from rpyc_kernel.agent.boot import hash_of
from rpyc_kernel.agent.serve import pairing, proof
from rpyc_kernel.agent.serve.certificate import client_context

TIMEOUT_S = 30.0


def tls(port: int, host: str = "127.0.0.1") -> ssl.SSLSocket:
    """Connect, whatever certificate is shown."""
    sock = socket.create_connection((host, port), TIMEOUT_S)
    return client_context().wrap_socket(sock)


def pair(port: int, code: str, name: str = "ada@laptop", host: str = "127.0.0.1") -> tuple[str, bytes]:
    """Pair; returns the name and the key that the server gives."""
    with tls(port, host) as sock:
        half = _half(sock, proof.PAIR, name, pairing.code_key(code))
        given = proof.given(_verdict(sock, half))
        sock.sendall(proof.framed(proof.kept(given[1], by_server=False)))
        proof.check_kept(receive(sock), given[1], by_server=True)
        return given


def prove(port: int, name: str, key: bytes, purpose: bytes = proof.SESSION, host: str = "127.0.0.1") -> ssl.SSLSocket:
    """Connect and prove who we are."""
    sock = tls(port, host)
    try:
        _verdict(sock, _half(sock, purpose, name, key))
    except BaseException:
        sock.close()
        raise
    return sock


def _half(sock: ssl.SSLSocket, purpose: bytes, name: str, key: bytes) -> proof.ClientHalf:
    certificate = sock.getpeercert(binary_form=True)
    assert certificate
    return proof.ClientHalf(hash_of(certificate), purpose, name, key)


def _verdict(sock: ssl.SSLSocket, half: proof.ClientHalf) -> list[bytes]:
    sock.sendall(proof.framed(half.claim(receive(sock))))
    return half.verdict(receive(sock))


def receive(sock: ssl.SSLSocket) -> bytes:
    """Read one message."""
    return exactly(sock, proof.length_of(exactly(sock, proof.LENGTH.size)))


def exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes; EOFError where there are fewer."""
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
