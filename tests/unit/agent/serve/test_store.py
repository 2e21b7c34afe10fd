"""The server's private folder: clients by name, and files that only this user can read."""

from pathlib import Path

import pytest

from rpyc_kernel.agent.serve import store
from rpyc_kernel.agent.serve.store import Clients, is_name

KEY = bytes(range(32))


@pytest.fixture
def clients(tmp_path):
    return Clients(str(tmp_path))


def test_a_client_is_kept_and_forgotten(clients, tmp_path):
    clients.add("ada@laptop", KEY)
    assert (clients.names(), clients.key("ada@laptop")) == (["ada@laptop"], KEY)
    assert (tmp_path / "clients" / "ada@laptop.key").stat().st_mode & 0o777 == 0o600
    assert clients.forget("ada@laptop")
    assert not clients.forget("ada@laptop")
    assert (clients.names(), clients.key("ada@laptop")) == ([], None)


def test_two_of_one_name_get_two(clients):
    for expected in ("student@lab", "student@lab-2", "student@lab-3"):
        name = clients.free_name("student@lab")
        assert name == expected
        clients.add(name, KEY)
    long = "a" * 64
    clients.add(long, KEY)
    assert is_name(clients.free_name(long))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-a", "é", "a" * 65, "a\n"])
def test_what_is_no_name_reaches_no_file(clients, name):
    assert not is_name(name)
    assert clients.key(name) is None
    assert not clients.forget(name)


def test_a_key_that_others_can_read_is_none(clients, tmp_path):
    clients.add("ada", KEY)
    (tmp_path / "clients" / "ada.key").chmod(0o644)
    assert clients.key("ada") is None


@pytest.mark.parametrize("content", [b"", b"xx", b"00", b"\xff" * 64, b"0" * 66])
def test_a_broken_key_is_none(clients, tmp_path, content):
    clients.add("ada", KEY)
    (tmp_path / "clients" / "ada.key").write_bytes(content)
    assert clients.key("ada") is None


def test_a_link_is_not_followed(clients, tmp_path):
    clients.add("ada", KEY)
    (tmp_path / "clients" / "eve.key").symlink_to(tmp_path / "clients" / "ada.key")
    assert clients.key("eve") is None


def test_the_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    home = store.home()
    assert home == str(tmp_path / "rpyc-kernel" / "serve")
    assert Path(home).stat().st_mode & 0o777 == 0o700
    Path(home).chmod(0o755)
    with pytest.raises(PermissionError, match="can be used by others"):
        store.home()


def test_a_link_is_no_folder(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError, match="no folder"):
        store.private_folder(str(tmp_path / "link"))
