"""Addresses: what may be written, what it means, and the sentence for what may not."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import ways
from rpyc_kernel.transport.address import Address, Transport, transport_of

GOOD = {
    # written: (canonical, short name)
    "192.168.43.44": ("192.168.43.44:18812", "192.168.43.44"),
    "  192.168.43.44:18812\n": ("192.168.43.44:18812", "192.168.43.44"),
    "board.local:5000": ("board.local:5000", "board.local:5000"),
    "Board": ("board:18812", "board"),
    "my_board-2": ("my_board-2:18812", "my_board-2"),
    "host.": ("host.:18812", "host."),
    "münchen.example": ("münchen.example:18812", "münchen.example"),
    "rpyc://host:1": ("host:1", "host:1"),
    "RPYC://host/": ("host:18812", "host"),
    "[::1]:18812": ("[::1]:18812", "::1"),
    "::1": ("[::1]:18812", "::1"),
    "[2001:DB8:0::5]": ("[2001:db8::5]:18812", "2001:db8::5"),
    "fe80::1%eth0": ("[fe80::1%eth0]:18812", "fe80::1%eth0"),
    "rpycs://host": ("rpycs://host:18821", "rpycs://host"),
    "rpycs://[::1]:7": ("rpycs://[::1]:7", "rpycs://[::1]:7"),
    "ssh://pi@board": ("ssh://pi@board", "ssh://pi@board"),
    "SSH://pi@MyPi": ("ssh://pi@MyPi", "ssh://pi@MyPi"),
    "rpycs://MyPi": ("rpycs://mypi:18821", "rpycs://mypi"),
    "serial:5000": ("serial:5000", "serial:5000"),
    "ssh://board:2222": ("ssh://board:2222", "ssh://board:2222"),
    "ssh://board": ("ssh://board", "ssh://board"),
    "ssh://board?python=~/ml": ("ssh://board?python=~/ml", "ssh://board?python=~/ml"),
    "ssh://board:22/?python=/a b/ü": ("ssh://board:22?python=/a%20b/%C3%BC", "ssh://board:22?python=/a%20b/%C3%BC"),
    "ssh://[::1]?python=python3.11": ("ssh://[::1]?python=python3.11", "ssh://[::1]?python=python3.11"),
    "docker://ada@Box_1": ("docker://ada@Box_1", "docker://ada@Box_1"),
    "docker://box?python=ml": ("docker://box?python=ml", "docker://box?python=ml"),
    "podman://box/": ("podman://box", "podman://box"),
    "adb://": ("adb://", "adb://"),
    "adb://R58M1234": ("adb://R58M1234", "adb://R58M1234"),
    "adb://10.0.0.7:5555": ("adb://10.0.0.7:5555", "adb://10.0.0.7:5555"),
    "local:?python=/opt/py": ("local:?python=/opt/py", "local:?python=/opt/py"),
    "[fe80::1%25eth0]:18812": ("[fe80::1%eth0]:18812", "fe80::1%eth0"),
    "ssh://[fe80::1%eth0]": ("ssh://[fe80::1%eth0]", "ssh://[fe80::1%eth0]"),
    "xn--mnchen-3ya.example": ("münchen.example:18812", "münchen.example"),
    "ssh://me@XN--MNCHEN-3YA.example": ("ssh://me@münchen.example", "ssh://me@münchen.example"),
    "unix:///run/user/1000/s.sock": ("unix:///run/user/1000/s.sock", "unix:///run/user/1000/s.sock"),
    "unix:/tmp/s": ("unix:///tmp/s", "unix:///tmp/s"),
    "local:": ("local:", "this machine"),
    "LOCAL:": ("local:", "this machine"),
    "local": ("local:18812", "local"),
    "unix": ("unix:18812", "unix"),
    "http:80": ("http:80", "http:80"),
    "service:slave": ("service:SLAVE", "service:SLAVE"),
    " Service: my own ": ("service:MY OWN", "service:MY OWN"),
}

BAD = {
    # written: what the sentence must have
    "": "empty",
    "   ": "empty",
    ":18812": "Did you mean",
    "18812": 'Did you mean "localhost:18812"',
    "host:": "1 to 65535",
    "host:0": "1 to 65535",
    "host:65536": "1 to 65535",
    "host:-1": "1 to 65535",
    "host:+80": "1 to 65535",
    "host:٣": "1 to 65535",  # a digit, but not one of ours
    "host:http": "1 to 65535",
    "a:b:c": "IPv6",
    "1.2.3.4:5:6": "IPv6",
    "[host]:5": "brackets",
    "[::1": "",
    "[::1]5": "",
    "[]:5": "brackets",
    "1.2.3": "IPv4",
    "300.1.1.1": "IPv4",
    "http://host:8888": "web page",
    "https://host/lab": "web page",
    "ftp://host": "ftp://",
    "telnet:host": "1 to 65535",
    "serial:/dev/ttyUSB0": "USB gadget",
    "serial:COM3": "PPP",
    "serial:": "PPP",
    "serial:///dev/ttyUSB0": "ssh://user@host",
    "my host": "space",
    "host\x00": "control",
    "ho\x1bst": "control",
    "host/path": "no host name",
    "-host": "no host name",
    "a..b": "no host name",
    "host?x": "no host name",
    "x" * 64: "no host name",
    ".".join(["a" * 60] * 5): "too long",
    "user@host": "a user",
    "rpyc://user@host": "a user",
    "ssh://-oProxyCommand=x@host": "user name",
    "ssh://": "names no host",
    "ssh://me:word@board": "ssh logs in by a key",
    "ssh://board?user=x": 'the only option of an address is "?python=PATH"',
    "ssh://board?python=": "names no Python",
    "ssh://board?python=-c": "names no Python",
    "ssh://board?python=a%0Ab": "names no Python",
    "ssh://board?python=a b": "neither a path nor the name",
    "ssh://board?python=a;b": "neither a path nor the name",
    "ssh://board?python=/a&x=y": "the only option",
    "board?python=/a": "no host name",
    "ssh://@": "user name",
    "rpyc://": "names no host",
    "unix://": "whole path",
    "unix:relative": "whole path",
    "unix:///" + "x" * 110: "107",
    "unix:///\ud800": "",
    "\ud800": "",
    "local:?python=": "names no Python",
    "xn--99999999": "no host name",
    "local:x": "1 to 65535",
    "local://": "no way to local://",
    "wss://host": "web page",
    "service:": "names no service",
    "service://SLAVE": "names no service",
    "service:SLAVE:1": "names no service",
}


@pytest.mark.parametrize(("written", "expected"), GOOD.items())
def test_good_addresses(written, expected):
    address = Address.parse(written)
    assert (str(address), address.display) == expected
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(("written", "part"), BAD.items())
def test_bad_addresses_get_one_sentence(written, part):
    with pytest.raises(AddressError) as caught:
        Address.parse(written)
    said = str(caught.value)
    assert part in said
    assert said[0] in "'\"A" or said.startswith("The address")
    assert said.endswith(('."', ".", '"')), said
    assert len(said) < 400
    assert "\n" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize("written", BAD)
def test_what_a_sentence_recommends_can_be_dialled(written):
    with pytest.raises(AddressError) as caught:
        Address.parse(written)
    _wrong, _write, recommended = str(caught.value).partition("Write ")
    for address in re.findall('"([^"]*)"', recommended):
        Address.parse(address.replace("host:port", "host:1"))


NAMED = re.compile(r"""\b([a-z]+://(?:\[[\w:%.@]+\]|{[^}]*}|[^\s"'`\\)(<>\[\]|,;…*#])*)""")


def named_addresses():
    """Every address with a scheme of ours that a message, the help or a page names, and where."""
    root = Path(__file__).parents[3]
    schemes = {path.stem for path in Path(ways.__file__).parent.glob("[a-z]*.py")} - {"http"}
    for path in [
        *root.glob("src/**/*.py"),
        *root.glob("*.md"),
        *root.glob("docs/*.md"),
        *root.glob("examples/*.ipynb"),
    ]:
        for named in NAMED.findall(path.read_text(encoding="utf-8")):
            scheme, _colon, rest = named.rstrip(".:/\\").partition("://")
            if scheme == "rpyc" and "/" in rest.strip("/"):
                continue  # a path on a machine, as fsspec has them
            if scheme in schemes:
                yield f"{scheme}://{re.sub('{.*?}', 'x', rest)}", path.name


def test_whatever_is_recommended_can_be_dialled():
    found = list(named_addresses())
    assert len(found) > 30
    for address, _where in found:
        scheme, _colon, rest = address.partition("://")
        assert type(transport_of(scheme)).open_socket is not Transport.open_socket
        for placeholder, example in (
            ("[user@]", ""),
            ("[:port]", ""),
            ("[:8786]", ""),
            ("[?resources=GPU:1]", "?resources=GPU:1"),
            ("[serial]", ""),
            (":port", ":1"),
            ("%s", "/x"),
            ("用户@主机", "u@h"),
        ):
            rest = rest.replace(placeholder, example)
        if rest:
            Address.parse(f"{scheme}://{rest}")


@pytest.mark.parametrize("written", [None, 18812, b"host", ["host"], object()])
def test_only_text_is_an_address(written):
    with pytest.raises(AddressError, match="text in quotes"):
        Address.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "ssh://me:hunter2@host",
        "me:hunter2@host",
        "rpyc://me:hunter2@host:99999",
        "http://me:hunter2@host",
        "me:hunter2@",
    ],
)
def test_a_password_is_refused_and_never_repeated(written):
    with pytest.raises(AddressError) as caught:
        Address.parse(written)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "loopback"),
    [("localhost", True), ("127.0.0.9:1", True), ("::1", True), ("a.localhost", True), ("local:", True),
     ("unix:///s", True), ("10.0.0.1", False), ("localhost.evil.example", False), ("ssh://pi@localhost", True)],
)  # fmt: skip
def test_loopback_is_known_by_the_text_alone(written, loopback):
    assert Address.parse(written).is_loopback is loopback


def test_fields():
    assert Address.parse("ssh://pi@board:22") == Address("ssh", "board", 22, user="pi")
    assert Address.parse("unix:///a") == Address("unix", path="/a")
    assert Address.parse("board") == Address("rpyc", "board", 18812)
    assert hash(Address.parse("board")) == hash(Address.parse("rpyc://BOARD:18812"))


# --- whatever is written

_SCHEMES = ["ssh://", "rpycs://", "docker://", "adb://", "unix:", "local:", "service:", "odd://", "http://"]
_SIGNS = ["@", ":", "/", "?", "[", "]", "%25", "%", "?python=", "xn--", "~", "-", ".", "\x00", "\ud800", " ", "\n"]
_HOSTS = ["::1", "fe80::1%eth0", "host", "münchen", "10.0.0.1", "18812"]
PIECES = st.sampled_from([*_SCHEMES, *_SIGNS, *_HOSTS])
TEXTS = st.text() | st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join)


def is_read_or_refused(written):
    """It is an address whose text means itself, or an AddressError of one line."""
    try:
        address = Address.parse(written)
    except AddressError as error:
        said, address = str(error), None
    if address is None:
        assert "\n" not in said
        assert len(said) < 600
        return
    assert Address.parse(str(address)) == address
    assert str(Address.parse(str(address))) == str(address)
    assert "\n" not in address.display


@given(TEXTS)
def test_any_text_is_an_address_or_refused_in_a_sentence(written):
    is_read_or_refused(written)


@pytest.mark.fuzz
@settings(max_examples=100_000, deadline=None)
@given(TEXTS)
def test_any_text_for_longer(written):
    is_read_or_refused(written)
