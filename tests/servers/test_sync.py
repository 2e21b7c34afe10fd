"""A folder in a real session becomes like one here."""

from __future__ import annotations

import os
import threading

import pytest

from rpyc_kernel.errors import TransferError
from rpyc_kernel.files import changes as changing
from rpyc_kernel.files.sync import FolderSync
from tests.faults.proxy import Proxy
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.test_files import about, lies, tree

TIME = 1_500_000_000_000_000_000


@pytest.fixture(scope="module")
def session():
    with start_server() as server, Session(server.address) as session:
        yield session


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def there(session, tmp_path):
    """The session's folder."""
    folder = tmp_path / "there"
    folder.mkdir()
    session.run(f"import os, sys; os.chdir({str(folder)!r})")
    return folder


def syncs(session, folder, target=None, *, dry=False, **more):
    return FolderSync(str(folder), target, **more).run(session, "pi", threading.Event(), dry=dry)


def sent(synced):
    return sorted(change.entry.name for change in synced.changes.send if change.entry.kind == "f")


def test_only_what_has_changed_goes_over(session, here, there):
    tree(here)
    first = syncs(session, here)
    assert about(there / "project") == about(here)
    assert str(first).startswith(f"pi:{there}/project is like {here}: 8 files (5 MB) sent, ")
    again = syncs(session, here)
    assert again.idle
    assert ": 6 the same, " in str(again)
    (here / "a" / "small.txt").write_text("other")
    os.utime(here / "run", ns=(TIME, TIME))
    (here / "a" / "new").write_text("new")
    third = syncs(session, here)
    assert sent(third) == ["a/new", "a/small.txt"]
    assert {change.entry.name: change.why for change in third.changes.send}["a/small.txt"] == "other contents"
    assert [entry.name for entry in third.changes.touch] == ["run"], "the same contents, another time"
    assert (there / "project" / "run").stat().st_mtime_ns == TIME
    assert (there / "project" / "a" / "small.txt").read_text() == "other"


def test_what_is_not_here_stays_unless_it_is_to_go(session, here, there):
    tree(here)
    syncs(session, here)
    away = there / "project"
    (away / "old" / "deep").mkdir(parents=True)
    (away / "old" / "deep" / "x").write_text("")
    (away / "half" / "__pycache__").mkdir(parents=True)
    (away / "half" / "__pycache__" / "x").write_text("")
    (away / "half" / "y").write_text("")
    (away / "x.log").write_text("")
    (here / ".gitignore").write_text("*.log\n")
    syncs(session, here)
    assert (away / "old" / "deep" / "x").exists()
    dry = syncs(session, here, delete=True, dry=True)
    removed = [(change.entry.name, change.why) for change in dry.changes.remove]
    assert removed == [(name, "not here") for name in ("old/deep/x", "old/deep", "old", "half/y")]
    assert (away / "old" / "deep" / "x").exists()
    done = syncs(session, here, delete=True)
    assert ": 4 removed, 7 the same, " in str(done)
    assert not (away / "old").exists()
    assert (away / "half" / "__pycache__" / "x").exists(), "what stays behind here is left alone there"
    assert (away / "x.log").exists()


def test_a_dry_run_says_what_why_and_where_and_changes_nothing(session, here, there):
    (here / "a.py").write_text("1")
    (here / "sub").mkdir()
    text = str(syncs(session, here, dry=True))
    assert text.splitlines() == [
        f"{here} would go to pi:{there}/project:",
        "  send    a.py (1 B): new",
        "  send    sub/: new",
        "1 file to send (1 B), 0 to remove, 0 the same.",
    ]
    assert list(there.iterdir()) == []
    up = str(syncs(session, here, "x/../../aside", dry=True))
    assert up.startswith(f"{here} would go to pi:{there.parent}/aside:\n")


def test_a_folder_where_a_file_was(session, here, there):
    (here / "a").mkdir()
    (here / "a" / "x").write_text("x")
    (here / "b").write_text("b")
    away = there / "project"
    (away / "b" / "c").mkdir(parents=True)
    (away / "b" / "c" / "y").write_text("y")
    (away / "a").write_text("file")
    with pytest.raises(TransferError, match=r"has files where folders are here.* --delete replaces them"):
        syncs(session, here)
    syncs(session, here, delete=True)
    assert about(away).keys() == about(here).keys()
    assert (away / "b").read_text() == "b"


@pytest.mark.parametrize("target", ["~", "/", "..", "."])
def test_home_folders_are_not_emptied(session, here, there, target):
    session.run(f"os.environ['HOME'] = {str(there)!r}")
    (there / "precious").write_text("kept")
    (here / "x").write_text("x")
    with pytest.raises(TransferError, match="is the home folder, or has it in it"):
        syncs(session, here, target, delete=True)
    assert (there / "precious").read_text() == "kept"
    assert not (there / "x").exists()


def test_limits(session, here, there):
    for number in range(12):
        (here / str(number)).write_bytes(bytes(900_000))
    (here / "large").write_bytes(bytes(1_000_001))
    with pytest.raises(TransferError, match=r"11 MB would go to pi, more than 10 MB. --max 2M allows that"):
        syncs(session, here, max_file=1_000_000)
    assert not (there / "project").exists()
    done = syncs(session, here, max_file=2_000_000)
    assert done.changes.left_out == []
    (here / "0").unlink()
    done = syncs(session, here, max_file=1_000_000, delete=True)
    assert done.changes.left_out == ["large was left out: it has 1 MB, and --max is 1 MB."]
    assert (there / "project" / "large").exists()
    assert not (there / "project" / "0").exists()


def test_what_lies_too_deep_is_told(session, here, there):
    path = here
    for _number in range(201):
        path /= "d"
        path.mkdir()
    (path / "x").touch()
    (here / "top").touch()
    done = syncs(session, here)
    assert done.changes.left_out == [f"{'d/' * 200}d was left out: it is in more than 200 folders."]
    assert str(done).endswith("/d was left out: it is in more than 200 folders.")
    assert (there / "project" / "top").exists()


def test_of_a_large_file_only_the_blocks_that_differ_travel(here, there):
    data = bytearray(os.urandom(20_000_000))
    (here / "large").write_bytes(data)
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        syncs(session, here, str(there / "project"))
        data[5_000_000:5_000_010] = b"0123456789"
        (here / "large").write_bytes(data + b"more")
        before = proxy.up
        syncs(session, here, str(there / "project"))
        assert proxy.up - before < 3 << 20
    assert (there / "project" / "large").read_bytes() == (here / "large").read_bytes()
    assert [path.name for path in (there / "project").iterdir()] == ["large"]


def test_a_file_that_was_touched_does_not_travel(here, there):
    (here / "large").write_bytes(os.urandom(20_000_000))
    for number in range(600):
        (here / str(number)).write_bytes(os.urandom(2000))
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        syncs(session, here, str(there / "project"))
        for path in here.iterdir():
            os.utime(path, ns=(TIME, TIME))
        before = proxy.up
        done = syncs(session, here, str(there / "project"))
        assert proxy.up - before < 500_000
    assert (len(done.changes.touch), sent(done), done.changes.same) == (601, [], 601)
    assert about(there / "project").keys() == about(here).keys()
    assert (there / "project" / "0").stat().st_mtime_ns == TIME


def test_imports_find_it(session, here, there):
    (here / "synced_module.py").write_text("value = 1")
    syncs(session, here)
    assert session.run("import synced_module; synced_module.value")[0] == "1"
    (here / "synced_late.py").write_text("value = 2")
    syncs(session, here)
    assert session.run("import synced_late; synced_late.value")[0] == "2"
    package = here / "synced_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "random.py").write_text("raise RuntimeError")
    session.run("os.mkdir('elsewhere')")
    syncs(session, package, "elsewhere/synced_package")
    assert session.run("import synced_package, random; print(synced_package.__file__, random.random() < 1)")[0] == (
        f"{there}/elsewhere/synced_package/__init__.py True\n"
    )


def test_what_is_no_folder_is_told(session, here, there):
    (here / "x").write_text("")
    (there / "project").write_text("a file")
    with pytest.raises(TransferError, match=r"there is no folder .*x but a file\."):
        syncs(session, here / "x")
    with pytest.raises(TransferError, match="project is a file, and no folder can take its place"):
        syncs(session, here)


def test_a_file_that_changes_meanwhile_is_told(session, here, there, monkeypatch):
    (here / "x").write_text("old")
    syncs(session, here)
    (here / "x").write_text("new")
    compare = changing.compare

    def change(*args):
        found = compare(*args)
        (here / "x").write_text("newer")
        return found

    monkeypatch.setattr("rpyc_kernel.files.sync.compare", change)
    with pytest.raises(TransferError, match="x changed while it was read"):
        syncs(session, here)
    assert (there / "project" / "x").read_text() == "old"


def test_home_folders_of_windows_are_not_emptied(here, there):
    """Its paths have backslashes, and the disks of a home and of a folder are compared all the same."""
    (here / "x").write_text("x")
    with start_server() as server, Session(server.address) as session:
        lies(
            session,
            "real: answer['path'] = {'~': 'C:\\\\Users\\\\pi', '/': 'C:\\\\'}.get(header['name'], 'C:\\\\Users')",
        )
        with pytest.raises(TransferError, match="C:/Users is the home folder, or has it in it"):
            syncs(session, here, str(there), delete=True)
