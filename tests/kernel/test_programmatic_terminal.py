"""docs/programmatic.md: `jupyter kernel`, who joins it, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import psutil
import pytest
from jupyter_client import BlockingKernelClient

from tests.kernel.documents import TIMEOUT, Running, Terminal
from tests.kernel.remotes import Remote, wait_until

CHANNELS = 5  # of a front end
SIMPLE = ["--simple-prompt", "--ZMQTerminalInteractiveShell.kernel_timeout=60"]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def machine() -> Iterator[Remote]:
    with Remote("plain") as server:
        yield server


def check(kernel: Running) -> dict[str, object]:
    """It answers, without a manager; returns its connection file's content."""
    client = BlockingKernelClient()
    client.load_connection_file(str(kernel.file))
    client.start_channels()
    try:
        assert wait_until(lambda: answers(client), TIMEOUT), kernel.log
        reply = client.execute("", user_expressions={"x": "6 * 7"}, reply=True, timeout=TIMEOUT)
        assert reply["content"]["user_expressions"]["x"]["data"]["text/plain"] == "42"
    finally:
        client.stop_channels()
    content: dict[str, object] = json.loads(kernel.file.read_text())
    return content


def answers(client: BlockingKernelClient) -> bool:
    """Whether it is ready; a kernel that is just starting counts as dead after a second (docs/programmatic.md)."""
    try:
        client.wait_for_ready(timeout=10)
    except RuntimeError:
        return False
    return True


def kernels_of(kernel: Running) -> list[psutil.Process]:
    return [each for each in psutil.Process(kernel.process.pid).children() if "rpyc_kernel" in each.cmdline()]


@pytest.mark.parametrize("end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_jupyter_kernel(terminal: Terminal, end: signal.Signals) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc", end) as kernel:
        assert kernel.file.parent == terminal.runtime
        assert f"--existing {kernel.file.name}" in kernel.log
        content = check(kernel)
        assert (content["ip"], content["transport"]) == ("127.0.0.1", "tcp")
        (process,) = kernels_of(kernel)
    assert f"Shutting down on signal {end.value}" in kernel.log
    assert not process.is_running()
    assert list(terminal.runtime.iterdir()) == []


@pytest.mark.soak  # an option of Jupyter's
def test_debug(terminal: Terminal) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc --debug") as kernel:
        check(kernel)
    assert "for config files" in kernel.log
    assert re.search(r"Starting kernel: \[.*'rpyc_kernel', '-f'", kernel.log)


@pytest.mark.soak  # an option of Jupyter's
def test_ip(terminal: Terminal) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc --ip=127.0.0.1") as kernel:
        assert check(kernel)["ip"] == "127.0.0.1"
    # Not run, since it would listen on the network: test_programmatic_claims.py looks at what it means.
    assert terminal.arguments("jupyter kernel --kernel rpyc --ip='*'")[-1] == "--ip=*"


def test_ipc(terminal: Terminal) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc --KernelManager.transport=ipc") as kernel:
        content = check(kernel)
        assert content["transport"] == "ipc"
        assert content["ip"] == str(kernel.file.with_suffix("")) + "-ipc"
        (process,) = kernels_of(kernel)
        assert not [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        assert "without encryption" not in kernel.log
    assert list(terminal.runtime.iterdir()) == []


@pytest.mark.soak  # an option of Jupyter's
def test_a_connection_file_of_ones_own(terminal: Terminal) -> None:
    mine = Path("/tmp/mine.json")
    if mine.exists():
        pytest.skip("somebody's /tmp/mine.json is there")
    with terminal.kernel("jupyter kernel --kernel rpyc --KernelManager.connection_file=/tmp/mine.json") as kernel:
        assert kernel.file == mine
        check(kernel)
    assert not mine.exists()


def test_encrypted(terminal: Terminal) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc --KernelManager.transport_encryption=required") as kernel:
        assert check(kernel)["curve_secretkey"]
    assert "without encryption" not in kernel.log


@pytest.mark.soak  # an option of Jupyter's
def test_its_log(terminal: Terminal) -> None:
    with terminal.kernel(
        "jupyter kernel --kernel rpyc --KernelApp.log_format='%(asctime)s %(levelname)s %(message)s'"
        " --KernelApp.log_datefmt='%H:%M'"
    ) as kernel:
        check(kernel)
    assert re.search(r"^\d\d:\d\d INFO Starting kernel 'rpyc'$", kernel.log, re.MULTILINE)


def test_a_quiet_one(terminal: Terminal) -> None:
    line = terminal.arguments("jupyter kernel --kernel rpyc --KernelApp.log_level=ERROR")
    quiet = pexpect.spawn(line[0], line[1:], env=terminal.env, cwd=str(terminal.folder), encoding="utf-8")
    try:
        assert wait_until(lambda: list(terminal.runtime.glob("kernel-*.json")), TIMEOUT)
        quiet.expect("WARNING", timeout=TIMEOUT)  # the kernel's own, which isn't told
        quiet.sendintr()
        quiet.expect(pexpect.EOF, timeout=TIMEOUT)
        assert "KernelApp" not in quiet.before
    finally:
        quiet.close(force=True)


def test_with_extra_arguments(tmp_path: Path, machine: Remote) -> None:
    terminal = Terminal(tmp_path, machine)
    with terminal.kernel(
        "python examples/programmatic/kernel_app.py --kernel rpyc -- --RpycKernel.address=192.168.43.44"
    ) as kernel:
        check(kernel)
        assert machine.processes()
    assert wait_until(lambda: not machine.processes())  # the session has ended with it


def test_the_kernels_log_in_a_file(terminal: Terminal) -> None:
    with terminal.kernel(
        "python examples/programmatic/kernel_app.py --kernel rpyc"
        " -- --RpycKernel.log_level=DEBUG --RpycKernel.log_file=kernel.log"
    ) as kernel:
        check(kernel)
    assert "INFO rpyc_kernel.kernel" in (terminal.folder / "kernel.log").read_text()


def console(terminal: Terminal, line: str, **names: str) -> "pexpect.spawn[str]":
    command = terminal.arguments(line, **names)
    at = command.index("--") if "--" in command else len(command)
    command[at:at] = SIMPLE
    spawned = pexpect.spawn(
        sys.executable, ["-m", *command], env=terminal.env, encoding="utf-8", timeout=60, cwd=str(terminal.folder)
    )
    spawned.expect(r"In \[\d+\]: ")
    # jupyter_console doesn't wait for iopub: of a cell that is sent before it has subscribed, it never sees the end
    wait_until(lambda: len(established(spawned.pid)) >= CHANNELS, 15)
    return spawned


def established(pid: int) -> list[object]:
    found = psutil.Process(pid).net_connections("tcp")
    return [each for each in found if each.status == psutil.CONN_ESTABLISHED]


def test_a_console_and_a_script_join_it(terminal: Terminal) -> None:
    with terminal.kernel("jupyter kernel --kernel rpyc") as kernel:
        named = {"kernel-5b63.json": kernel.file.name}
        told = terminal.run("python examples/programmatic/join.py kernel-5b63.json", **named)
        assert "joined\nalive, says a manager that has started none: False\n" in told
        assert "alive, says a manager that doesn't own it: True\njoined before: True\n" in told
        part = {"kernel-5b63.json": kernel.file.name.removeprefix("kernel-")[:8]}
        assert "joined before: True\n" in terminal.run("python examples/programmatic/join.py kernel-5b63.json", **part)
        joined = console(terminal, "jupyter console --existing kernel-5b63.json", **named)
        try:
            joined.sendline("print('in the con' + 'sole', joined)")
            joined.expect("in the console True")
            joined.expect(r"In \[\d+\]: ")
            joined.sendeof()
            if joined.expect([r"\(\[?y\]?/\[?n\]?\)", "keeping kernel alive"]) == 0:
                joined.sendline("y")
                joined.expect("keeping kernel alive")
            joined.expect(pexpect.EOF)
        finally:
            joined.close(force=True)
        check(kernel)
        again = console(terminal, "jupyter console --existing kernel-5b63.json", **named)
        try:
            (process,) = kernels_of(kernel)
            again.sendline("exit")
            again.expect("Shutting down kernel")
            assert wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, TIMEOUT)
        finally:
            again.close(force=True)


def test_a_console_with_extra_arguments(tmp_path: Path, machine: Remote) -> None:
    terminal = Terminal(tmp_path, machine)
    started = console(terminal, "jupyter console --kernel rpyc -- --address=192.168.43.44")
    try:
        started.sendline("import os; os.environ['RK_WHERE']")
        started.expect("'there'")
        started.expect(r"In \[\d+\]: ")
        started.sendeof()
        if started.expect([r"\(\[?y\]?/\[?n\]?\)", pexpect.EOF]) == 0:
            started.sendline("y")
            started.expect(pexpect.EOF)
    finally:
        started.close(force=True)


def test_killed_it_leaves_its_file_and_the_kernel_ends(terminal: Terminal) -> None:
    kernel = Running(terminal, terminal.arguments("jupyter kernel --kernel rpyc"))
    check(kernel)
    (process,) = kernels_of(kernel)
    os.kill(kernel.process.pid, signal.SIGKILL)
    kernel.process.wait()
    assert wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, TIMEOUT)
    assert kernel.file.exists()


def test_where_the_runtime_folder_is(terminal: Terminal) -> None:
    assert terminal.run("jupyter --runtime-dir").strip() == str(terminal.runtime)


def test_a_kernel_that_is_started_by_hand(terminal: Terminal) -> None:
    """Without -f it writes its connection file into the runtime folder, and removes it when it ends."""
    log = terminal.folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rpyc_kernel"], env=terminal.env, cwd=terminal.folder, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        file = terminal.runtime / f"kernel-{process.pid}.json"
        assert wait_until(file.exists, TIMEOUT), log.read_text()
        client = BlockingKernelClient()
        client.load_connection_file(str(file))
        client.start_channels()
        assert wait_until(lambda: answers(client), TIMEOUT), log.read_text()
        client.shutdown(reply=True, timeout=TIMEOUT)
        client.stop_channels()
        process.wait(TIMEOUT)
        assert list(terminal.runtime.iterdir()) == []
    finally:
        process.kill()
        process.wait()
