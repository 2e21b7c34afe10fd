"""How a client and a server prove to each other, behind TLS and before a byte of RPyC, that they know the same key.

Neither half has I/O: each takes the messages of the other and gives its own. The server speaks first::

    server                                                  client
    greeting: magic, version, nonce                   ─▶
                                                      ◀─    claim: purpose, name, nonce, proof
    verdict: refusal; or proof and, at pairing, more  ─▶

A proof is an HMAC-SHA-256 (RFC 2104) of a label with the version, of who speaks, of the greeting and the claim, and so
of both nonces, and of the SHA-256 of the certificate that the speaker has seen. Whoever stands between shows a
certificate of its own to the client, so that the client's proof is none for the server; and the client sends nothing
else by which the key could be computed. A key has 256 bits, at pairing the 80 bits of a code, which is too many to be
tried out, and is worth nothing any more after ten minutes.

A message is at most `MAX_MESSAGE_BYTES` long, and travels behind its length. Nothing of it is a text for people.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct

from .store import KEY_BYTES, MAX_NAME_CHARS, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple

VERSION = 1
MAGIC = b"rpyc-kernel"
LENGTH = struct.Struct("!H")
MAX_MESSAGE_BYTES = 512
NONCE_BYTES = 32
PROOF_BYTES = 32
# what a client wants: a session's broker, all of RPyC's classic service, to be paired, or to be forgotten
SESSION, CLASSIC, PAIR, LEAVE = b"session", b"classic", b"pair", b"leave"
PURPOSES = (SESSION, CLASSIC, PAIR, LEAVE)
# why a server refuses
UNKNOWN, NO_CODE, WRONG_CODE, NOT_CLASSIC, NO_ROOM = b"unknown", b"no code", b"wrong code", b"not classic", b"no room"
REFUSALS = (UNKNOWN, NO_CODE, WRONG_CODE, NOT_CLASSIC, NO_ROOM)
_GREETING, _CLAIM, _ACCEPTED, _REFUSED, _KEPT = b"G", b"C", b"A", b"R", b"K"
_LABEL = b"rpyc-kernel proof %d\0" % VERSION
_SERVER, _CLIENT = b"server", b"client"


class ProofError(ValueError):
    """A message is malformed, or its proof is none. Its text is the end of a sentence."""


class NoProofError(ProofError):
    """The other side proves nothing."""


class VersionError(ProofError):
    """The server speaks another version of these messages."""


class ProofRefusedError(ProofError):
    """The server has refused.

    Attributes:
        reason: One of `REFUSALS`.
    """

    def __init__(self, reason: bytes) -> None:
        super().__init__(reason.decode("ascii"))
        self.reason = reason


def framed(message: bytes) -> bytes:
    """Return a message as it travels: behind its length."""
    return LENGTH.pack(len(message)) + message


def length_of(header: bytes) -> int:
    """Return the length that stands before a message. Raises ProofError where it is too long."""
    (length,) = LENGTH.unpack(header)
    if not 0 < length <= MAX_MESSAGE_BYTES:
        raise ProofError("a message of %d bytes" % length)
    return int(length)


def _pack(kind: bytes, *fields: bytes) -> bytes:
    return kind + b"".join(bytes((len(field),)) + field for field in fields)


def _unpack(kind: bytes, message: bytes) -> List[bytes]:
    """Return the fields of a message of that kind, each behind a byte with its length."""
    if message[:1] != kind:
        raise ProofError("a message of another kind")
    fields, place = [], 1
    while place < len(message):
        end = place + 1 + message[place]
        if end > len(message):
            raise ProofError("a message that is cut off")
        fields.append(message[place + 1 : end])
        place = end
    return fields


def _sized(fields: Sequence[bytes], *sizes: int) -> Sequence[bytes]:
    """Return the fields, which must have these sizes; 0 stands for any."""
    if len(fields) != len(sizes) or any(size not in (0, len(field)) for field, size in zip(fields, sizes)):
        raise ProofError("a message of another form")
    return fields


def _proof(key: bytes, who: bytes, *what: bytes) -> bytes:
    """Each part is hashed by itself, so that none of them can be taken for a part of its neighbour."""
    hashes = b"".join(hashlib.sha256(part).digest() for part in what)
    return hmac.new(key, _LABEL + who + hashes, "sha256").digest()


class ServerHalf:
    """The server's half of one connection.

    Attributes:
        greeting: The first message.
        purpose: What the client wants, after `read`.
        name: The client's name, after `read`: who it says that it is, or wants to be called.
    """

    def __init__(self, fingerprint: bytes) -> None:
        """Begin. *fingerprint*: The SHA-256 of the server's certificate in DER."""
        self.greeting = _pack(_GREETING, MAGIC, bytes((VERSION,)), os.urandom(NONCE_BYTES))
        self.purpose = b""
        self.name = ""
        self._fingerprint = fingerprint
        self._claim = self._theirs = b""

    def read(self, message: bytes) -> None:
        """Read the client's claim. Raises ProofError where it is malformed."""
        purpose, name, nonce, theirs = _sized(_unpack(_CLAIM, message), 0, 0, NONCE_BYTES, PROOF_BYTES)
        text = name[:MAX_NAME_CHARS].decode("ascii", "replace")
        if purpose not in PURPOSES or len(name) > MAX_NAME_CHARS or not is_name(text):
            raise ProofError("a claim of another form")
        self.purpose, self.name, self._theirs = purpose, text, theirs
        self._claim = _pack(_CLAIM, purpose, name, nonce)

    def proves(self, key: bytes) -> bool:
        """Tell whether the client knows that key; it takes the same time for every wrong proof."""
        expected = _proof(key, _CLIENT, self.greeting, self._claim, self._fingerprint)
        return hmac.compare_digest(self._theirs, expected)

    def accept(self, key: bytes, *more: bytes) -> bytes:
        """Return the verdict for a client that has proved to know the key: the server's proof, and what it gives."""
        proof = _proof(key, _SERVER, self.greeting, self._claim, self._fingerprint, *more)
        return _pack(_ACCEPTED, proof, *more)

    def refuse(self, reason: bytes) -> bytes:
        """Return the verdict for any other."""
        return _pack(_REFUSED, reason)


class ClientHalf:
    """The client's half of one connection."""

    def __init__(self, fingerprint: bytes, purpose: bytes, name: str, key: bytes) -> None:
        """Begin.

        Args:
            fingerprint: The SHA-256 of the certificate in DER that the TLS connection has shown.
            purpose: What is wanted there.
            name: Who we are there, or want to be.
            key: What is to be proved.
        """
        self._fingerprint = fingerprint
        self._fields = (purpose, name.encode("ascii"))
        self._key = key
        self._greeting = self._claim = b""

    def claim(self, greeting: bytes) -> bytes:
        """Read the greeting, and return our claim. Raises ProofError where it is malformed."""
        magic, version, _nonce = _sized(_unpack(_GREETING, greeting), 0, 1, NONCE_BYTES)
        if magic != MAGIC:
            raise ProofError("another greeting")
        if version[0] != VERSION:
            raise VersionError("version %d" % version[0])
        self._greeting = greeting
        fields = (*self._fields, os.urandom(NONCE_BYTES))
        self._claim = _pack(_CLAIM, *fields)
        return _pack(_CLAIM, *fields, _proof(self._key, _CLIENT, greeting, self._claim, self._fingerprint))

    def verdict(self, message: bytes) -> List[bytes]:
        """Read the verdict; return what the server gives.

        Raises:
            ProofRefusedError: The server has refused.
            NoProofError: The server proves nothing.
            ProofError: The message is malformed.
        """
        if message[:1] == _REFUSED:
            (reason,) = _sized(_unpack(_REFUSED, message), 0)
            raise ProofRefusedError(reason if reason in REFUSALS else UNKNOWN)
        fields = _unpack(_ACCEPTED, message)
        proof, more = fields[0] if fields else b"", fields[1:]
        expected = _proof(self._key, _SERVER, self._greeting, self._claim, self._fingerprint, *more)
        if not hmac.compare_digest(proof, expected):
            raise NoProofError("no proof")
        return more


# --- pairing goes on: the client says that it has kept what it was given, and then the server does


def given(more: Sequence[bytes]) -> Tuple[str, bytes]:
    """Return the name and the key that a server gives at pairing. Raises ProofError where they are none."""
    name, key = _sized(more, 0, KEY_BYTES)
    text = name.decode("ascii", "replace")
    if not is_name(text):
        raise ProofError("a name that is none")
    return text, key


def kept(key: bytes, *, by_server: bool) -> bytes:
    """Return the message of one side that it has kept the key."""
    return _pack(_KEPT, _proof(key, _SERVER if by_server else _CLIENT, b"kept"))


def check_kept(message: bytes, key: bytes, *, by_server: bool) -> None:
    """Read the other side's. Raises ProofRefusedError or ProofError where it hasn't kept the key."""
    if message[:1] == _REFUSED:
        raise ProofRefusedError(NO_ROOM)
    if not hmac.compare_digest(message, kept(key, by_server=by_server)):
        raise NoProofError("no proof")
