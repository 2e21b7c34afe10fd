"""Multicast DNS: queries are read within bounds, and answered as RFC 6762 and 6763 have it."""

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zeroconf import DNSIncoming

from rpyc_kernel.agent.serve import mdns
from rpyc_kernel.agent.serve.mdns import ANY, PTR, SERVICE, SRV, TXT, A, MalformedError, Responder, read_query

PI = Responder("Pi-3f2a", 18821, ["txtvers=1", "user=ada"])
INSTANCE = "Pi-3f2a._rpyc-kernel._tcp.local."
HOST = "Pi-3f2a.local."


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".")) + b"\0"


def query(*questions, number=0, known=(), flags=0):
    """A query; questions are (name, type) or (name, type, class)."""
    asked = [name(each[0]) + struct.pack("!2H", each[1], each[2] if len(each) > 2 else 1) for each in questions]
    records = [name(each) + struct.pack("!2HIH", PTR, 1, ttl, len(name(to))) + name(to) for each, to, ttl in known]
    return struct.pack("!6H", number, flags, len(asked), len(records), 0, 0) + b"".join(asked + records)


def answered(packet, legacy=False, address="10.0.0.7"):
    """The answer, as zeroconf reads it: of each record its name, type, whether it has one owner, and its time."""
    found = PI.answer(read_query(packet), address, legacy)
    if not found:
        return []
    incoming = DNSIncoming(found)
    assert incoming.valid
    return [(each.name, each.type, each.unique, each.ttl) for each in incoming.answers()]


def test_who_looks_for_servers_gets_all_that_is_needed_to_connect():
    found = answered(query(("_rpyc-kernel._tcp.local", PTR)))
    assert found == [
        ("_rpyc-kernel._tcp.local.", PTR, False, 4500),
        (INSTANCE, SRV, True, 120),
        (INSTANCE, TXT, True, 4500),
        (HOST, A, True, 120),
    ]
    records = DNSIncoming(PI.answer(read_query(query(("_RPYC-kernel._TCP.local", PTR))), "10.0.0.7", False)).answers()
    assert records[0].alias == INSTANCE
    assert (records[1].port, records[1].server) == (18821, HOST)
    assert records[2].text == b"\x09txtvers=1\x08user=ada"
    assert records[3].address == socket.inet_aton("10.0.0.7")


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        (("_services._dns-sd._udp.local", PTR), [PTR]),
        ((INSTANCE, SRV), [SRV, A]),
        ((INSTANCE.upper(), TXT), [TXT]),
        ((INSTANCE, ANY, 0x8001), [SRV, TXT, A]),
        ((HOST, A), [A]),
        ((HOST, ANY, 255), [A]),
        ((HOST, 28), []),
        (("_http._tcp.local", PTR), []),
        (("other._rpyc-kernel._tcp.local", SRV), []),
        (("_rpyc-kernel._tcp.local", SRV), []),
        (("_rpyc-kernel._tcp.local", PTR, 3), []),
    ],
)
def test_what_is_asked_is_answered_and_nothing_else(asked, kinds):
    assert [kind for _name, kind, _unique, _ttl in answered(query(asked))] == kinds


def test_what_the_asker_knows_is_not_told_again():
    asked = ("_rpyc-kernel._tcp.local", PTR)
    assert answered(query(asked, known=[("_rpyc-kernel._tcp.local", INSTANCE, 4000)])) == []
    assert answered(query(asked, known=[("_rpyc-kernel._tcp.local", INSTANCE, 100)]))
    assert answered(query(asked, known=[("_rpyc-kernel._tcp.local", "other._rpyc-kernel._tcp.local", 4000)]))


def test_a_plain_resolver_gets_its_question_back_and_short_times():
    packet = PI.answer(read_query(query((HOST, A), number=77)), "10.0.0.7", True)
    incoming = DNSIncoming(packet)
    assert incoming.id == 77
    assert [each.name for each in incoming.questions] == [HOST.lower()]
    assert [(each.ttl, each.unique) for each in incoming.answers()] == [(10, False)]


def test_it_says_that_it_comes_and_goes():
    here, gone = (DNSIncoming(PI.announcement("10.0.0.7", goodbye)).answers() for goodbye in (False, True))
    assert [each.type for each in here] == [PTR, SRV, TXT, A]
    assert [(each.alias, each.ttl) for each in gone] == [(INSTANCE, 0)]


def test_answers_and_other_kinds_of_packets_ask_nothing():
    assert read_query(query((HOST, A), flags=0x8400)) is None
    assert read_query(query((HOST, A), flags=0x2800)) is None
    assert read_query(query()) is None


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 11,
        b"\0" * 9001,
        struct.pack("!6H", 0, 0, 1, 0, 0, 0),
        struct.pack("!6H", 0, 0, 65535, 0, 0, 0) + b"\0" * 100,
        struct.pack("!6H", 0, 0, 1, 65535, 0, 0) + name("a") + b"\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\1a\xc0\x0c\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\xc0\xff\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\x40a\0\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\x3fa\0\0\1\0\1",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
    ],
)
def test_what_is_malformed_is_an_error(packet):
    with pytest.raises(MalformedError):
        read_query(packet)


def reads(packet):
    try:
        found = read_query(packet)
    except MalformedError:
        return
    if found is not None:
        assert len(found.questions) <= mdns.MAX_QUESTIONS
        assert len(PI.answer(found, "10.0.0.7", True)) < 70_000
        assert len(PI.answer(found, "10.0.0.7", False)) < 2_000


@given(st.binary(max_size=2000))
def test_whatever_comes_is_read_or_an_error(packet):
    reads(packet)


@given(st.binary(max_size=300), st.integers(0, 70), st.integers(0, 300))
def test_whatever_comes_behind_a_query_s_head_is_too(rest, questions, records):
    reads(struct.pack("!6H", 0, 0, questions, records, 0, 0) + rest)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_a_query_that_was_damaged_is_too(changes):
    damaged(changes)


@pytest.mark.fuzz
@settings(max_examples=200_000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=20))
def test_damaged_queries_for_long(changes):
    damaged(changes)


def damaged(changes):
    packet = bytearray(query((INSTANCE, ANY), (".".join(map(bytes.decode, SERVICE)), PTR)) + name("a.b.c.d.e") * 9)
    for place, byte in changes:
        packet[place % len(packet)] = byte
    reads(bytes(packet))
