"""What the notebook's machine uses, as jupyter-resource-usage asks for it: of the other machine, never of this one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")

MEMORY = ("active", "available", "free", "inactive", "percent", "total", "wired")


def usage(nb: Client) -> dict[str, Any]:
    return nb.ask("usage_request", {}, "control", 20)


def test_it_is_that_of_the_python_over_there(nb: Client, nb_kernel: Kernel) -> None:
    found = usage(nb)
    assert str(found["pid"]) == nb.good("import os; os.getpid()").text
    assert found["pid"] != nb_kernel.pid
    assert repr(found["hostname"]) == nb.good("import socket; socket.gethostname()").text
    assert str(found["cpu_count"]) == nb.good("os.cpu_count()").text
    memory = found["host_virtual_memory"]
    assert set(MEMORY) <= set(memory)
    total = nb.good("os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')").text
    assert abs(memory["total"] - int(total or 0)) < 1 << 24
    assert 0 < memory["available"] <= memory["total"]
    assert 0 <= memory["percent"] <= 100
    assert memory["wired"] is None


def test_memory_and_processor_of_cells_and_of_what_they_start_are_counted(fresh: Client) -> None:
    fresh.good("import os, subprocess, sys, time")
    before = usage(fresh)["kernel_memory"]
    assert 1 << 20 < before < 1 << 30
    fresh.good("big = bytearray(os.urandom(1 << 20) * 100)")
    assert 90 << 20 < usage(fresh)["kernel_memory"] - before < 200 << 20
    code = "import os; big = os.urandom(1 << 20) * 100; print('on', flush=True); end = __import__('time').time() + 60\n"
    code += "while __import__('time').time() < end: pass"
    fresh.good(f"child = subprocess.Popen([sys.executable, '-c', {code!r}], stdout=subprocess.PIPE)")
    fresh.good("child.stdout.readline()")
    try:
        assert usage(fresh)["kernel_memory"] - before > 180 << 20
        fresh.good("time.sleep(0.5)")
        assert usage(fresh)["kernel_cpu"] > 10, "a processor was kept busy"
    finally:
        fresh.good("child.kill(); child.wait()")
    assert usage(fresh)["kernel_memory"] - before < 200 << 20


def test_it_is_told_while_a_cell_runs(nb: Client) -> None:
    pid = usage(nb)["pid"]
    cell = nb.start("import time\nprint('on')\nwhile True: pass")
    nb.wait_output(cell, "on")
    usage(nb)
    started = time.monotonic()
    found = usage(nb)
    assert found["pid"] == pid
    assert nb.interrupted(cell) < 10
    assert time.monotonic() - started < 20


def test_where_nothing_is_known_no_figure_of_this_machine_is_told(
    new_kernel: Callable[..., Kernel], own_remote: Remote
) -> None:
    """Every field is there all the same: jupyter-resource-usage reads them unguarded."""
    front = new_kernel().first
    found = usage(front)
    assert (found["hostname"], found["pid"], found["kernel_memory"]) == ("", None, None)
    assert {found["host_virtual_memory"][name] for name in MEMORY} == {None}
    assert "not connected" in found["reason"]
    connect(front, own_remote)
    pid = front.good("import os; os.getpid()").text
    assert str(usage(front)["pid"]) == pid
    own_remote.running.__exit__(None, None, None)
    front.wait_for(lambda: "reason" in usage(front), what="the loss of the link")
    found = usage(front)
    assert str(found["pid"]) == pid
    assert {found["host_virtual_memory"][name] for name in MEMORY} == {None}
    assert own_remote.address in found["reason"]


def test_a_worker_that_has_died_is_not_counted(fresh: Client) -> None:
    pid = usage(fresh)["pid"]
    fresh.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    again = fresh.good("import os; os.getpid()").text
    assert str(usage(fresh)["pid"]) == again != str(pid)


def test_info_tells_what_the_machine_is(nb: Client) -> None:
    lines = nb.good("%info").stdout.splitlines()
    python = nb.good("import sys, os; f'{sys.version.split()[0]} {os.cpu_count()}'").text
    assert python is not None
    version, processors = python.strip("'").split()
    rows = dict(line.split(maxsplit=1) for line in lines[1:])
    assert rows["Python"].startswith(version)
    assert re.search(rf"\b{processors}\b", rows["processor"])
    assert re.fullmatch(r"[\d.]+ GiB of [\d.]+ GiB available", rows["memory"])
    assert "free at /" in rows["disk"]
    assert {"system", "up"} <= set(rows)
