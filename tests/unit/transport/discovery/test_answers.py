"""What a registry answers is checked, item by item; and what may be written where a service is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel import errors
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery import answers, names, registry
from rpyc_kernel.transport.rpyc_wire import brine


def packed(value: object) -> bytes:
    return b"".join(brine.dump(value))


# --- what is asked


def test_questions_are_what_rpyc_asks():
    rpyc_brine = pytest.importorskip("rpyc.core.brine")
    assert rpyc_brine.load(answers.query("Slave")) == ("RPYC", "QUERY", ("SLAVE",))
    assert rpyc_brine.load(answers.listing()) == ("RPYC", "LIST", ((None,),))


# --- servers


@pytest.mark.parametrize(
    "item",
    [
        ("127.0.0.1", "18861"), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("127.0.0.1", True),
        ("127.0.0.1", 10**40), ("127.0.0.1", 1.5), ("127.0.0.1", None), ("127.0.0.1", "/run/a-socket"),
        ("", 5), (None, 5), (5, 5), (("127.0.0.1",), 5), ("a b", 5), ("a\x1b[2Jb", 5), ("a\n", 5), ("a\u202eb", 5),
        ("x" * 300, 5), ("user@host", 5), ("rpyc://host", 5), ("host/", 5), ("host:80", 5), ("[::1]", 5),
        ("unix:/tmp/s", 5), ("0.0.0.0", 5), ("::", 5), ("224.0.0.1", 5), ("255.255.255.255", 5), ("999.1.1.1", 5),
        ("$(id)", 5), ("-oProxyCommand=x", 5), (b"\xff\xfe", 5),
        "127.0.0.1", ("127.0.0.1",), ("127.0.0.1", 5, 6), None, 5, ..., slice(1, 2, 3), (),
    ],
)  # fmt: skip
def test_what_can_be_no_server_is_dropped_and_the_rest_stays(item):
    answer = packed((("10.0.0.5", 18861), item, ("10.0.0.6", 18862)))
    assert answers.servers(answer) == [("10.0.0.5", 18861), ("10.0.0.6", 18862)]


@pytest.mark.parametrize(
    ("item", "server"),
    [
        (("127.0.0.1", 1), ("127.0.0.1", 1)),
        ((b"10.0.0.5", 18861), ("10.0.0.5", 18861)),  # a registry on Python 2
        (("::1", 65535), ("::1", 65535)),
        (("2001:DB8:0::5", 5), ("2001:db8::5", 5)),
        (("::ffff:10.0.0.5", 5), ("10.0.0.5", 5)),
        (("Board.local", 5), ("board.local", 5)),
    ],
)
def test_servers_come_in_one_form(item, server):
    assert answers.servers(packed((item, item))) == [server]
    assert str(Address("rpyc", *server)) == str(Address.parse(str(Address("rpyc", *server))))


def test_thousands_of_servers_are_cut():
    found = answers.servers(packed(tuple(("10.0.0.5", port) for port in range(1, 3000))))
    assert found == [("10.0.0.5", port) for port in range(1, 1001)]


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\0", b"RPYC", b"HTTP/1.1 400 Bad Request\r\n", packed(None), packed("OK"), packed(5), packed(b"x"),
        packed(()) + b"x", packed(("a", "b"))[:-1], b"\x10" * 60_000, b"\x15\xff\xff\xff\xff", b"\xff" * 65_535,
        b"\x17\x00\x01\x00\x00" + b"9" * 65_536,
    ],
)  # fmt: skip
def test_what_can_be_no_answer_is_refused_in_words(answer):
    with pytest.raises(answers.BadAnswerError, match=r"^(something|more)"):
        answers.servers(answer)


@given(st.binary(max_size=2000))
def test_any_bytes_are_servers_or_refused(answer):
    for read in (answers.servers, answers.names):
        try:
            read(answer)
        except answers.BadAnswerError:
            pass


# --- names


def test_names_are_texts_to_be_shown():
    odd = ("SLAVE", 5, "", "a\x1b[2J", None, b"OLD", "SLAVE", "x" * 101, ("CALC",))
    assert answers.names(packed(odd)) == ["SLAVE", "OLD"]
    assert answers.names(packed(())) == []
    assert answers.names(packed(None)) is None
    assert len(answers.names(packed(tuple(f"S{number}" for number in range(5000)))) or ()) == 200


# --- what may be written


@pytest.mark.parametrize(
    ("where", "address"),
    [
        ("host:18861", "host:18861"),
        (" 127.0.0.1:18861 ", "127.0.0.1:18861"),
        ("[::1]:18861", "[::1]:18861"),
        ("rpyc://host:5", "host:5"),
        ("rpyc://host", "host:18812"),
        ("unix:///tmp/s", "unix:///tmp/s"),
        ("unix:/tmp/s", "unix:///tmp/s"),
    ],
)
def test_an_address_is_an_address(where, address):
    assert [str(found) for found in names.meant(where).locate()] == [address]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("localhost", '"localhost:18861"'),
        ("LocalHost", ":18861"),
        ("192.168.43.44", '"192.168.43.44:18861"'),
        ("pi.local", '"service:pi.local"'),
        ("::1", r'"\[::1\]:18861"'),
        ("18861", '"localhost:18861"'),
        ("", "empty|names no host"),
        ("host:port", "port must be a number"),
        ("service:", "service:SLAVE"),
        ("service:  ", "service:SLAVE"),
        ("service://SLAVE", "service:SLAVE"),
        ("SERVICE:a/b", "service:SLAVE"),
        ("service:\x1b[2J", "service:SLAVE"),
        ("service:" + "x" * 200, "service:SLAVE"),
        ("a b\x00", "names no service"),
        ("http://host", "web page"),
        (5, "text in quotes"),
        (None, "text in quotes"),
    ],
)
def test_what_names_no_service_is_a_sentence(where, words):
    with pytest.raises(errors.AddressError, match=words) as caught:
        names.meant(where)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("place", ["http://a", "a b", "host:0", "host:99999", "", "tcp://", "udp://a:b:c", 5, "\x1b"])
def test_what_is_no_registrys_place_is_a_sentence(place):
    with pytest.raises(errors.AddressError, match="registry's place"):
        registry.discover("SLAVE", registry=place)


@pytest.mark.parametrize("name", ["service:SLAVE", "a:b", "a/b", "", " ", "x" * 101, "a\nb", 5, b"SLAVE"])
def test_what_is_no_name_is_a_sentence(name):
    with pytest.raises(errors.AddressError):
        registry.discover(name, registry="127.0.0.1:1")


@pytest.mark.parametrize(("written", "name"), [("slave", "SLAVE"), (" My Service ", "MY SERVICE"), ("größe", "GRÖSSE")])
def test_names_are_without_case(written, name):
    assert names.check_name(written) == Address.parse(f"Service:{written}").host == name
