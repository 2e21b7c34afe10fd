"""``rpycs://``: pairing with our own server once, and every connection afterwards, on several Pythons."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from rpyc_kernel.agent.serve.certificate import own_certificate, shown
from rpyc_kernel.agent.serve.store import is_name
from rpyc_kernel.errors import (
    CertificateChangedError,
    DialCancelledError,
    NobodyListeningError,
    NotAdmittedError,
    NotPairedError,
    NotRpycError,
    PairingError,
    SilentServerError,
)
from rpyc_kernel.transport import paired, proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.deadline import Deadline
from tests.needs import needs, pythons
from tests.servers.paired_server import PairedServer, paired_server
from tests.servers.venvs import CURRENT_PYTHON, venv


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """This user's folder for data."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def server(tmp_path):
    with paired_server(venv(), tmp_path / "there" / "serve") as running:
        yield running


def pair(server: PairedServer, code: str | None = None) -> paired.Pairing:
    return proving.pair(server.address, code or server.codes.show(), Deadline(20))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("python", pythons("3.7", "3.8", CURRENT_PYTHON, "3.13"))
def test_a_code_once_and_then_nothing(tmp_path, data, python):
    """The server needs nothing but that Python: no rpyc."""
    with paired_server(needs(f"python{python}"), tmp_path / "there") as server:
        pairing = pair(server, server.codes.show().lower().replace("-", " "))
        for _ in range(2):
            with open_broker(server.address) as broker:
                assert broker.hello["python"].startswith(f"{python}.")
        assert server.clients.names() == [pairing.name]
        assert server.event("admitted")["client"] == pairing.name
    for folder in (data, tmp_path / "there"):
        assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


def test_who_pairs_again_has_one_secret(server, data):
    stranger = "eve@laptop"
    server.clients.add(stranger, bytes(32))
    first = pair(server)
    with pytest.raises(PairingError):
        pair(server, "0000-0000-0000-0000")
    assert server.clients.names() == sorted([first.name, stranger])  # a pairing that fails changes nothing
    second = pair(server)
    assert server.event("left")["client"] == first.name
    assert server.clients.names() == sorted([second.name, stranger])
    assert (len(files(data)), second.key != first.key) == (1, True)
    with open_broker(server.address) as broker:
        assert broker.hello
    assert pair(server).name == first.name


def test_an_unpaired_server_is_a_sentence_with_the_line_to_run(server):
    with pytest.raises(
        NotPairedError, match=rf"serve --pair there .*: %pair (127\.0\.0\.1:{server.port}) .*rpyc-kernel pair \1\)$"
    ):
        open_broker(server.address)


def test_a_server_that_is_known_needs_no_pairing_for_another_name(server, monkeypatch):
    """A board has another IP address each day; its certificate tells which one it is."""
    pair(server)
    other = Address.parse(f"rpycs://localhost:{server.port}")
    with open_broker(other) as broker:
        assert broker.hello


def test_a_client_that_was_forgotten_is_told_so(server):
    pairing = pair(server)
    assert server.clients.forget(pairing.name)
    with pytest.raises(NotAdmittedError, match=rf"does not know {pairing.name} any more.*%pair"):
        open_broker(server.address)


def test_a_board_that_was_imaged_anew(tmp_path, data):
    """It has another certificate: refused, with both fingerprints and the line to run, which then works."""
    with paired_server(venv(), tmp_path / "first") as first:
        pair(first)
        old = paired.find(first.address)
        port = first.port
    with paired_server(venv(), tmp_path / "second", "", "", "", str(port)) as second:
        kept = files(data)
        with pytest.raises(CertificateChangedError) as refused:
            open_broker(second.address)
        now = shown(own_certificate(str(tmp_path / "second")).fingerprint)
        for part in (shown(old.fingerprint), now, "serve --pair", f"%pair 127.0.0.1:{port}", str(second.address)):
            assert part in str(refused.value)
        assert files(data) == kept
        pair(second)
        with open_broker(second.address) as broker:
            assert broker.hello


def test_two_boards_that_have_changed_places(tmp_path):
    with paired_server(venv(), tmp_path / "first") as first:
        pair(first)
        first_address = first.address
    with paired_server(venv(), tmp_path / "second", "", "", "", "0") as second:
        pair(second)
        second_address = second.address
    with (
        paired_server(venv(), tmp_path / "second", "", "", "", str(first_address.port)),
        pytest.raises(CertificateChangedError, match=f"which is that of {second_address}"),
    ):
        open_broker(first_address)


# --- what fails at pairing changes nothing


@pytest.mark.parametrize("code", ["", "K7QF-9M2X-T4HD", "not a code at all!"])
def test_what_is_no_code_reaches_no_network(code):
    with pytest.raises(PairingError, match="16 letters and digits"):
        proving.pair(Address.parse("rpycs://127.0.0.1:1"), code, Deadline(20))


def test_five_wrong_codes_and_the_right_one_is_none_any_more(server, data):
    right = server.codes.show()
    for number in range(5):
        with pytest.raises(PairingError, match="not the one that it shows, or somebody stands between"):
            pair(server, "0000-0000-0000-0000")
        assert server.event("refused") == {
            "event": "refused",
            "peer": server_peer(server),
            "reason": "it doesn't know the pairing code",
            "failures": number + 1,
        }
    with pytest.raises(PairingError, match="no code that is good now"):
        pair(server, right)
    assert (files(data), server.clients.names()) == ([], [])


def server_peer(server: PairedServer) -> str:
    return str(json.loads(server.lines[-1])["peer"])


def test_a_code_is_good_for_one_client(server):
    code = server.codes.show()
    pair(server, code)
    with pytest.raises(PairingError, match="no code that is good now"):
        pair(server, code)


def test_two_clients_pair_at_once_and_one_gets_in(server, data):
    code, results, start = server.codes.show(), [], threading.Barrier(4)

    def attempt():
        start.wait(10)
        try:
            results.append(pair(server, code).name)
        except PairingError:
            results.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results.count("refused") == 3
    assert len(server.clients.names()) == 1
    with open_broker(server.address) as broker:
        assert broker.hello


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own that has room for nothing more."""
    mount, folder = needs("tmpfs"), tmp_path / "disk"
    folder.mkdir()
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(folder)], check=True)

    def fill():
        with (folder / "filler").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

    yield folder, fill
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_here(server, small_disk, monkeypatch):
    folder, fill = small_disk
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    fill()
    code = server.codes.show()
    with pytest.raises(
        PairingError, match=r"can't be kept in .* \(No space left on device\); nothing was changed there"
    ):
        pair(server, code)
    server.event("refused")
    assert (files(folder), server.clients.names()) == (["filler"], [])
    (folder / "filler").unlink()
    pair(server, code)  # the code is still good


def test_a_full_disk_there(small_disk, data):
    folder, fill = small_disk
    with paired_server(venv(), folder / "serve") as server:
        code = server.codes.show()
        fill()
        with pytest.raises(PairingError, match=r"its disk is full.*Nothing was changed here either"):
            pair(server, code)
        assert "No space left on device" in server.event("refused")["reason"]
        assert (files(data), server.clients.names()) == ([], [])
        (folder / "filler").unlink()
        pair(server, code)


@pytest.mark.parametrize("name", ["paired", "clients"])
def test_a_read_only_home(server, data, small_disk, name, monkeypatch):
    """At either end. root writes into folders of any mode, but not into a file system that is read-only."""
    folder, _fill = small_disk
    code = server.codes.show()
    if name == "paired":
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    else:
        subprocess.run([needs("mount"), "--bind", str(folder), str(server.folder / "clients")], check=True)
    place = folder if name == "paired" else server.folder / "clients"
    remount = [needs("mount"), "-o", "remount,bind,ro" if name == "clients" else "remount,ro", str(place)]
    subprocess.run(remount, check=True)
    try:
        with pytest.raises(PairingError, match="Read-only file system" if name == "paired" else "home read-only"):
            pair(server, code)
        assert (files(data), server.clients.names()) == ([], [])
    finally:
        if name == "clients":
            subprocess.run(["umount", "-l", str(place)], check=True)
    if name == "clients":
        pair(server, code)


def test_a_file_that_others_can_read_is_not_used(server, data):
    pair(server)
    (file,) = data.rglob("*.json")
    file.chmod(0o644)
    with pytest.raises(PairingError, match="can be read by others: chmod 600 it"):
        open_broker(server.address)


def test_a_broken_file_is_a_sentence(server, data):
    pair(server)
    (file,) = data.rglob("*.json")
    for content in (
        b"",
        b"[]",
        b'{"name": 1}',
        b"\xff",
        json.dumps({**json.loads(file.read_text()), "key": "00"}).encode(),
    ):
        file.write_bytes(content)
        with pytest.raises(PairingError, match="is broken"):
            open_broker(server.address)
    pair(server)


# --- what listens there is something else


def test_nobody_listens():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(NobodyListeningError, match=f"rpyc-kernel-agent serve --port {port}$"):
            open_broker(Address.parse(f"rpycs://127.0.0.1:{port}"))


def listening(answer: bytes):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener:
            sock, _peer = listener.accept()
            with sock, contextlib.suppress(ConnectionError):
                sock.recv(4096)
                sock.sendall(answer)
                sock.recv(4096)

    threading.Thread(target=serve, daemon=True).start()
    return Address.parse(f"rpycs://127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", bytes(100)],
    ids=["http", "ssh", "zeros"],
)
def test_it_speaks_no_tls(answer):
    with pytest.raises(NotRpycError, match=r"something else than TLS.*18821"):
        open_broker(listening(answer))


def test_it_says_nothing():
    with pytest.raises(SilentServerError):
        open_broker(listening(b""), timeout=0.5)


def test_the_stop_button_ends_the_waiting():
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(DialCancelledError):
        open_broker(listening(b""), timeout=30, cancel=cancel)


def test_the_name_is_one_that_a_server_takes(monkeypatch):
    for user, node in (("ada", "laptop.local"), ("Ada Lovelace", "möbius"), ("-x", ""), ("a" * 80, "b")):
        monkeypatch.setattr(paired.getpass, "getuser", lambda user=user: user)
        monkeypatch.setattr(paired.platform, "node", lambda node=node: node)
        assert is_name(paired.own_name())
    monkeypatch.setattr(paired.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(paired.platform, "node", lambda: "laptop.local")
    assert paired.own_name() == "ada@laptop"


def test_nothing_of_a_pairing_that_is_secret_is_shown(server):
    pairing = pair(server)
    assert pairing.key.hex() not in repr(pairing)
    assert repr(pairing.key)[2:10] not in repr(pairing)
