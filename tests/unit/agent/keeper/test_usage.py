"""Figures of processor and memory: read from /proc by the keeper, and checked by the kernel."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from rpyc_kernel.agent.keeper import usage as keeper_usage
from rpyc_kernel.agent.keeper.usage import MEMORY_FIELDS, Usage
from rpyc_kernel.kernel.jupyter import usage

LOOPS = "import subprocess, sys, time; print('on', flush=True); end = time.time() + 60\nwhile time.time() < end: pass"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOOPS!r}])"


@pytest.fixture
def busy_grandchild():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
        for each in psutil.Process(child.pid).children(recursive=True):
            each.kill()
        child.kill()


def test_it_says_what_psutil_says(busy_grandchild):
    found = Usage().content(busy_grandchild)
    processes = [psutil.Process(busy_grandchild), *psutil.Process(busy_grandchild).children(recursive=True)]
    expected = sum(each.memory_full_info().pss for each in processes)
    assert abs(found["kernel_memory"] - expected) < expected / 4
    memory = psutil.virtual_memory()
    assert found["host_virtual_memory"]["total"] == memory.total
    assert abs(found["host_virtual_memory"]["active"] - memory.active) < memory.total / 4
    assert found["cpu_count"] == psutil.cpu_count()


@pytest.mark.needs("posix")
def test_the_processor_time_of_a_grandchild_counts(busy_grandchild):
    """Its share of the time between two questions, however much of the processor this busy machine gives it."""
    asked = Usage()
    spent = psutil.Process(busy_grandchild).children()[0].cpu_times
    began, before = time.monotonic(), spent()
    asked.content(busy_grandchild)
    while spent().user < before.user + 0.2:
        pass
    found = asked.content(busy_grandchild)
    after, passed = spent(), time.monotonic() - began
    share = 100 * (after.user + after.system - before.user - before.system) / passed
    assert share / 2 < found["kernel_cpu"] < 2 * share + 5
    assert 0 < found["host_cpu_percent"] <= 100


def test_both_ends_know_the_same_fields():
    assert keeper_usage.MEMORY_FIELDS == usage.MEMORY


@pytest.mark.parametrize("pid", [None, 2**22 + 1])
def test_of_no_process_nothing_is_said(pid):
    found = Usage().content(pid)
    assert (found["kernel_cpu"], found["kernel_memory"]) == (None, None)
    assert found["host_virtual_memory"]["total"] > 0


@pytest.mark.needs("posix")
def test_a_program_may_have_any_name(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as child:
        try:
            assert Usage().content(os.getpid())["kernel_memory"] > 0
            assert child.pid in [pid for pid, *_ in keeper_usage._tree(os.getpid())]
        finally:
            child.kill()


def test_where_there_is_no_proc_each_field_is_there_and_none(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(keeper_usage, "_read", missing)
    found = Usage().content(os.getpid())
    assert found["pid"] == os.getpid()
    assert found["hostname"]
    assert (found["kernel_cpu"], found["kernel_memory"], found["host_cpu_percent"]) == (None, None, None)
    assert found["host_virtual_memory"] == dict.fromkeys(MEMORY_FIELDS)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"host_virtual_memory": None, "pid": "1", "hostname": None},
        {"host_virtual_memory": [1], "kernel_cpu": float("nan"), "cpu_count": float("inf"), "pid": True},
        {"host_virtual_memory": {"active": {}, "total": 2**80}, "kernel_memory": [], "reason": "made up", "x": 1},
    ],
)
def test_what_another_machine_makes_up_is_not_passed_on(answer):
    found = usage.content(answer)
    assert set(found) == {"hostname", *usage.NUMBERS, "host_virtual_memory", "temperatures", "gpus"}
    assert [found[name] for name in usage.NUMBERS] == [None] * len(usage.NUMBERS)
    assert found["host_virtual_memory"] == dict.fromkeys(MEMORY_FIELDS)


def test_a_host_name_is_a_line_of_text():
    assert "\n" not in usage.content({"hostname": "a\nb" * 1000})["hostname"]
    assert len(usage.content({"hostname": "h" * 10**6})["hostname"]) <= 260
