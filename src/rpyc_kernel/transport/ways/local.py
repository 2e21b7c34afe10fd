"""This machine: ``local:``, or another Python of it, as ``local:?python=/path``.

A notebook starts a server of its own for ``local:``; whatever else dials it starts this very Python as a gateway. Where
the system has no Unix sockets, the way to a notebook's own server is a port on loopback.

Whoever uses this machine can reach such a port. So both ends prove that they know the secret in a file that only this
user can read, before a byte of RPyC crosses it: by HMAC-SHA-256 (RFC 2104) of who speaks and of the other end's nonce.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.errors import DialError, NobodyListeningError, UnsupportedSchemeError
from rpyc_kernel.transport import remote_python, syntax
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.program import ProgramEnd, ProgramTransport
from rpyc_kernel.transport.sockets import connect, opening, receive_exactly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpyc_kernel.transport.deadline import Deadline

NONCE_BYTES = 16
PROOF_BYTES = 32
_MAX_FILE_BYTES = 1000


class Local(ProgramTransport):
    """This machine's own server, or another Python. ``path`` is the file that leads to the server, once that runs."""

    loopback = True
    takes_python = os.name == "posix"  # elsewhere there is no /bin/sh to find it
    patience = 1.0
    stock = True

    def follows_colon(self, rest: str) -> bool:
        """``local:`` alone is; what follows it would be the port of a host named ``local``."""
        return rest.partition("?")[0] == ""

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

    def command(self, address: Address) -> Sequence[str]:
        """Return the shell that starts the Python."""
        return ["/bin/sh", "-c", remote_python.SHELL]

    def install_hint(self) -> str:
        """Return nothing to do."""
        return "Its system is no POSIX system."

    def explain(self, address: Address, outcome: ProgramEnd) -> DialError | None:
        """Return no error: a shell by itself has none."""
        return None

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Connect to the server of the file ``address.path``, or start the Python that is named, or else this one.

        Raises:
            DialError: There is no server, or no such Python.
        """
        if not address.path:
            if not self.takes_python:
                raise UnsupportedSchemeError(address, "on this system, only a notebook starts a server of its own.")
            return super().open_socket(replace(address, python=address.python or sys.executable), deadline)
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
