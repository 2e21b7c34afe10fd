"""Lets in by a port on loopback who has read the server's secret, which only this user can.

The other half is ``transport/ways/local.py``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from rpyc.utils.authenticators import AuthenticationError

from rpyc_kernel.agent import local_socket
from rpyc_kernel.agent.boot import write_file

if TYPE_CHECKING:
    import socket
    from pathlib import Path

STEP_TIMEOUT_S = 10.0  # for each step of the greeting


class Door:
    """An authenticator for RPyC's servers, which call it with each new connection."""

    def __init__(self) -> None:
        self._secret = os.urandom(local_socket.PROOF_BYTES)

    def __call__(self, sock: socket.socket) -> tuple[socket.socket, None]:
        """Let in who knows the secret, and prove that we know it.

        Returns:
            The socket, and no credentials: the form that RPyC asks for.

        Raises:
            AuthenticationError: Who has connected doesn't know it.
        """
        before = sock.gettimeout()
        try:
            sock.settimeout(STEP_TIMEOUT_S)
            mine = os.urandom(local_socket.NONCE_BYTES)
            sock.sendall(mine)
            if not local_socket.proves(
                local_socket.read_exactly(sock, local_socket.PROOF_BYTES), self._secret, b"kernel", mine
            ):
                raise AuthenticationError("a stranger was turned away")
            theirs = local_socket.read_exactly(sock, local_socket.NONCE_BYTES)
            sock.sendall(local_socket.proof(self._secret, b"server", theirs))
            sock.settimeout(before)
        except OSError as error:
            raise AuthenticationError(f"the greeting broke off: {error}") from None
        return sock, None

    def describe(self, port: int, path: Path) -> None:
        """Write port and secret into the file *path*, where the kernel reads them, whole or not at all."""
        found = {"port": port, "secret": self._secret.hex()}
        write_file(str(path), json.dumps(found).encode("ascii"), sync=False)
