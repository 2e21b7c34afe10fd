"""The file of saved machines: written whole, read by whoever connects, and never half of two writers."""

import os
import stat
import subprocess
import sys
import textwrap

import pytest

from rpyc_kernel.errors import AddressError, ArgumentError, HostsFileError
from rpyc_kernel.hosts import file, recent
from rpyc_kernel.hosts.saved import SavedHost
from rpyc_kernel.hosts.target import Target, find
from rpyc_kernel.transport.address import Address

pytestmark = pytest.mark.usefixtures("private_jupyter")
PI = SavedHost("pi", "10.0.0.5:18812", "/opt/python", env={"A": "1"})


def broken(text="[pi]\naddress = \n"):
    file.path().parent.mkdir(exist_ok=True)
    file.path().write_text(text, encoding="utf-8")
    return text


def test_a_machine_is_added_found_and_removed():
    assert file.load() == {}
    file.add(PI)
    assert file.load() == {"pi": PI}
    with pytest.raises(ArgumentError, match=r"10\.0\.0\.5:18812.*--replace"):
        file.add(SavedHost("pi", "other"))
    file.add(SavedHost("pi", "other"), replace=True)
    assert file.remove("pi").address == "other"
    with pytest.raises(ArgumentError, match="No machine is saved as pi"):
        file.remove("pi")
    assert file.load() == {}


@pytest.mark.needs("posix")
def test_only_the_user_may_read_it():
    os.umask(os.umask(0o022))
    file.add(PI)
    file.path().chmod(0o644)
    file.add(SavedHost("lab", "lab"))
    assert stat.S_IMODE(file.path().stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path().parent.stat().st_mode) == 0o700


@pytest.mark.needs("posix")
def test_a_link_of_the_users_stays_one(tmp_path):
    real = tmp_path / "dotfiles.toml"
    real.write_text("# mine\n")
    file.path().parent.mkdir()
    file.path().symlink_to(real)
    file.add(PI)
    assert file.path().is_symlink()
    assert real.read_text().startswith("# mine\n")
    assert "10.0.0.5" in real.read_text()


def test_a_broken_file_stays_as_it_is():
    text = broken()
    for change in (lambda: file.add(PI), lambda: file.remove("pi"), file.load):
        with pytest.raises(HostsFileError, match=r"hosts\.toml, line 2: invalid value\. Mend it"):
            change()
    assert file.path().read_text() == text
    assert [each.name for each in file.path().parent.iterdir() if each.suffix == ".new"] == []


def test_what_is_no_text_or_too_long_is_refused():
    broken()
    file.path().write_bytes(b"[pi]\naddress = '\xff'\n")
    with pytest.raises(HostsFileError, match="line 2: that is no UTF-8"):
        file.load()
    file.path().write_bytes(b"#" * (file.MAX_FILE_BYTES + 1))
    with pytest.raises(HostsFileError, match="more than 1 MiB"):
        file.load()
    file.path().unlink()
    file.path().mkdir()
    with pytest.raises(HostsFileError, match="can't be read"):
        file.load()


def test_where_nothing_can_be_written_that_is_said(monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    file.add(PI)
    monkeypatch.setattr(file, "write_file", full)
    with pytest.raises(HostsFileError, match=r"can't be written \(No space left on device\)"):
        file.add(SavedHost("lab", "lab"))
    assert list(file.load()) == ["pi"]


def test_two_writers_lose_nothing():
    code = """
        import sys
        from rpyc_kernel.hosts import file
        from rpyc_kernel.hosts.saved import SavedHost
        for number in range(20):
            file.add(SavedHost(f"{sys.argv[1]}{number}", "pi"))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert sorted(file.load()) == sorted(f"{name}{number}" for name in "abc" for number in range(20))


@pytest.mark.needs("posix")
def test_a_lock_that_somebody_holds_is_waited_for_and_then_told_of(monkeypatch):
    monkeypatch.setattr(file, "LOCK_TIMEOUT_S", 0.1)
    file.add(PI)
    with file._locked(file.path()), pytest.raises(HostsFileError, match="another program"):
        file.add(SavedHost("lab", "lab"))
    assert list(file.load()) == ["pi"]


# --- what a text means


def test_a_saved_name_goes_before_a_host_of_that_name():
    file.add(PI)
    assert find("PI ") == Target(Address("rpyc", "10.0.0.5", 18812), {"python": "/opt/python", "env": {"A": "1"}}, "pi")
    assert find("pi:18812") == Target(Address("rpyc", "pi", 18812), {})
    assert find("lab") == Target(Address("rpyc", "lab", 18812), {})


def test_what_is_typed_goes_before_what_is_saved():
    file.add(PI)
    assert find("pi").config({"python": "py", "env": {"B": "2"}}) == {"python": "py", "env": {"A": "1", "B": "2"}}
    assert find("pi").config({"env": {"A": "2"}})["env"] == {"A": "2"}
    assert find("lab").config({"cwd": "/srv"}) == {"cwd": "/srv"}
    defaults = {"cwd": "/", "keep": 5, "env": {"A": "0", "B": "0"}}
    assert find("pi").start({"cwd": "/srv"}, defaults) == (
        Address("rpyc", "10.0.0.5", 18812),
        {"keep": 5, "python": "/opt/python", "env": {"A": "1", "B": "0"}, "cwd": "/srv"},
    )
    assert defaults["env"] == {"A": "0", "B": "0"}
    file.add(SavedHost("by-ssh", "ssh://pi", "~/ml"))
    assert str(find("by-ssh").address) == "ssh://pi?python=~/ml"
    address, config = find("by-ssh").start({"python": "/opt/python"}, {"python": "/else"})
    assert (str(address), config) == ("ssh://pi?python=/opt/python", {})


def test_an_address_needs_no_file():
    broken()
    for text in ("pi:18812", "10.0.0.5", "pi.local", "unix:///tmp/s", "localhost", "local:"):
        assert find(text).name == ""
    with pytest.raises(HostsFileError, match="line 2"):
        find("pi")
    with pytest.raises(AddressError):
        find("")


# --- recent addresses


def test_the_newest_is_first_and_few_are_kept():
    for number in range(30):
        recent.note(f"pi:{number + 1}")
    recent.note("pi:20")
    assert recent.load()[:3] == ["pi:20", "pi:30", "pi:29"]
    assert len(set(recent.load())) == recent.MAX_RECENT


@pytest.mark.parametrize("text", ["", "{", "5", '{"a": 1}', "[1, null]", '["\\u001b[2J"]', "[" * 60000])
def test_whatever_stands_there_does_no_harm(text):
    recent.note("pi:1")
    recent._path().write_text(text)
    assert recent.load() == []
    recent.note("pi:2")
    assert recent.load() == ["pi:2"]
