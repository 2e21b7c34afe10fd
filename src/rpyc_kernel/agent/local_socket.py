"""The local socket between broker and keeper: where it is, how the two know each other, and how packets pass.

A Unix socket in a private folder; on Linux one of its abstract names where no folder can be written; where the system
has no Unix sockets, or none with so long a path, a loopback port. Both sides prove that they know the session's key,
and the other's uid is checked where the system tells it, before a byte is believed.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import deque

from .boot import hash_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hmac import compare_digest
    from typing import Deque, List, Optional, Tuple, Union

    Bytes = Union[bytes, bytearray, memoryview]
else:
    try:
        from _operator import _compare_digest as compare_digest  # hmac would load OpenSSL, see boot.py
    except ImportError:
        from hmac import compare_digest

NONCE_BYTES = 16
PROOF_BYTES = 32
MAX_PATH_BYTES = 100  #: for a Unix socket: of 108 bytes, or 104 on some systems
HANDSHAKE_TIMEOUT_S = 10.0  #: for each step of it
_BLOCK_BYTES = 64  # of SHA-256
LENGTH = struct.Struct("!I")  #: before each packet
MAX_PACKET_BYTES = 1 << 30
_JOINED_BYTES = 1 << 16  # less than that is sent as one piece


class NobodyError(OSError):
    """Nobody listens there, or somebody else does: the keeper is gone."""


def listen(folder: Optional[str], session: str) -> Tuple[socket.socket, str]:
    """Listen for brokers of a session.

    Args:
        folder: The folder for the socket; None where none can be written.
        session: The session's name.

    Returns:
        The socket, and the name by which `connect` finds it.

    Raises:
        OSError: There is no room for the socket.
    """
    linux = sys.platform == "linux"
    path = os.path.join(folder, session + ".sock") if folder else ""
    if not hasattr(socket, "AF_UNIX") or not (linux or 0 < len(os.fsencode(path)) <= MAX_PATH_BYTES):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        name = "127.0.0.1:%d" % listener.getsockname()[1]
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if path:
            name = path
            with _Short(path) as short:
                listener.bind(short)
            os.chmod(path, 0o600)
        else:
            name = "@rpyc-kernel-" + session
            listener.bind("\0" + name[1:])
    listener.listen(8)
    return listener, name


def connect(name: str, key: bytes, seconds: Optional[float] = None) -> socket.socket:
    """Connect to a keeper, which has then proved that it knows the session's key.

    Args:
        name: What `listen` has returned.
        key: The session's key.
        seconds: For each step of the handshake, since a keeper may be stopped; `HANDSHAKE_TIMEOUT_S` where it isn't
            said.

    Raises:
        NobodyError: The keeper is gone.
        OSError: The keeper doesn't answer.
    """
    try:
        sock = _connect(name, HANDSHAKE_TIMEOUT_S if seconds is None else seconds)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        raise NobodyError("nobody listens at %s" % name) from error
    try:
        mine = os.urandom(NONCE_BYTES)
        theirs = read_exactly(sock, NONCE_BYTES)
        sock.sendall(proof(key, b"broker", theirs) + mine)
        if not proves(read_exactly(sock, PROOF_BYTES), key, b"keeper", mine):
            raise NobodyError("what listens there is not this session's keeper")
        check_peer(sock)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    return sock


def accept(sock: socket.socket, key: bytes) -> None:
    """Have a peer that was accepted prove that it knows the session's key, and prove the same; the keeper's half.

    It blocks; `PeerConnection` does the same without blocking.

    Raises:
        OSError: The peer doesn't know the key, is another user's, or says nothing.
    """
    sock.settimeout(HANDSHAKE_TIMEOUT_S)
    check_peer(sock)
    nonce = os.urandom(NONCE_BYTES)
    sock.sendall(nonce)
    greeting = read_exactly(sock, PROOF_BYTES + NONCE_BYTES)
    if not proves(greeting[:PROOF_BYTES], key, b"broker", nonce):
        raise OSError("whoever has connected doesn't know the key")
    sock.sendall(proof(key, b"keeper", greeting[PROOF_BYTES:]))
    sock.settimeout(None)


def _connect(name: str, seconds: float) -> socket.socket:
    if name.startswith("127.0.0.1:"):
        sock = socket.create_connection(("127.0.0.1", int(name.rpartition(":")[2])), seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        if name.startswith("@"):
            sock.connect("\0" + name[1:])
        else:
            with _Short(name) as path:
                sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def proof(key: bytes, who: bytes, nonce: bytes) -> bytes:
    """The answer to a nonce that only somebody who knows the key can give; ``who``: ``broker`` or ``keeper``."""
    return hmac_sha256(key, who + nonce)


def proves(answer: bytes, key: bytes, who: bytes, nonce: bytes) -> bool:
    """Whether an answer is the `proof`; that takes the same time for every wrong one."""
    return compare_digest(answer, proof(key, who, nonce))


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC (RFC 2104) of the message with a key of at most 64 bytes."""
    key = key.ljust(_BLOCK_BYTES, b"\0")
    inner = hash_of(bytes(byte ^ 0x36 for byte in key) + message)
    return hash_of(bytes(byte ^ 0x5C for byte in key) + inner)


def check_peer(sock: socket.socket) -> None:
    """Refuse a process of another user.

    Raises:
        OSError: The other end belongs to another user.
    """
    if hasattr(socket, "SO_PEERCRED") and sock.family == getattr(socket, "AF_UNIX", None):
        _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (os.geteuid(), 0):
            raise OSError("the other end of the socket belongs to user %d" % uid)


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """Read ``count`` bytes from a blocking socket.

    Raises:
        OSError: The socket was closed before.
    """
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise OSError("the connection was closed")
        data += piece
    return bytes(data)


def send_packet(sock: socket.socket, packet: bytes) -> None:
    """Send one packet, behind its length."""
    if len(packet) < _JOINED_BYTES:
        sock.sendall(LENGTH.pack(len(packet)) + packet)
    else:
        sock.sendall(LENGTH.pack(len(packet)))
        sock.sendall(packet)


def read_packet(sock: socket.socket) -> bytes:
    """Read the next packet."""
    (length,) = LENGTH.unpack(read_exactly(sock, LENGTH.size))
    return read_exactly(sock, length)


class _Short:
    """A path that fits into a socket address: a long one by way of its folder's descriptor (Linux)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder: Optional[int] = None

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= MAX_PATH_BYTES:
            return self._path
        folder, name = os.path.split(self._path)
        self._folder = os.open(folder, os.O_RDONLY)
        return "/proc/self/fd/%d/%s" % (self._folder, name)

    def __exit__(self, *exc: object) -> None:
        if self._folder is not None:
            os.close(self._folder)


class Outgoing:
    """The data that a socket which doesn't block has not taken yet. Long pieces are not copied."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._waiting: Deque[memoryview] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def write(self, *pieces: Bytes) -> None:
        """Send pieces in a row, as much as the socket takes now."""
        if sum(map(len, pieces)) < _JOINED_BYTES:
            pieces = (b"".join(pieces),)
        self._waiting.extend(memoryview(piece) for piece in pieces if piece)
        self.flush()

    def flush(self) -> None:
        """Send more, as the socket has room. Where the other side has gone, the rest is dropped."""
        try:
            while self._waiting:
                piece = self._waiting[0]
                sent = self._socket.send(piece[: 1 << 20])
                if sent == len(piece):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = piece[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()


class LengthFrames:
    """Takes a byte stream apart into packets, each behind its length. No I/O.

    Args:
        limit: Bytes of one packet, at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> List[bytes]:
        """Take in bytes; returns the packets that are complete now.

        Raises:
            ValueError: A length is above the limit.
        """
        self._buffer += data
        packets = []
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, start)
            if length > self.limit:
                raise ValueError("a packet of %d bytes" % length)
            end = start + LENGTH.size + length
            if len(self._buffer) < end:
                break
            packets.append(bytes(self._buffer[start + LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return packets


class Refused(Exception):
    """Whoever has connected doesn't know the key, or sends no packets."""


class PeerConnection:
    """A connection from a broker.

    Args:
        sock: Its socket.
        key: The session's key.

    Attributes:
        outgoing: The bytes that the broker has not taken yet.

    Raises:
        OSError: The other end belongs to another user.
    """

    def __init__(self, sock: socket.socket, key: bytes) -> None:
        self.socket = sock
        self._key = key
        self._frames = LengthFrames(MAX_PACKET_BYTES)
        self._greeting: Optional[bytearray] = bytearray()
        self.outgoing = Outgoing(sock)
        self._nonce = os.urandom(NONCE_BYTES)
        sock.setblocking(False)
        check_peer(sock)
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
            if len(self._greeting) < PROOF_BYTES + NONCE_BYTES:
                return []
            theirs = bytes(self._greeting[:PROOF_BYTES])
            if not proves(theirs, self._key, b"broker", self._nonce):
                raise Refused
            end = PROOF_BYTES + NONCE_BYTES
            self.outgoing.write(proof(self._key, b"keeper", bytes(self._greeting[PROOF_BYTES:end])))
            data = bytes(self._greeting[end:])
            self._greeting = None
        try:
            return self._frames.feed(data)
        except ValueError:
            raise Refused from None

    def answer(self, packet: bytes) -> None:
        """Send one packet, as far as the socket takes it now."""
        self.outgoing.write(LENGTH.pack(len(packet)), packet)
