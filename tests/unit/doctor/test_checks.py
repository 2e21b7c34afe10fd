"""What the doctor makes of what it finds, without a machine; and what its program finds on this one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rpyc_kernel.doctor import checks, probe, way
from rpyc_kernel.doctor.check import State
from rpyc_kernel.transport.address import Address
from tests.unit.sessions import wait_for


@pytest.mark.parametrize(
    ("there", "state", "words"),
    [
        (100.5, State.OK, "as here"),
        (105.9, State.OK, "as here"),
        (200.0, State.WARNING, "99 s ahead of"),
        (0.0, State.WARNING, "100 s behind"),
    ],
)
def test_the_clock_is_compared_with_the_time_of_asking(there, state, words):
    check = checks._clock(there, 100.0, 101.0)
    assert (check.state, words in check.text) == (state, True)
    assert bool(check.mend) == (state is State.WARNING)


def test_an_open_port_is_led_to_by_its_own_number():
    (check,) = way.port(Address.parse("192.0.2.7:5000"))
    assert (check.state, "-L 5000:127.0.0.1:5000 192.0.2.7" in check.mend) == (State.WARNING, True)


def device(**more):
    return checks._device({"path": "/dev/video0", "allowed": True, "holders": [], **more})


@pytest.mark.parametrize(
    ("check", "state", "words", "mend"),
    [
        (checks._folder({"path": "/x", "free": 1 << 30, "problem": ""}), State.OK, "1,024 MiB free", ""),
        (checks._folder({"path": "/x", "free": 1 << 20, "problem": ""}), State.WARNING, "nearly full", "du"),
        (checks._folder({"path": "/x", "free": None, "problem": "no\nroom"}), State.WARNING, "there: no room", "df"),
        (checks._memory(1 << 30, 2 << 30), State.OK, "1,024 of 2,048 MiB", ""),
        (checks._memory(10 << 20, 64 << 20), State.WARNING, "10 of 64 MiB", "ps"),
        (device(), State.OK, "is free", ""),
        (device(allowed=False), State.WARNING, "not this user's", "usermod"),
        (device(holders=[[7, "cam\x1b"]]), State.WARNING, "cam (process 7)", "kill 7"),
    ],
)
def test_what_is_found_there(check, state, words, mend):
    assert (check.state, words in check.text) == (state, True)
    assert mend in check.mend
    assert bool(check.mend) == (state is State.WARNING)


@pytest.mark.needs("linux")
def test_whoever_has_a_device_is_named(tmp_path, monkeypatch):
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr(probe, "DEVICES", (str(tmp_path / "video*"),))
    assert probe.devices() == [{"path": str(device), "allowed": True, "holders": []}]
    holder = subprocess.Popen([sys.executable, "-c", f"file = open({str(device)!r}); input()"], stdin=subprocess.PIPE)
    try:
        wait_for(lambda: probe.devices()[0]["holders"])
        ((pid, name),) = probe.devices()[0]["holders"]
        assert (pid, "python" in name) == (holder.pid, True)
    finally:
        holder.communicate(b"\n")


@pytest.mark.needs("linux")
def test_a_folder_in_which_nothing_can_be_written(tmp_path):
    assert probe.folder("/proc")["problem"]
    assert probe.folder(str(tmp_path))["problem"] == ""
    assert probe.folder(str(tmp_path / "missing"))["free"] is None


def test_the_program_prints_what_is_judged(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-", "4096", "0"])
    probe.main()
    line, _, rest = capsys.readouterr().out.partition("\n")
    found = [*checks._read(json.loads(line), 0.0, [(1.0, "")])]
    assert [check.name for check in found][:2] == ["session", "clock"]
    assert len(rest) == 4096
