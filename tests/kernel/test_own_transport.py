"""Notebooks at an address of another package's transport: as at any other, through outages and restarts too."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.kernels import SOURCE, Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.servers.transports import ConnectProxy, installed_example


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel beside which the example transport is installed, for all tests of this file."""
    kernel = Kernel(env={"PYTHONPATH": os.pathsep.join([str(SOURCE), str(installed_example())])})
    with kernel:
        yield kernel


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """A board: only Python and rpyc. What is on it makes no difference here."""
    with Remote("bare") as remote:
        yield remote


WHERE = "import os; os.environ['RK_WHERE']"


def test_connect_hosts_and_sessions(kernel: Kernel, remote: Remote, proxy: ConnectProxy) -> None:
    front, address = kernel.first, proxy.address(remote.address)
    assert address in front.good(f'$connect("{address}")').stdout
    assert front.good(WHERE).text == "'there'"
    hosts = front.good("%hosts").stdout
    assert hosts.startswith("* ")
    assert f"({address})" in hosts
    assert front.good(f"%connect {address.upper().replace('PROXY', 'Proxy')}").stdout.startswith("Still connected to ")
    listed = front.good("%sessions").stdout
    assert re.search(r"^\* \w{8} .* idle ", listed, re.MULTILINE), listed
    assert re.search(r"^\* \w{8} .* idle ", front.good(f"%sessions {address}").stdout, re.MULTILINE)
    assert f'$connect("{address}") comes back' in front.good("%disconnect").stdout
    assert len(proxy.asked) >= 2


def test_a_link_that_breaks_comes_back_through_it(kernel: Kernel, remote: Remote, proxy: ConnectProxy) -> None:
    front = kernel.first
    front.good(f"%connect {proxy.address(remote.address)}")
    cell = front.start("for i in range(100): print(i, flush=True)\nimport time; time.sleep(1); print('end')")
    front.wait_output(cell, "50")
    assert proxy.cut()
    front.finish(cell)
    assert cell.stdout.split() == [*map(str, range(100)), "end"]
    assert front.good(WHERE).text == "'there'"


def test_a_restarted_kernel_goes_there_again(kernel: Kernel, remote: Remote, proxy: ConnectProxy) -> None:
    front = kernel.first
    front.good(f"%connect {proxy.address(remote.address)}\nkept = 1")
    before = len(proxy.asked)
    kernel.restart()
    assert front.good(WHERE).text == "'there'"
    assert front.run("kept").status == "error"
    assert len(proxy.asked) > before


def test_a_kernel_that_crashed_finds_its_session_again(kernel: Kernel, remote: Remote, proxy: ConnectProxy) -> None:
    front = kernel.first
    front.good(f"%connect {proxy.address(remote.address)}\nkept = 1")
    os.kill(kernel.pid, signal.SIGKILL)
    assert wait_until(lambda: not kernel.alive(), 10)
    kernel.launch()
    front.ready()
    cell = front.good("kept")
    assert cell.text == "1"
    assert "was found again" in cell.stderr


def test_as_the_kernels_option(new_kernel: Callable[..., Kernel], remote: Remote, proxy: ConnectProxy) -> None:
    env = {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(installed_example())])}
    front = new_kernel(f"--RpycKernel.address={proxy.address(remote.address)}", env=env).first
    assert front.good(WHERE).text == "'there'"


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("proxy://127.0.0.1:{port}/board:1", "the proxy answered b'HTTP/1.1 403"),
        ("proxxy://board", "there is no way to proxxy:// addresses"),
        ("proxy://me:hunter2@board", "a password does not belong"),
    ],
)
def test_what_fails_is_one_sentence_in_the_cell(kernel: Kernel, proxy: ConnectProxy, written: str, part: str) -> None:
    proxy.answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    cell = kernel.first.run(f"%connect {written.format(port=proxy.port)}")
    assert cell.status == "error"
    assert part in cell.error["evalue"]
    assert len(cell.error["traceback"]) <= 1
    assert "hunter2" not in str(cell.error)


def test_stop_while_the_proxy_says_nothing(kernel: Kernel, proxy: ConnectProxy) -> None:
    proxy.answer = b""
    cell = kernel.first.start(f"%connect {proxy.address('board:1')}")
    assert wait_until(lambda: proxy.asked)
    assert kernel.first.interrupted(cell) < 10
    assert cell.error["ename"] == "KeyboardInterrupt"
