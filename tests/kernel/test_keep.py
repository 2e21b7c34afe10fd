"""What becomes of a session when its kernel ends, crashes, or is restarted; `--keep`."""

import datetime as dt
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.servers.rpyc_servers import start_server

pytestmark = pytest.mark.mainly("plain")


def worker(kernel: Kernel) -> int:
    """The process in which cells run; after a crash the last cell's result may be shown again before it."""
    cell = kernel.first.good("import os; os.getpid()")
    return int(cell.of("execute_result")[-1].content["data"]["text/plain"])


def left(remote: Remote) -> bool:
    """Whether there is a session that nobody has any more."""
    return any(entry.answers and not entry.held for entry in listing.sessions(Address.parse(remote.address)))


def crash(kernel: Kernel) -> None:
    """Let the kernel end as a crash does, and start it again as Jupyter does then."""
    os.kill(kernel.pid, signal.SIGKILL)
    assert wait_until(lambda: not kernel.alive())
    kernel.manager.restart_kernel(now=True)
    kernel.first.ready()


def press_of_before(client: Client) -> None:
    """Send a press of the stop button that is five minutes old."""
    message = client.zmq.session.msg("interrupt_request", {})
    message["header"]["date"] -= dt.timedelta(minutes=5)
    client.zmq.session.send(client.sockets["control"], message)


def test_a_shutdown_ends_the_session_unless_the_user_keeps_it(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote, "--keep", "1h")
    pid = worker(kernel)
    kernel.shutdown()
    assert wait_until(lambda: left(own_remote)), "the session has ended, or somebody has it"
    assert pid in own_remote.processes()


def test_keep_as_an_option_of_the_kernel_counts_too(new_kernel: Callable[..., Kernel], own_remote: Remote) -> None:
    kernel = new_kernel("--RpycKernel.keep=3600")
    connect(kernel.first, own_remote)
    pid = worker(kernel)
    kernel.shutdown()
    assert wait_until(lambda: left(own_remote)), "the session has ended, or somebody has it"
    assert pid in own_remote.processes()


def test_keep_can_be_said_later(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    kernel.first.good("kept = 1")
    assert kernel.first.good(f"%connect {own_remote.address} --keep 2h").stdout.startswith("Still connected")
    assert kernel.first.good("kept").text == "1"
    assert " 2 h" in kernel.first.good("%sessions").stdout
    pid = worker(kernel)
    kernel.shutdown()
    assert wait_until(lambda: left(own_remote)), "the session has ended, or somebody has it"
    assert pid in own_remote.processes()


def test_keep_0_ends_with_the_link(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote, "--keep", "0")
    pid = worker(kernel)
    os.kill(kernel.pid, signal.SIGKILL)
    assert wait_until(lambda: pid not in own_remote.processes(), 10)


def test_a_restart_is_fresh_even_where_the_session_is_kept(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote, "--keep", "1h")
    pid = worker(kernel)
    kernel.restart()
    assert wait_until(lambda: pid not in own_remote.processes(), 10)
    assert worker(kernel) != pid


def test_a_kernel_that_crashed_finds_its_session_again(kernel: Kernel, own_remote: Remote, gate: Gate) -> None:
    connect(kernel.first, own_remote)
    kernel.first.good("kept = 'kept'")
    cell = kernel.first.start(f"print('on')\n{gate.wait}print('meanwhile')")
    kernel.first.wait_output(cell, "on\n")
    crash(kernel)
    gate.open()
    after = kernel.first.good("print(kept)")
    assert after.stdout.endswith("meanwhile\nkept\n")
    assert "found again" in after.stderr
    assert after.reply is not None
    assert after.reply["execution_count"] == 4, "the session's count goes on"
    assert kernel.first.good("kept").stderr == "", "told once"


def test_a_kernel_that_crashed_twice(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    pid = worker(kernel)
    for _ in range(2):
        crash(kernel)
        assert worker(kernel) == pid


def test_a_kernel_without_a_named_machine_finds_its_session_again_too(kernel: Kernel) -> None:
    pid = worker(kernel)
    crash(kernel)
    assert worker(kernel) == pid


@pytest.mark.alone
def test_a_press_that_was_meant_for_the_crashed_kernel_stops_nothing_of_the_next(kernel: Kernel, gate: Gate) -> None:
    """As Jupyter presses stop before it starts a kernel again; nobody took that, and it may come at any time."""
    cell = kernel.first.start(f"%%local\nprint('on', flush=True)\n{gate.wait}print('went on')")
    kernel.first.wait_output(cell, "on\n")
    press_of_before(kernel.first)
    kernel.first.kernel_info()  # behind it
    gate.open()
    assert kernel.first.finish(cell).stdout.endswith("went on\n")
    other = kernel.first.start("%%local\nimport time\nprint('on', flush=True)\ntime.sleep(600)")
    kernel.first.wait_output(other, "on\n")
    press_of_before(kernel.first)
    assert kernel.first.finish(other).status == "error", "a clock may be wrong: the second one is obeyed"


def test_a_session_that_is_gone_after_the_crash_is_told_and_a_fresh_one_begins(
    kernel: Kernel, own_remote: Remote
) -> None:
    connect(kernel.first, own_remote)
    pid = worker(kernel)
    os.kill(kernel.pid, signal.SIGKILL)
    for each in own_remote.processes():
        os.kill(each, signal.SIGKILL)
    assert wait_until(lambda: not kernel.alive())
    kernel.manager.restart_kernel(now=True)
    kernel.first.ready()
    after = kernel.first.good("import os; os.getpid()")
    assert "gone" in after.stderr
    assert after.text != str(pid)


def test_a_restart_during_an_outage_is_fresh_and_the_old_session_ends_when_the_link_is_back(
    new_kernel: Callable[..., Kernel],
) -> None:
    kernel = new_kernel("--RpycKernel.heartbeat=2")
    with start_server() as server:
        kernel.first.good(f"%connect {server.address}\nkept = 1")
        old = worker(kernel)
        port = server.port
        server.kill()
        kernel.restart()
        cell = kernel.first.start("'kept' in globals()")
        kernel.first.wait_for(lambda: cell.displays, 20, "the line that says so")
        assert "lost, reconnecting" in cell.displays[0]["text/plain"]
        os.kill(old, 0)  # it goes on meanwhile
    with start_server(port=port) as server:
        kernel.first.finish(cell)
        assert cell.text == "False"
        assert wait_until(lambda: not Path(f"/proc/{old}").exists(), 20)
        assert worker(kernel) != old
        kernel.first.good("%disconnect --end")


@pytest.mark.parametrize("how", ["kill", "port"])
def test_the_session_is_found_through_another_server(new_kernel: Callable[..., Kernel], how: str) -> None:
    """The server was killed and started again: on its port it is found without a word, on another by %connect."""
    kernel = new_kernel("--RpycKernel.heartbeat=2")
    with start_server() as server:
        kernel.first.good(f"%connect {server.address}\nkept = 'kept'")
        port = server.port
        server.kill()
    with start_server(port=port if how == "kill" else 0) as server:
        if how == "port":
            line = kernel.first.good(f"%connect {server.address}").stdout
            assert "the session is the same" in line
        assert kernel.first.good("kept").text == "'kept'"
        assert kernel.first.good("%hosts").stdout.count("\n") == 1
        kernel.first.good("%disconnect --end")
