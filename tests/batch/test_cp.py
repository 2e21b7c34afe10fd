"""`rpyc-kernel cp` and `rpyc-kernel sync`: files to a real server and back."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.remotes import wait_until

pytestmark = pytest.mark.needs("linux")


def test_there_and_back(start, remote, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").write_bytes(os.urandom(300_000))
    command = start("cp", "-r", tmp_path / "a.txt", tmp_path / "d", f"{remote.address}:")
    assert (command.end(), command.err) == (0, "")
    assert command.out.startswith(f"Copied 2 files (300 kB) to {remote.address}:{remote.work} in ")
    command = start("cp", f"{remote.address}:*.txt", tmp_path / "back.txt")
    assert (command.end(), command.err) == (0, "")
    assert (tmp_path / "back.txt").read_text() == "a"
    assert (remote.work / "d" / "b").read_bytes() == (tmp_path / "d" / "b").read_bytes()
    assert wait_until(lambda: not remote.processes())


def test_what_fails_is_one_sentence(start, remote, tmp_path):
    command = start("cp", f"{remote.address}:none", tmp_path)
    assert (command.end(), command.out) == (1, "")
    assert command.err == f"On {remote.address} there is no none.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_nothing_half(start, remote, tmp_path, number):
    (tmp_path / "large").write_bytes(os.urandom(50_000_000))
    with Proxy(remote.port) as proxy:
        proxy.rate = 5e6
        command = start("cp", tmp_path / "large", f"{proxy.address}:large")
        assert wait_until(lambda: list(remote.work.glob(".rpyc-kernel-*.part")))
        command.signal(number)
        assert command.end() == 128 + number
    assert command.err == ""
    assert wait_until(lambda: not remote.processes())
    assert not list(remote.work.glob(".rpyc*"))
    assert not (remote.work / "large").exists()


def test_a_folder_that_follows(start, remote, tmp_path):
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.py").write_text("a = 1")
    (folder / ".gitignore").write_text("*.log")
    (folder / "x.log").write_text("not this")
    there = remote.work / "project"
    command = start("sync", "--dry-run", folder, f"{remote.address}:")
    assert (command.end(), command.err) == (0, "")
    assert f"{folder} would go to {remote.address}:{there}:" in command.out
    assert not there.exists()
    with start("sync", "--delete", "--watch", folder, f"{remote.address}:") as command:
        command.until("2 files ")
        assert command.out.startswith(f"{remote.address}:{there} is like {folder}: 2 files (")
        assert sorted(path.name for path in there.iterdir()) == [".gitignore", "sub"]
        (folder / "sub" / "a.py").unlink()
        (folder / "b.py").write_text("b = 2")
        command.until("1 removed")
        assert sorted(path.name for path in there.rglob("*")) == [".gitignore", "b.py", "sub"]
        (folder / ".gitignore").write_text("!")  # which is no rule
        command.until("has a rule that can't be understood", "err")
        (folder / ".gitignore").write_text("*.log")
        (folder / "c.py").write_text("c = 3")
        assert wait_until((there / "c.py").exists)
        command.signal(signal.SIGINT)
        assert command.end() == 130
    assert command.err.count("\n") == 1
    assert wait_until(lambda: not remote.processes())
    command = start("sync", "--max", "2", folder, f"{remote.address}:{there}")
    assert command.end() == 0
    assert "b.py was left out: it has 5 B, and --max is 2 B." in command.out
