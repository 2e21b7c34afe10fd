"""Lets clients in by a TCP port: TLS, then the proof, and only then RPyC's first byte; or pairs them.

All of it is bounded: the time by one deadline, whatever comes one byte at a time, and each message by its length.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections import OrderedDict

from . import proof
from .store import KEY_BYTES, MAX_NAME_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Callable, Optional

    from .certificate import Certificate
    from .pairing import Codes
    from .store import Clients

ADMISSION_TIMEOUT_S = 15.0
REFUSAL_DELAY_S = 1.0  # before a client hears that it is refused
MAX_COUNTED_PEERS = 1000
_REASONS = {proof.NO_CODE: "no pairing code is good now", proof.WRONG_CODE: "it doesn't know the pairing code"}


class Admitted:
    """A client that was let in.

    Attributes:
        sock: The TLS connection, blocking, of which nothing of RPyC was read.
        client: The client's name, like ``ada@laptop``; that of its certificate where an authority has signed it.
        classic: Whether the client wants all of RPyC's classic service.
    """

    def __init__(self, sock: ssl.SSLSocket, client: str, classic: bool) -> None:
        self.sock = sock
        self.client = client
        self.classic = classic


class Admission:
    """Admits clients to one server. Its methods may be called by any number of threads.

    Args:
        certificate: The server's.
        clients: Those that are paired.
        codes: Where the pairing code is found.
        log: Called with the name of an event (``admitted``, ``paired``, ``left``, ``refused``) and what belongs to it
            by name, as texts and numbers that may be printed: ``peer``, ``client``, ``reason``, ``failures``. No
            secret is among them.
        classic: Whether clients may want all of RPyC's classic service.
    """

    def __init__(
        self,
        certificate: Certificate,
        clients: Clients,
        codes: Codes,
        log: Callable[..., None],
        classic: bool = False,
    ) -> None:
        self._certificate = certificate
        self._clients = clients
        self._codes = codes
        self._log = log
        self._classic = classic
        self._failures = _Failures()

    def admit(self, sock: socket.socket, peer: str, seconds: float = ADMISSION_TIMEOUT_S) -> Optional[Admitted]:
        """Let one client in, or pair it.

        Args:
            sock: The connection that was accepted; from now on it is this method's.
            peer: Where it comes from, for the log: the address, with the port or without.
            seconds: For all of it.

        Returns:
            The client, or None where the connection is over: it was refused, broke, or the client was paired or has
            left. It was closed then, and the log says why.
        """
        deadline = time.monotonic() + seconds
        admitted = None
        try:
            tls = self._certificate.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            sock = tls
            _wait(sock, deadline)
            tls.do_handshake()
            if self._certificate.needs_proof:
                admitted = self._prove(tls, peer, deadline)
            else:
                admitted = self._admitted(tls, peer, _common_name(tls), False)
        except _Refused as refused:
            self._refuse(sock, peer, refused.reason, refused.answer, deadline)
        except (OSError, ValueError) as error:  # of ssl and proof, too
            self._refuse(sock, peer, _said(error), b"", deadline)
        finally:
            if admitted is None:
                sock.close()
        return admitted

    def _prove(self, sock: ssl.SSLSocket, peer: str, deadline: float) -> Optional[Admitted]:
        half = proof.ServerHalf(self._certificate.fingerprint)
        _send(sock, half.greeting, deadline)
        half.read(_receive(sock, deadline))
        if half.purpose == proof.PAIR:
            self._pair(sock, peer, half, deadline)
            return None
        key = self._clients.key(half.name)
        if not half.proves(key or os.urandom(KEY_BYTES)) or key is None:
            raise _Refused("it doesn't prove to be %s" % half.name, half.refuse(proof.UNKNOWN))
        if half.purpose == proof.LEAVE:
            self._clients.forget(half.name)
            self._log("left", peer=peer, client=half.name)
            _send(sock, half.accept(key), deadline)
            return None
        classic = half.purpose == proof.CLASSIC
        if classic and not self._classic:
            raise _Refused("classic clients are not served", half.refuse(proof.NOT_CLASSIC))
        _send(sock, half.accept(key), deadline)
        return self._admitted(sock, peer, half.name, classic)

    def _pair(self, sock: ssl.SSLSocket, peer: str, half: proof.ServerHalf, deadline: float) -> None:
        try:
            code = self._codes.attempt(half.proves)
        except proof.ProofRefusedError as refused:
            raise _Refused(_REASONS[refused.reason], half.refuse(refused.reason)) from None
        used = False
        try:
            name, key = self._clients.free_name(half.name), os.urandom(KEY_BYTES)
            _send(sock, half.accept(code, name.encode("ascii"), key), deadline)
            proof.check_kept(_receive(sock, deadline), key, by_server=False)
            try:
                self._clients.add(name, key)
            except OSError as error:
                raise _Refused("it can't be kept: %s" % _said(error), half.refuse(proof.NO_ROOM)) from None
            used = True
        finally:
            self._codes.settle(used)
        self._log("paired", peer=peer, client=name)
        _send(sock, proof.kept(key, by_server=True), deadline)

    def _admitted(self, sock: ssl.SSLSocket, peer: str, client: str, classic: bool) -> Admitted:
        sock.settimeout(None)
        self._log("admitted", peer=peer, client=client)
        return Admitted(sock, client, classic)

    def _refuse(self, sock: socket.socket, peer: str, reason: str, answer: bytes, deadline: float) -> None:
        self._log("refused", peer=peer, reason=reason, failures=self._failures.count(peer.rpartition(":")[0] or peer))
        try:
            if answer:  # who has heard of a refusal must not be able to try again at once
                time.sleep(max(0.0, min(REFUSAL_DELAY_S, deadline - time.monotonic())))
                _send(sock, answer, deadline)
        except OSError:
            pass


class _Refused(Exception):
    """A client gets an answer, and the log a reason."""

    def __init__(self, reason: str, answer: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer


class _Failures:
    """Counts failures by where they come from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, host: str) -> int:
        """Count one, and return how many there were from that host."""
        with self._lock:
            number = self._counts.pop(host, 0) + 1
            self._counts[host] = number
            if len(self._counts) > MAX_COUNTED_PEERS:
                self._counts.popitem(last=False)
            return number


def _wait(sock: socket.socket, deadline: float) -> None:
    """Have the next step end at the deadline. Raises OSError where that has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise OSError("it took too long")
    sock.settimeout(left)


def _send(sock: socket.socket, message: bytes, deadline: float) -> None:
    _wait(sock, deadline)
    sock.sendall(proof.framed(message))


def _receive(sock: socket.socket, deadline: float) -> bytes:
    return _exactly(sock, proof.length_of(_exactly(sock, proof.LENGTH.size, deadline)), deadline)


def _exactly(sock: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        _wait(sock, deadline)
        piece = sock.recv(count - len(data))
        if not piece:
            raise OSError("it hung up")
        data += piece
    return data


def _said(error: Exception) -> str:
    """Return an error's text for the log, without words that the peer can choose."""
    if isinstance(error, ssl.SSLError):
        return "TLS: %s" % (error.reason or "the handshake failed").replace("_", " ").lower()
    if isinstance(error, OSError) and (error.strerror or "timed out" in str(error)):
        return error.strerror or "it took too long"
    return str(error)


def _common_name(sock: ssl.SSLSocket) -> str:
    """Return the common name of the client's certificate, which an authority of ours has signed."""
    subject: Any = (sock.getpeercert() or {}).get("subject", ())
    names = [str(value) for part in subject for name, value in part if name == "commonName"]
    name = names[0] if names else "the owner of a certificate"
    return "".join(char if char.isprintable() else "?" for char in name[:MAX_NAME_CHARS])
