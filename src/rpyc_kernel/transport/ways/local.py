"""The way to the kernel's own server on this machine, where the system has no Unix sockets: a port on loopback.

Whoever uses this machine can reach such a port. So both ends prove that they know the secret in a file that only this
user can read, before a byte of RPyC crosses it: by HMAC-SHA-256 (RFC 2104) of who speaks and of the other end's nonce.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.errors import NobodyListeningError, UnsupportedSchemeError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.sockets import connect, opening, receive_exactly

if TYPE_CHECKING:
    from rpyc_kernel.transport.deadline import Deadline

NONCE_BYTES = 16
PROOF_BYTES = 32
_MAX_FILE_BYTES = 1000


class Local(Transport):
    """This machine's own server. ``path`` is the file that leads to it, once it was started."""

    loopback = True

    def follows_colon(self, rest: str) -> bool:
        """``local:`` alone is; what follows it would be the port of a host named ``local``."""
        return not rest

    def parse(self, text: str, rest: str) -> Address:
        """Take nothing behind the scheme. Raises AddressError."""
        if text.lower() != "local:":
            raise syntax.unknown_scheme(text, self.scheme)
        return Address(self.scheme)

    def text(self, address: Address) -> str:
        """Return ``local:``; the file is nobody's affair."""
        return "local:"

    def display(self, address: Address) -> str:
        """Return what people call it."""
        return "this machine"

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Connect to the server whose port and secret are in the file ``address.path``. Raises a DialError."""
        if not address.path:
            raise UnsupportedSchemeError(address, "this machine's own server has to be started first.")
        try:
            port, secret = _read(address.path)
        except (OSError, ValueError, TypeError):
            raise NobodyListeningError(address) from None
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with opening(sock, address, deadline):
            try:
                connect(sock, ("127.0.0.1", port), deadline)
                _greet(sock, secret, deadline)
            except (ConnectionError, EOFError):
                raise NobodyListeningError(address) from None
        return sock


def _read(path: str) -> tuple[int, bytes]:
    with Path(path).open("rb") as file:
        found = json.loads(file.read(_MAX_FILE_BYTES))
    if not isinstance(found, dict) or type(found.get("port")) is not int:
        raise TypeError("not what our server writes")
    port, secret = found["port"], bytes.fromhex(str(found.get("secret", "")))
    if not 0 < port < 1 << 16 or len(secret) < PROOF_BYTES:
        raise ValueError("no port, or no secret")
    return port, secret


def _greet(sock: socket.socket, secret: bytes, deadline: Deadline) -> None:
    """Prove that we know the secret, and have the server prove it. Raises EOFError where it can't."""
    mine = os.urandom(NONCE_BYTES)
    theirs = receive_exactly(sock, NONCE_BYTES, deadline)
    sock.settimeout(deadline.left())
    sock.sendall(hmac.digest(secret, b"kernel" + theirs, "sha256") + mine)
    proof = receive_exactly(sock, PROOF_BYTES, deadline)
    if not hmac.compare_digest(proof, hmac.digest(secret, b"server" + mine, "sha256")):
        raise EOFError


TRANSPORT = Local("local")
