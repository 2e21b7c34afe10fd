"""``rpycs://`` with certificates that an authority has signed: RPyC's own server behind TLS, and ours."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from rpyc_kernel.errors import AddressError, CertificateError, NotPairedError, ServerClosedError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.ways.rpycs import files_of, with_files
from tests.needs import needs
from tests.servers.paired_server import paired_server
from tests.servers.rpyc_servers import Server, start_server
from tests.servers.venvs import venv

BEFORE = "import ssl\nfrom rpyc.utils.authenticators import SSLAuthenticator"


class Authority:
    """Signs certificates: for a name, with a key beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.file = str(folder / "ca.pem")
        self._openssl("req", "-x509", "-days", "2", "-subj", "/CN=authority", "-out", self.file, *self._key("ca"))

    def _key(self, name: str) -> list[str]:
        return [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            str(self.folder / f"{name}.key"),
        ]

    def _openssl(self, *arguments: str) -> None:
        subprocess.run([needs("openssl"), *arguments], check=True, capture_output=True, timeout=60)

    def sign(self, name: str, host: str = "", *dates: str) -> tuple[str, str]:
        """Return the files of a certificate and of its key."""
        request, certificate, names = (str(self.folder / f"{name}.{end}") for end in ("csr", "pem", "ext"))
        self._openssl("req", "-new", "-subj", f"/CN={name}", "-out", request, *self._key(name))
        Path(names).write_text(f"subjectAltName={host or 'DNS:' + name}\n")
        signing = ["-CA", self.file, "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial", "-extfile", names]
        self._openssl("x509", "-req", "-in", request, "-out", certificate, *signing, *(dates or ("-days", "2")))
        return certificate, str(self.folder / f"{name}.key")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that neither side knows."""
    return Authority(tmp_path_factory.mktemp("ca") / "strange")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


def address(port: int, cafile: str = "", certificate: tuple[str, str] | None = None) -> Address:
    files = {"cafile": cafile} if cafile else {}
    if certificate:
        files |= {"certfile": certificate[0], "keyfile": certificate[1]}
    return with_files(Address.parse(f"rpycs://localhost:{port}"), files)


def rpycs_own(authority: Authority, certificate: tuple[str, str], rpyc: str = "6.0.2") -> Server:
    options = f"authenticator=SSLAuthenticator({certificate[1]!r}, {certificate[0]!r}, ca_certs={authority.file!r}, "
    return start_server(rpyc=rpyc, before=BEFORE, options=options + "cert_reqs=ssl.CERT_REQUIRED)")


@pytest.mark.parametrize("rpyc", ["6.0.2", "5.3.1"])
def test_rpycs_own_server_with_client_certificates(authority, rpyc):
    with rpycs_own(authority, authority.sign("localhost"), rpyc) as server:
        there = address(server.port, authority.file, authority.sign("ada"))
        with open_broker(there) as broker:
            answer, _buffers = broker.call("hello", {"padding": "x" * 3_000_000}, timeout=60)
            assert answer["python"]
        with pytest.raises(ServerClosedError, match=r"may want a certificate of this machine: .* --certfile"):
            open_broker(address(server.port, authority.file))
        with pytest.raises(NotPairedError):
            open_broker(Address.parse(f"rpycs://localhost:{server.port}"))


def test_our_server_with_client_certificates(authority, stranger, tmp_path):
    """It asks for no pairing then, and lets nobody in whose certificate another authority has signed."""
    served = authority.sign("localhost")
    with paired_server(venv(), tmp_path / "there", authority.file, *served) as server:
        with open_broker(address(server.port, authority.file, authority.sign("ada"))) as broker:
            assert broker.hello["python"]
        assert server.event("admitted")["client"] == "ada"
        with pytest.raises(
            ServerClosedError, match=r"may not accept this machine's certificate, .*eve\.pem: see which"
        ):
            open_broker(address(server.port, authority.file, stranger.sign("eve")))
        assert server.event("refused")["reason"].startswith("TLS: ")
        with pytest.raises(ServerClosedError, match="may want a certificate of this machine"):
            open_broker(address(server.port, authority.file))
        assert server.event("refused")["reason"].startswith("TLS: ")


def refused(there: Address, part: str) -> None:
    with pytest.raises(CertificateError, match=part) as error:
        open_broker(there)
    assert str(there) in str(error.value)


def test_a_server_that_shows_the_wrong_certificate(authority, stranger):
    """Signed by a stranger, for another host, or at another time: nothing is sent to any of them."""
    ours = authority.sign("ada")
    wrong = {
        "certificate verify failed|self-signed|unable to get": stranger.sign("localhost"),
        "Hostname mismatch": authority.sign("board.example"),
        "certificate has expired": authority.sign("localhost", "", "-days", "-1"),
    }
    for part, certificate in wrong.items():
        with rpycs_own(authority, certificate) as server:
            refused(address(server.port, authority.file, ours), part)


def test_an_address_by_number_needs_a_certificate_for_it(authority):
    ours = authority.sign("ada")
    with rpycs_own(authority, authority.sign("board", "IP:127.0.0.1")) as server:
        there = Address.parse(f"rpycs://127.0.0.1:{server.port}")
        files = {"cafile": authority.file, "certfile": ours[0], "keyfile": ours[1]}
        with open_broker(with_files(there, files)) as broker:
            assert broker.hello


def test_the_systems_authorities_are_asked_where_none_is_named(authority):
    with rpycs_own(authority, authority.sign("localhost")) as server:
        refused(address(server.port, "", authority.sign("ada")), "unable to get|self-signed|verify failed")


def test_files_that_cannot_be_used(authority, tmp_path):
    """Each is one sentence. No password is asked for, on no terminal."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    garbage, encrypted = tmp_path / "garbage.pem", tmp_path / "encrypted.key"
    garbage.write_text("no certificate\n")
    certificate, key = authority.sign("ada")
    subprocess.run(
        [needs("openssl"), "ec", "-in", key, "-aes256", "-passout", "pass:hunter2", "-out", str(encrypted)],
        check=True,
        capture_output=True,
    )
    other = authority.sign("bob")[1]
    with listener:
        refused(address(port, str(tmp_path / "missing")), "the cafile can't be used: no such file")
        refused(address(port, str(garbage)), "the cafile can't be used")
        refused(address(port, authority.file, (str(garbage), key)), "certfile or keyfile can't be used")
        refused(
            address(port, authority.file, (certificate, str(encrypted))), "keyfile can't be used: the key is encryp"
        )
        refused(address(port, authority.file, (certificate, other)), "key values mismatch")


# --- such addresses


def test_what_is_written_is_what_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    there = Address.parse("RPYCS://Board?keyfile=~/a%20b.key&certfile=c.pem")
    assert str(there) == f"rpycs://board:18821?certfile={tmp_path}/c.pem&keyfile=/home/ada/a%20b.key"
    assert Address.parse(str(there)) == there
    assert files_of(there) == {"certfile": f"{tmp_path}/c.pem", "keyfile": "/home/ada/a b.key"}
    assert there.display == "rpycs://board"
    assert there.server == ("board", 18821)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rpycs://board?", "no option ''"),
        ("rpycs://board?cafile", "cafile is the path of a file"),
        ("rpycs://board?cafile=", "cafile is the path of a file"),
        ("rpycs://board?cafile=%00", "cafile is the path of a file"),
        ("rpycs://board?cafile=a&cafile=b", "twice"),
        ("rpycs://board?keyfile=a", "which certfile names"),
        ("rpycs://board?password=hunter2", "no option 'password'"),
        ("rpycs://user@board?cafile=a", "user"),
    ],
)
def test_what_is_no_such_address(text, part):
    with pytest.raises(AddressError, match=part) as error:
        Address.parse(text)
    assert "hunter2" not in str(error.value)


def test_other_addresses_take_no_certificates():
    with pytest.raises(AddressError, match="takes no certificates"):
        with_files(Address.parse("board"), {"cafile": "a"})
