"""`rpyc-kernel cp`: files to a real server and back."""

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
