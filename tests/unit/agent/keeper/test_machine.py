"""What a machine tells of itself: found in files of Linux, and nothing where there are none."""

import os
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent.keeper import gpu
from rpyc_kernel.agent.keeper.gpu import Gpu, read_query
from rpyc_kernel.agent.keeper.machine import MachineFacts
from rpyc_kernel.kernel.commands.machine import describe
from rpyc_kernel.kernel.jupyter import usage


@pytest.fixture
def root(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    write("etc/os-release", 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    write("sys/class/thermal/thermal_zone0/temp", "48312\n")
    write("sys/class/thermal/thermal_zone1/type", "off\n")
    write("sys/class/thermal/thermal_zone1/temp", "-274000\n")
    write("sys/class/hwmon/hwmon0/name", "nvme\n")
    write("sys/class/hwmon/hwmon0/temp1_label", "Composite\n")
    write("sys/class/hwmon/hwmon0/temp1_input", "36850\n")
    write("sys/devices/gpu.0/load", "123\n")
    write("proc/uptime", "12345.67 20000.00\n")
    return tmp_path


def test_a_board_is_described(root):
    found = MachineFacts(str(root)).describe(os.getpid())
    assert found["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert found["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert found["temperatures"] == [("cpu-thermal", 48.312), ("nvme Composite", 36.85)]
    assert found["gpus"] == [{"name": "Jetson", "percent": 12.3}]
    assert found["uptime"] == 12345.67
    assert found["disk"]["path"] == str(Path.cwd())
    assert 0 < found["disk"]["free"] <= found["disk"]["total"]


def test_where_there_is_nothing_nothing_is_told(tmp_path):
    found = MachineFacts(str(tmp_path / "none")).describe(None)
    assert not {"model", "temperatures", "gpus"} & set(found)
    assert found["host"]


def test_the_lines_are_what_is_known(root):
    told = {
        "host": "raspberrypi",
        "model": "Raspberry\x1b[31m Pi",
        "temperatures": "x",
        "load": [0.5, None, "x"],
        "disk": {"free": 1 << 30, "total": 1 << 32, "path": "/home"},
        "uptime": float("nan"),
    }
    figures = {"temperatures": [["cpu", 48.3], ["x"], [1]], "gpus": [{"name": "A", "percent": 3.0}, 7], "cpu_count": 4}
    lines = describe("pi", {"python": "3.11.2", "executable": "/usr/bin/python3"}, told, figures).splitlines()
    assert lines == [
        "raspberrypi (pi)",
        "model        Raspberry [31m Pi",
        "Python       3.11.2, /usr/bin/python3",
        "processor    4 processors, load 0.50",
        "disk         1.0 GiB of 4.0 GiB free at /home",
        "temperature  cpu 48.3 °C",
        "GPU          A, 3 % busy",
    ]
    assert describe("pi", {}, {}, {}) == "pi\n"


@pytest.mark.parametrize("told", [None, 7, "x", [[]], [[1, 2, 3]], [["a", float("inf")]], {"a": 1}])
def test_readings_that_are_none_are_left_out(told):
    content = usage.content({"temperatures": told, "gpus": told})
    assert (content["temperatures"], content["gpus"]) == ([], [])


@pytest.mark.needs("linux")
def test_a_program_is_asked_beside_everything_else(tmp_path, monkeypatch):
    program, gate = tmp_path / "nvidia-smi", tmp_path / "gate"
    told = "echo 'NVIDIA A, B2, 37, 1024, 24576, 51'; echo 'Orin, [N/A], [N/A], 8, 40'"
    program.write_text(f"#!/bin/sh\nwhile [ ! -e {gate} ]; do sleep 0.01; done; {told}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cards = Gpu(str(tmp_path))
    assert cards.figures() == []
    assert cards.pending
    gate.touch()
    end = time.monotonic() + 20
    while cards.pending and time.monotonic() < end:
        cards.figures()
        time.sleep(0.01)
    (card,) = cards.figures()
    assert card == {"name": "Orin", "percent": None, "memory": None, "memory_total": 8 << 20, "temperature": 40.0}


@pytest.mark.needs("linux")
def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(gpu, "TIMEOUT_S", 0.05)
    cards = Gpu(str(tmp_path))
    assert cards.figures() == []
    pid = cards._pid
    began = time.monotonic()
    while cards._pid == pid and time.monotonic() - began < 20:
        assert cards.figures() == []
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_program_says_is_read():
    (card,) = read_query("Tesla T4, 37, 1024, 15360, 51\n\nmore\n")
    assert card == {"name": "Tesla T4", "percent": 37, "memory": 1 << 30, "memory_total": 15 << 30, "temperature": 51}
