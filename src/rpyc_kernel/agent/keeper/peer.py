"""The connection from one broker: the handshake, then packets in and packets out. Nothing of it blocks."""

from __future__ import annotations

import os

from .. import frames, local_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import List, Optional

    from .long_poll import Pull

MAX_PACKET_BYTES = 1 << 30


class Refused(Exception):
    """Whoever has connected doesn't know the key, or sends no packets."""


class PeerConnection:
    """A connection from a broker.

    Args:
        sock: Its socket.
        key: The session's key.

    Attributes:
        epoch: The epoch of the link that came by it last.
        pull: The pull that waits for an answer, if one does.
        outgoing: The bytes that the broker has not taken yet.

    Raises:
        OSError: The other end belongs to another user.
    """

    def __init__(self, sock: socket.socket, key: bytes) -> None:
        self.socket = sock
        self.epoch = 0
        self.pull: Optional[Pull] = None
        self._key = key
        self._frames = frames.LengthFrames(MAX_PACKET_BYTES)
        self._greeting: Optional[bytearray] = bytearray()
        self.outgoing = frames.Outgoing(sock)
        self._nonce = os.urandom(local_socket.NONCE)
        sock.setblocking(False)
        local_socket.check_peer(sock)
        self.outgoing.write(self._nonce)

    def receive(self) -> List[bytes]:
        """Read from the socket; returns the packets that are complete now.

        Raises:
            EOFError: The broker has gone.
            Refused: The broker isn't one.
        """
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            raise EOFError from None
        if not data:
            raise EOFError
        if self._greeting is not None:
            self._greeting += data
            if len(self._greeting) < local_socket.PROOF + local_socket.NONCE:
                return []
            theirs = bytes(self._greeting[: local_socket.PROOF])
            if not local_socket.proves(theirs, self._key, b"broker", self._nonce):
                raise Refused
            end = local_socket.PROOF + local_socket.NONCE
            self.outgoing.write(
                local_socket.proof(self._key, b"keeper", bytes(self._greeting[local_socket.PROOF : end]))
            )
            data = bytes(self._greeting[end:])
            self._greeting = None
        try:
            return self._frames.feed(data)
        except ValueError:
            raise Refused from None

    def answer(self, packet: bytes) -> None:
        """Send one packet, as far as the socket takes it now."""
        self.pull = None
        self.outgoing.write(frames.LENGTH.pack(len(packet)), packet)
