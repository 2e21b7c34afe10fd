"""Files to real sessions and back: whole or not at all, through cuts, and never elsewhere than was said."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from rpyc_kernel.errors import AgentError, CopyStoppedError, LinkLost, ProtocolError, TransferError
from rpyc_kernel.files import put as putting
from rpyc_kernel.files.get import get
from rpyc_kernel.files.put import put
from tests import elsewhere
from tests.faults.proxy import Proxy
from tests.kernel.kernels import SOURCE
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.venvs import VERSIONS

ODD = os.fsdecode(b"caf\xe9 \xff")  # no UTF-8
TIME = 1_500_000_000_123_456_000
LARGE = 5_000_011


@pytest.fixture(scope="module")
def session():
    with start_server() as server, Session(server.address) as session:
        yield session


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def sends(session, sources, target, *, cancel=None, **more):
    sources = [str(each) for each in (sources if isinstance(sources, list) else [sources])]
    return put(session, "pi", sources, str(target), cancel or threading.Event(), **more)


def gets(session, sources, target, *, cancel=None, **more):
    sources = [str(each) for each in (sources if isinstance(sources, list) else [sources])]
    return get(session, "pi", sources, str(target), cancel or threading.Event(), **more)


def names(folder: Path):
    """Return the names of what is in a folder, in their order."""
    return sorted(path.name for path in folder.iterdir())


def tree(folder: Path):
    """Make one of each kind of thing."""
    (folder / "a" / "empty").mkdir(parents=True)
    (folder / "a" / "small.txt").write_text("small")
    (folder / "a" / "none").write_bytes(b"")
    (folder / "a" / ODD).write_bytes(b"odd")
    (folder / "a" / "größe ✓").write_bytes(b"name")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "large").write_bytes(os.urandom(LARGE))
    (folder / "link").symlink_to("a/small.txt")
    (folder / "a" / "dangling").symlink_to("nothing")
    for path in (folder / "run", folder / "large", folder / "a", folder):
        os.utime(path, ns=(TIME, TIME))


def about(folder: Path):
    """Return all that is below a folder: kind, mode, time, and what is in it."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        stat = path.lstat()
        what = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        time = None if path.is_symlink() else stat.st_mtime_ns
        found[str(path.relative_to(folder))] = stat.st_mode, time, what
    return found


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_a_tree_goes_there_and_back_by_every_rpyc(rpyc, python, here, there, tmp_path):
    tree(here)
    with start_server(rpyc=rpyc, python=python) as server, Session(server.address) as session:
        copied = sends(session, here, there, recursive=True)
        assert (copied.files, copied.left_out) == (6, ())
        assert about(there / "here") == about(here)
        gets(session, there / "here", tmp_path / "back", recursive=True)
    assert about(tmp_path / "back") == about(here)
    assert str(copied) == f"Copied 6 files (5 MB) to pi:{there} in {copied.seconds:.1f} s."


@pytest.mark.needs("linux")
def test_workers_that_are_spawned(here, there):
    tree(here)
    path = f"{elsewhere.FOLDER}:{SOURCE}"
    with start_server(env={"PYTHONPATH": path}) as server, Session(server.address) as session:
        sends(session, here, there, recursive=True)
    assert about(there / "here") == about(here)


def test_relative_names_begin_in_the_folder_of_the_session(session, here, there, monkeypatch):
    monkeypatch.chdir(here)
    session.run(f"import os; os.chdir({str(there)!r}); os.environ['HOME'] = {str(there)!r}")
    (here / "x.txt").write_text("x")
    (here / "y.txt").write_text("y")
    (there / "sub").mkdir()
    sends(session, "*.txt", "sub")
    assert names(there / "sub") == ["x.txt", "y.txt"]
    sends(session, "x.txt", "renamed.txt")
    sends(session, "x.txt", "~/sub/z")
    assert (there / "renamed.txt").read_text() == (there / "sub" / "z").read_text() == "x"
    gets(session, "sub/[yz]*", ".")
    assert names(here) == ["x.txt", "y.txt", "z"]
    gets(session, "renamed.txt", "other")
    assert (here / "other").read_text() == "x"


def test_while_a_cell_runs(session, here, there):
    (here / "x").write_text("x")
    cwd = Path(session.run("import os, time; os.getcwd()")[0].strip("'"))
    cell = session.start("while not os.path.exists('stop'): time.sleep(0.01)")
    sends(session, here / "x", there)
    sends(session, here / "x", cwd / "stop")
    session.until("execute_reply", cell)
    assert (there / "x").read_text() == "x"
    (cwd / "stop").unlink()


@pytest.mark.needs("linux")
def test_holes_stay_holes_and_files_may_have_more_than_4_gib(session, here, there):
    path = here / "sparse"
    with path.open("wb") as file:
        file.seek(1 << 20)
        file.write(b"one")
        file.seek(5 << 30)
        file.write(b"two")
        file.truncate((5 << 30) + (10 << 20))
    sends(session, path, there)
    gets(session, there / "sparse", here / "back")
    for copy in (there / "sparse", here / "back"):
        assert copy.stat().st_size == path.stat().st_size
        assert copy.stat().st_blocks * 512 < 3 << 20
        with copy.open("rb") as file:
            file.seek(1 << 20)
            assert file.read(4) == b"one\0"
            file.seek(5 << 30)
            assert file.read(4) == b"two\0"


@pytest.mark.parametrize("way", ["put", "get"])
def test_what_was_cut_goes_on_where_it_stopped(way, here, there):
    """Cut again and again; and nothing is carried twice that had arrived."""
    tree(here)
    (here / "large").write_bytes(os.urandom(12_000_000))
    for number in range(300):
        (here / f"small{number}").write_bytes(os.urandom(2000))
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        done, stop = threading.Event(), []

        def cut() -> None:
            for place in (300_000, 4_000_000, 9_000_000):
                while (proxy.up + proxy.down) < place + sum(stop) and not done.wait(0.001):
                    pass
                stop.append(proxy.cut())

        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            (sends if way == "put" else gets)(session, here, there, recursive=True)
        finally:
            done.set()
            cutting.join()
        carried = max(proxy.up, proxy.down)
    assert about(there / "here") == about(here)
    assert all(stop)
    assert carried < 12_600_000 + 3 * 8_000_000


@pytest.mark.parametrize("way", ["put", "get"])
def test_what_nobody_has_gone_on_with_is_removed_by_the_next_transfer(way, session, here, there):
    (here / "large").write_bytes(bytes(100_000))
    old, young = there / ".rpyc-kernel-0ld.part", there / ".rpyc-kernel-y0ung.part"
    for each in (old, young):
        each.touch()
    os.utime(old, (1, 1))
    (sends if way == "put" else gets)(session, here / "large", there)
    assert sorted(each.name for each in there.iterdir()) == [young.name, "large"]


@pytest.mark.parametrize("way", ["put", "get"])
def test_what_another_attempt_has_left_is_not_carried_again(way, here, there, monkeypatch):
    """The link is lost for good; done again, the same goes on from there, if what is there has the right hashes."""
    (here / "large").write_bytes(os.urandom(30_000_000))
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        monkeypatch.setattr(Session, "closed", True)
        monkeypatch.setattr(session, "wait_up", gone)
        copy = sends if way == "put" else gets
        cutter = threading.Thread(target=_cut_at, args=(proxy, 10_000_000))
        cutter.start()
        with pytest.raises(LinkLost, match="gone for good"):
            copy(session, here / "large", there / "large")
        cutter.join()
        (part,) = names(there)
        size = (there / part).stat().st_size
        assert size > 2 << 20
        with (there / part).open("r+b") as file:  # what the disk has lost since
            file.seek(size - 100)
            file.write(bytes(100))
        monkeypatch.undo()
        before = proxy.up + proxy.down
        copy(session, here / "large", there / "large")
        assert proxy.up + proxy.down - before < 30_000_000 - size + (3 << 20)
    assert names(there) == ["large"]
    assert (there / "large").read_bytes() == (here / "large").read_bytes()


def gone(_cancel):
    raise LinkLost("pi", "gone for good")


def _cut_at(proxy: Proxy, place: int) -> None:
    end = threading.Event()
    while proxy.up + proxy.down < place and not end.wait(0.001):
        pass
    proxy.cut()


@pytest.mark.parametrize("way", ["put", "get"])
def test_stop_ends_it_and_leaves_nothing_half(way, here, there):
    (here / "large").write_bytes(os.urandom(40_000_000))
    (there / "large").write_text("old")
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        proxy.rate = 20e6
        stop = threading.Event()
        threading.Thread(target=lambda: (_wait_for(proxy, 3_000_000), stop.set())).start()
        with pytest.raises(CopyStoppedError, match=r"Copying was stopped"):
            (sends if way == "put" else gets)(session, here / "large", there, cancel=stop)
        assert names(there) == ["large"]
        assert (there / "large").read_text() == "old"
        assert session.run("1 + 1")[0] == "2"


def _wait_for(proxy: Proxy, place: int) -> None:
    end = threading.Event()
    while proxy.up + proxy.down < place and not end.wait(0.001):
        pass


def test_a_python_that_dies_there_is_replaced_and_the_copy_goes_on(here, there):
    (here / "large").write_bytes(os.urandom(30_000_000))
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        killer = threading.Thread(
            target=lambda: (_wait_for(proxy, 5_000_000), os.kill(session.info["pid"], signal.SIGKILL))
        )
        killer.start()
        sends(session, here / "large", there)
        killer.join()
    assert (there / "large").read_bytes() == (here / "large").read_bytes()
    assert names(there) == ["large"]


@pytest.mark.needs("tmpfs")
@pytest.mark.parametrize("way", ["put", "get"])
@pytest.mark.parametrize("size", [30_000, 3_000_000])
def test_a_full_disk_is_told_and_the_old_file_stays(session, here, there, way, size):
    (here / "x").write_bytes(os.urandom(size))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", str(there)], check=True)
    try:
        (there / "x").write_text("old")
        where = "On .*: " if way == "put" else "Here, "
        with pytest.raises(
            (AgentError, TransferError), match=f"{where}there is no room left on the disk for {there}/x"
        ):
            (sends if way == "put" else gets)(session, here / "x", there)
        assert names(there) == ["x"]
        assert (there / "x").read_text() == "old"
    finally:
        subprocess.run(["umount", str(there)], check=True)


@pytest.mark.needs("tmpfs")
@pytest.mark.parametrize("way", ["put", "get"])
def test_a_disk_that_can_only_be_read_is_told(session, here, there, way):
    (here / "x").write_text("x")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(there)], check=True)
    try:
        with pytest.raises(TransferError, match=f"{there}/x is on a disk that can only be read"):
            (sends if way == "put" else gets)(session, here / "x", there)
    finally:
        subprocess.run(["umount", str(there)], check=True)


@pytest.mark.parametrize("way", ["put", "get"])
@pytest.mark.parametrize("size", [3000, 3_000_000])
def test_a_file_that_changes_meanwhile_is_told_and_the_target_stays(session, here, there, way, size, monkeypatch):
    path = here / "x"
    path.write_bytes(os.urandom(size))
    (there / "x").write_text("old")
    look = putting.Plan.add

    def change(plan, copy):
        look(plan, copy)
        os.utime(path, ns=(TIME, TIME))

    monkeypatch.setattr(putting.Plan, "add", change)
    with pytest.raises((TransferError, AgentError), match="x changed while it was read"):
        (sends if way == "put" else gets)(session, path, there)
    assert names(there) == ["x"]
    assert (there / "x").read_text() == "old"


def test_what_cannot_be_copied_is_told(session, here, there):
    tree(here)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(here / "a" / "socket"))
        copied = sends(session, here, there, recursive=True)
        assert copied.left_out == ("a/socket was left out: it is a device, a socket or a pipe.",)
        with pytest.raises(TransferError, match="socket is neither a file nor a folder"):
            sends(session, here / "a" / "socket", there)
    with pytest.raises(TransferError, match="is a folder: -r copies it"):
        sends(session, here, there)
    with pytest.raises(TransferError, match=r"On pi, .*/there is a folder: -r"):
        gets(session, there, here)
    with pytest.raises(TransferError, match="Here, there is no nothing"):
        sends(session, "nothing*", there)
    with pytest.raises(TransferError, match="On pi there is no nothing"):
        gets(session, "nothing*", here)
    with pytest.raises(TransferError, match="On pi there is no folder /nowhere/at/all, so that files can't go into it"):
        sends(session, [here / "run", here / "large"], "/nowhere/at/all")
    with pytest.raises(TransferError, match=r"there is no folder new/, so that a file can't"):
        gets(session, here / "run", "new/")
    with pytest.raises(TransferError, match="there is no folder /nowhere"):
        sends(session, here / "run", "/nowhere/x")
    with pytest.raises(TransferError, match="is a file, and no folder can take its place"):
        sends(session, here / "a", there / "here" / "run", recursive=True)


def test_one_of_many_that_fails_is_told_and_the_others_are_there(session, here, there):
    for name in ("a", "b", "c"):
        (here / name).write_text(name)
    (there / "b").mkdir()
    with pytest.raises(
        TransferError, match=r"there/b is a folder, and no file can take its place\.\n2 of 3 files were"
    ):
        sends(session, [here / "a", here / "b", here / "c"], there)
    assert (there / "a").read_text() + (there / "c").read_text() == "ac"


def test_a_named_target_that_is_a_link_is_followed(session, here, there):
    (here / "x").write_text("new")
    (there / "real").write_text("old")
    (there / "link").symlink_to("real")
    sends(session, here / "x", there / "link")
    assert ((there / "real").read_text(), (there / "link").is_symlink()) == ("new", True)
    gets(session, there / "link", here / "y")
    assert (here / "y").read_text() == "new"


def test_links_from_there_lead_nowhere_else(session, here, there):
    outside = here.parent / "outside"
    outside.mkdir()
    (there / "d").mkdir()
    (there / "d" / "file").write_text("evil")
    (there / "away").symlink_to(outside)
    (there / "up").symlink_to("../outside")
    (there / "fine").symlink_to("d/file")
    copied = gets(session, there, here, recursive=True)
    assert names(here / "there") == ["d", "fine"]
    assert sorted(re.sub(r"to .*", "", each) for each in copied.left_out) == [
        "away was left out: it is a link out of that folder, ",
        "up was left out: it is a link out of that folder, ",
    ]
    (here / "there" / "d" / "file").unlink()
    (here / "there" / "d").rmdir()
    (here / "there" / "d").symlink_to(outside)
    with pytest.raises(TransferError, match=r"there/d is a link to .*outside.* Nothing was copied"):
        gets(session, there, here, recursive=True)
    assert names(outside) == []


def test_a_disk_that_ignores_case_is_told_of_names_that_would_be_one(session, here, there, monkeypatch):
    (here / "README").write_text("1")
    (here / "Readme").write_text("2")
    monkeypatch.setattr("rpyc_kernel.agent.files.writing.ignores_case", lambda _folder: True)
    with pytest.raises(TransferError, match=r"README? and \w+ would be one file|Readme and README would be one file"):
        gets(session, here, there, recursive=True)
    assert names(there) == []
    sends(session, here, there, recursive=True)
    assert names(there / "here") == ["README", "Readme"]


def lies(session, change):
    """Have the worker lie: *change* gets each operation and its answer."""
    path = Path(__file__).with_name("lying_files.py")
    code = f"exec(compile(open({str(path)!r}).read(), 'lies', 'exec')); lie({change!r})"
    _text, reply = session.run(code)
    assert reply["status"] == "ok", reply


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ("walk: answer['entries'][0][0] = '../evil'", None, "../evil was left out: its name leads elsewhere"),
        ("walk: answer['entries'][0][0] = '/tmp/evil'", None, "was left out: its name leads elsewhere"),
        ("walk: answer['entries'] = [['x'] * 6]", ProtocolError, "an entry whose numbers can't be true"),
        ("walk: answer['entries'] = 7", ProtocolError, "lists of another form"),
        ("walk: answer['entries'][0][2] = 1 << 61", AgentError, "file changed while it was read"),
        ("walk: answer.update(walk=1)", AgentError, "the list of files was given up"),
        ("fetch: answer['told'] = []", ProtocolError, "other files than it was asked for"),
        ("fetch: buffers[0] = b'x' * 100", ProtocolError, "files of another length than it has said"),
        ("fetch: buffers.append(b'x')", ProtocolError, "other files than it was asked for"),
        ("look: answer['found'][0] = 5", ProtocolError, "an entry of another form"),
        (
            "match: answer['paths'] = ['/tmp/..']",
            TransferError,
            "can't be copied under its own name: its name leads elsewhere",
        ),
        ("match: answer['paths'] = [None]", ProtocolError, "a name that can be none"),
        ("match: answer['paths'] = '/tmp/x'", ProtocolError, "lists of another form"),
    ],
)
def test_a_machine_that_lies_changes_nothing_outside(here, there, change, error, said):
    (there / "file").write_text("file")
    (here / "in").mkdir()
    with start_server() as server, Session(server.address) as session:
        lies(session, change)
        if error is None:
            copied = gets(session, there, here / "in", recursive=True)
            assert said in copied.left_out[0]
        else:
            with pytest.raises(error, match=re.escape(said)):
                gets(session, there, here / "in", recursive=True)
    assert names(here) == ["in"]
    assert names(here.parent) == ["here", "there"]
    for _folder, _folders, files in os.walk(here):
        assert not files or error is None


def test_times_that_machines_have(session, here, there):
    """Before 1970 too, and in the far future."""
    for number, time in enumerate((-1_000_000_000, 0, 4_000_000_000_000_000_000)):
        (here / str(number)).write_text("x")
        os.utime(here / str(number), ns=(time, time))
    sends(session, here, there, recursive=True)
    assert [(there / "here" / str(n)).stat().st_mtime_ns for n in range(3)] == [
        (here / str(n)).stat().st_mtime_ns for n in range(3)
    ]


def test_it_says_how_far_it_is(here, there):
    (here / "large").write_bytes(os.urandom(3_000_000))
    said: list[str] = []
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        proxy.rate = 1.5e6
        sends(session, here / "large", there, tell=said.append)
    assert said
    assert re.fullmatch(r"[\d.]+ MB of 3 MB, [\d.]+ [kM]B/s, \d+ s left", said[0]), said[0]
