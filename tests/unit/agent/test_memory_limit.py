"""How much memory a worker may have: control groups of either version as files, and what there is on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rpyc_kernel.agent.memory_limit import VARIABLE, MemoryGroup, memory_of

LIMIT = 300 << 20
PACKAGE = str(Path(sys.modules["rpyc_kernel"].__file__).parent)


def machine(root, cgroup, groups):
    """A machine's files: what a process is told of its groups, and the groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for folder, files in groups.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True)
        for name in files:
            (root / "sys/fs/cgroup" / folder / name).write_text("")
    return str(root)


def test_the_environment_says_how_much():
    assert memory_of({VARIABLE: str(LIMIT)}) == LIMIT
    assert memory_of({}) == memory_of({VARIABLE: "lots"}) == 0


def test_version_1_below_the_own_group(tmp_path):
    files = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cgroup.procs", "memory.oom_control"]
    root = machine(tmp_path, "5:memory:/mine\n0::/\n", {"memory/mine/rpyc-kernel-session-abc": files})
    group = MemoryGroup.below("abc", root)
    assert group.enter(LIMIT)
    folder = tmp_path / "sys/fs/cgroup/memory/mine/rpyc-kernel-session-abc"
    assert group.folder == str(folder)
    assert (folder / "memory.limit_in_bytes").read_text() == str(LIMIT)
    assert (folder / "cgroup.procs").read_text() == str(os.getpid())
    (folder / "memory.oom_control").write_text("under_oom 0\noom_kill 2\n")
    assert [group.has_killed(), group.has_killed()] == [True, False]


def test_version_2_beside_the_group_that_systemd_has_delegated(tmp_path):
    files = ["memory.max", "memory.swap.max", "cgroup.procs", "memory.events"]
    groups = {"user/rk.service": ["cgroup.subtree_control"], "user/rk.service/rpyc-kernel-session-abc": files}
    root = machine(tmp_path, "0::/user/rk.service/rpyc-kernel-serve\n", groups)
    group = MemoryGroup.below("abc", root)
    assert group.enter(LIMIT)
    folder = tmp_path / "sys/fs/cgroup/user/rk.service"
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"
    assert (folder / "rpyc-kernel-session-abc/memory.max").read_text() == str(LIMIT)
    assert (folder / "rpyc-kernel-session-abc/memory.swap.max").read_text() == "0"
    (folder / "rpyc-kernel-session-abc/memory.events").write_text("low 0\noom 3\noom_kill 1\n")
    assert group.has_killed()


@pytest.mark.parametrize("cgroup", ["", "0::/user/mine.service\n", "9:name=systemd:/\n0::/\n", "no such form\n"])
def test_a_group_that_is_not_ours_is_left_alone(tmp_path, cgroup):
    assert MemoryGroup.below("abc", machine(tmp_path, cgroup, {})) is None


def test_a_group_that_cannot_be_made_is_none(tmp_path):
    group = MemoryGroup.below("abc", machine(tmp_path, "0::/s/rpyc-kernel-serve\n", {"s": ["cgroup.subtree_control"]}))
    assert not group.enter(LIMIT)


@pytest.mark.needs("linux")
def test_where_there_is_no_group_the_process_may_not_be_larger(tmp_path):
    code = (
        "import sys; from agent.memory_limit import limit_this_process; "
        f"limit_this_process('abc', {LIMIT}, sys.argv[1]); bytearray(400 << 20)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, machine(tmp_path, "", {})],
        env={"PYTHONPATH": PACKAGE}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "MemoryError"
