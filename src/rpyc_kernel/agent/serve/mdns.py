"""Multicast DNS for one service (RFC 6762, RFC 6763), without I/O: reads queries and makes the answers to them.

Whatever is on the network may send here. A packet is read within bounds: so many questions and records, so many jumps
in a name, and nothing behind its end. What is malformed is an error, and what isn't asked of this service is nothing.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Tuple

    Name = Tuple[bytes, ...]

SERVICE = (b"_rpyc-kernel", b"_tcp", b"local")
_ALL_SERVICES = (b"_services", b"_dns-sd", b"_udp", b"local")
MAX_PACKET_BYTES = 9000
MAX_QUESTIONS = 64
MAX_RECORDS = 256
MAX_JUMPS = 32  #: from one name into an earlier one
MAX_NAME_BYTES = 255
LONG_TTL_S, SHORT_TTL_S, LEGACY_TTL_S = 4500, 120, 10
A, PTR, TXT, SRV, ANY = 1, 12, 16, 33, 255
_IN, _ANY_CLASS, _TOP = 1, 255, 0x8000  # the class's top bit: an answer to the asker alone; a record of one owner
_HEADER = struct.Struct("!6H")
_RESPONSE, _AUTHORITATIVE, _OPCODE = 0x8000, 0x0400, 0x7800


class DnsQuestion(NamedTuple):
    """One question of a query: the name in lower case, the type, and whether the answer may come to the asker alone."""

    name: Name
    kind: int
    unicast: bool


class DnsQuery(NamedTuple):
    """A query: its number, the questions, and the PTR records (name, target) that the asker has already."""

    number: int
    questions: List[DnsQuestion]
    known: List[Tuple[Name, Name]]


class MalformedError(ValueError):
    """A packet is none of DNS."""


def read_query(packet: bytes) -> Optional[DnsQuery]:
    """Read a packet; None where it is an answer or asks nothing.

    Raises:
        MalformedError: It is none, or out of bounds.
    """
    if not _HEADER.size <= len(packet) <= MAX_PACKET_BYTES:
        raise MalformedError("a packet of %d bytes" % len(packet))
    number, flags, questions, records, _authorities, _more = _HEADER.unpack_from(packet)
    if flags & (_RESPONSE | _OPCODE) or not questions:
        return None
    if questions > MAX_QUESTIONS or records > MAX_RECORDS:
        raise MalformedError("%d questions and %d records" % (questions, records))
    place = _HEADER.size
    asked: List[DnsQuestion] = []
    for _ in range(questions):
        name, place = _read_name(packet, place)
        kind, family = _unpack("!2H", packet, place)
        place += 4
        if family & ~_TOP in (_IN, _ANY_CLASS):
            asked.append(DnsQuestion(name, kind, bool(family & _TOP)))
    known: List[Tuple[Name, Name]] = []
    for _ in range(records):
        name, place = _read_name(packet, place)
        kind, _family, ttl, size = _unpack("!2HIH", packet, place)
        place += 10
        if kind == PTR and ttl >= LONG_TTL_S // 2:
            known.append((name, _read_name(packet, place)[0]))
        place += size
    return DnsQuery(number, asked, known)


def _unpack(form: str, packet: bytes, place: int) -> Tuple[int, ...]:
    try:
        return struct.unpack_from(form, packet, place)
    except struct.error:
        raise MalformedError("a packet that is cut off") from None


def _read_name(packet: bytes, place: int) -> Tuple[Name, int]:
    """Read a name in lower case; returns the place behind it, too."""
    labels: List[bytes] = []
    behind = -1
    jumps = size = 0
    while True:
        (length,) = _unpack("!B", packet, place)
        if length & 0xC0 == 0xC0:
            (target,) = _unpack("!H", packet, place)
            behind = place + 2 if behind < 0 else behind
            jumps += 1
            if jumps > MAX_JUMPS or target & 0x3FFF >= place:
                raise MalformedError("a name that goes round")
            place = target & 0x3FFF
            continue
        if length & 0xC0:
            raise MalformedError("a label of another kind")
        place += 1
        if not length:
            return tuple(labels), place if behind < 0 else behind
        size += length + 1
        if size > MAX_NAME_BYTES or place + length > len(packet):
            raise MalformedError("a name that is too long, or cut off")
        labels.append(packet[place : place + length].lower())
        place += length


class Responder:
    """Answers for one server.

    Args:
        label: What it is called, and its host: one label, of at most 63 bytes.
        port: Its port.
        text: Further pairs about it, each ``name=value``.
    """

    def __init__(self, label: str, port: int, text: Sequence[str] = ()) -> None:
        first = label.encode("utf-8")[:63]
        self.instance: Name = (first, *SERVICE)
        self.host: Name = (first, b"local")
        self._port = port
        self._text = b"".join(bytes((len(each),)) + each for each in (item.encode("utf-8")[:255] for item in text))

    def answer(self, query: DnsQuery, address: str, legacy: bool) -> bytes:
        """Return the answer to a query; ``b""`` where none of it is about this server.

        Args:
            query: What is asked.
            address: This machine's IPv4 address, as the asker reaches it.
            legacy: Whether the asker is a plain resolver, which gets what it knows from ordinary DNS.
        """
        answers: List[bytes] = []
        more: List[bytes] = []
        for name, kind, _unicast in query.questions:
            if name == _ALL_SERVICES and kind in (PTR, ANY):
                answers += self._pointers(_ALL_SERVICES, SERVICE, query, legacy)
            elif name == SERVICE and kind in (PTR, ANY):
                found = self._pointers(SERVICE, self.instance, query, legacy)
                answers += found
                more += self._details(ANY, legacy) + self._address(address, legacy) if found else []
            elif name == _lower(self.instance):
                answers += self._details(kind, legacy)
                more += self._address(address, legacy) if kind in (SRV, ANY) else []
            elif name == _lower(self.host) and kind in (A, ANY):
                answers += self._address(address, legacy)
        if not answers:
            return b""
        more = [each for each in dict.fromkeys(more) if each not in answers]
        return self._packet(query if legacy else None, list(dict.fromkeys(answers)), more)

    def announcement(self, address: str, goodbye: bool = False) -> bytes:
        """Return the packet that says unasked that the server is there or, with ``goodbye``, that it goes."""
        if goodbye:
            return self._packet(None, [_record(SERVICE, PTR, 0, _name(self.instance), False)], [])
        answers = self._pointers(SERVICE, self.instance, None, False) + self._details(ANY, False)
        return self._packet(None, answers + self._address(address, False), [])

    def _packet(self, query: Optional[DnsQuery], answers: List[bytes], more: List[bytes]) -> bytes:
        asked = [_name(each.name) + struct.pack("!2H", each.kind, _IN) for each in query.questions] if query else []
        number = query.number if query else 0
        header = _HEADER.pack(number, _RESPONSE | _AUTHORITATIVE, len(asked), len(answers), 0, len(more))
        return header + b"".join(asked + answers + more)

    def _pointers(self, name: Name, target: Name, query: Optional[DnsQuery], legacy: bool) -> List[bytes]:
        if query and (name, _lower(target)) in query.known:
            return []
        return [_record(name, PTR, LEGACY_TTL_S if legacy else LONG_TTL_S, _name(target), False)]

    def _details(self, kind: int, legacy: bool) -> List[bytes]:
        found = []
        if kind in (SRV, ANY):
            data = struct.pack("!3H", 0, 0, self._port) + _name(self.host)
            found.append(_record(self.instance, SRV, LEGACY_TTL_S if legacy else SHORT_TTL_S, data, not legacy))
        if kind in (TXT, ANY):
            ttl = LEGACY_TTL_S if legacy else LONG_TTL_S
            found.append(_record(self.instance, TXT, ttl, self._text or b"\0", not legacy))
        return found

    def _address(self, address: str, legacy: bool) -> List[bytes]:
        ttl = LEGACY_TTL_S if legacy else SHORT_TTL_S
        return [_record(self.host, A, ttl, socket.inet_aton(address), not legacy)]


def _record(name: Name, kind: int, ttl: int, data: bytes, own: bool) -> bytes:
    return _name(name) + struct.pack("!2HIH", kind, _IN | (_TOP if own else 0), ttl, len(data)) + data


def _name(name: Name) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in name) + b"\0"


def _lower(name: Name) -> Name:
    return tuple(label.lower() for label in name)
