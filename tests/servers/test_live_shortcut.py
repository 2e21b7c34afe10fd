"""Live connections by a shortcut: by every kind of server and way, in order with output, stopped, closed and cut."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import rpyc_kernel
from rpyc_kernel.errors import RemoteClosedError
from rpyc_kernel.live import channels as channels_module
from rpyc_kernel.live.remote import Remote
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from tests import elsewhere
from tests.kernel.gates import Gate
from tests.kernel.kernels import SOURCE
from tests.kernel.remotes import wait_until
from tests.servers.daemons import PATIENCE, Daemon, PortDaemon
from tests.servers.rpyc_servers import Server, start_server
from tests.servers.shortcuts import is_short, messages_of, shorten
from tests.servers.ssh_servers import SshServer
from tests.servers.venvs import VERSIONS

CALLS = 50


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start_server() as each:
        yield each


@pytest.fixture
def live(server: Server) -> Iterator[Remote]:
    with rpyc_kernel.connect(server.address) as each:
        shorten(each)
        yield each


def goes_by_a_shortcut(address: str) -> None:
    with rpyc_kernel.connect(address) as live:
        shorten(live)
        before = messages_of(live)
        live.execute("def call(function, n):\n    return function(n) + 1")
        call = live.namespace["call"]
        assert [call(lambda n: n * n, n) for n in range(CALLS)] == [n * n + 1 for n in range(CALLS)]
        assert messages_of(live) == before


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_by_every_rpyc(rpyc: str, python: str) -> None:
    with start_server(rpyc=rpyc, python=python) as server:
        goes_by_a_shortcut(server.address)


@pytest.mark.parametrize("kind", ["instance", "forking", "classic"])
def test_by_every_kind_of_server(kind: str) -> None:
    with start_server(kind) as server:
        goes_by_a_shortcut(server.address)


@pytest.mark.needs("posix")
def test_by_a_unix_socket() -> None:
    with Daemon() as daemon:
        goes_by_a_shortcut(daemon.address)


@pytest.mark.needs("posix")
@pytest.mark.usefixtures("private_jupyter")
def test_through_tls() -> None:
    with PortDaemon("--pair") as daemon:
        address = Address.parse(f"rpycs://127.0.0.1:{daemon.port}")
        proving.pair(address, daemon.code, Deadline(PATIENCE))
        goes_by_a_shortcut(str(address))


@pytest.mark.needs("sshd")
def test_through_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    with SshServer() as server:
        monkeypatch.setenv("PATH", server.path)
        goes_by_a_shortcut(f"ssh://machine?python={sys.executable}")


@pytest.mark.needs("linux")
def test_workers_that_are_spawned() -> None:
    """What C code prints there isn't seen, so that answers wait behind it in messages; requests go by the shortcut."""
    with start_server(env={"PYTHONPATH": f"{elsewhere.FOLDER}:{SOURCE}"}) as server:
        goes_by_a_shortcut(server.address)


def test_no_thread_of_a_pool_is_held() -> None:
    with start_server("pool") as server, rpyc_kernel.connect(server.address) as live:
        for number in range(CALLS):
            assert live.eval(str(number)) == number
        assert not is_short(live)


# --- output


PRINTS = {
    "print": "print('said')",
    "an unfinished line": "print('said', end='')",
    "C code": "os.write(1, b'said')",
    "a program": "os.system('printf said')",
    "stderr": "os.write(2, b'said')",
}


@pytest.mark.parametrize("code", PRINTS.values(), ids=PRINTS)
def test_what_a_call_prints_is_there_when_it_returns(
    live: Remote, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    live.execute("import os")
    for _ in range(20):
        live.execute(code)
        assert "".join(capsys.readouterr()).strip() == "said"
        before = messages_of(live)
        live.ping()
        assert messages_of(live) == before, "silent calls go by the shortcut again"


def test_what_a_call_prints_before_a_callback_is_there_when_that_is_called(
    live: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    live.execute("def call(function):\n    for n in range(20):\n        print(n)\n        function()")
    heard: list[str] = []
    live.namespace["call"](lambda: heard.append(capsys.readouterr().out))
    assert heard == [f"{n}\n" for n in range(20)]


# --- ends


def interrupted(work: Callable[[], object], begun: Callable[[], bool]) -> float:
    """Press Ctrl-C once it has begun; returns the seconds until it has ended."""
    pressed: list[float] = []

    def press() -> None:
        if wait_until(begun):
            pressed.append(time.monotonic())
            _thread.interrupt_main()

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        work()
    thread.join()
    return time.monotonic() - pressed[0]


def test_what_is_stopped_is_stopped_there_and_the_next_call_does_not_wait(live: Remote, tmp_path: Path) -> None:
    live.execute(
        "import time\nends = []\n"
        "def busy(path):\n    open(path, 'w').close()\n    until = time.monotonic() + 600\n    try:\n"
        "        while time.monotonic() < until:\n            time.sleep(0.01)\n    finally:\n        ends.append(path)"
    )
    busy = live.namespace["busy"]
    for mark in (tmp_path / "1", tmp_path / "2", tmp_path / "3"):
        shorten(live)
        assert interrupted(partial(busy, str(mark)), mark.exists) < PATIENCE
        assert live.eval("6 * 7") == 42
        assert wait_until(lambda path=mark: str(path) in live.value("ends"))


def test_a_stop_before_the_waiting_has_begun(live: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    send = live._channel.send

    def stopped(frame: bytes) -> None:
        send(frame)
        monkeypatch.undo()
        raise KeyboardInterrupt

    live.execute("import time\ndef busy():\n    while True:\n        time.sleep(0.01)")
    busy = live.namespace["busy"]
    monkeypatch.setattr(live._channel, "send", stopped)
    with pytest.raises(KeyboardInterrupt):
        busy()
    live._config["sync_request_timeout"] = PATIENCE
    assert live.eval("6 * 7") == 42


def test_a_worker_that_is_killed_ends_it_with_the_reason(live: Remote) -> None:
    pid = live.modules.os.getpid()
    shorten(live)
    os.kill(pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(RemoteClosedError, match="SIGKILL"):
            live.ping()


def test_a_process_that_was_forked_does_not_keep_one_open(live: Remote, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    live.execute(
        f"import os\ndef wait():\n{textwrap.indent(gate.wait, '    ')}\n"
        "child = os.fork()\nif not child:\n    wait()\n    os._exit(0)"
    )
    try:
        live._channel._frames.lose()
        shorten(live)
    finally:
        gate.open()
        live.execute("os.waitpid(child, 0)")


def test_a_wait_on_which_nothing_moves_gives_it_up_and_the_next_calls_have_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(channels_module, "PATIENCE_S", 0.1)
    gate = Gate(tmp_path)
    with rpyc_kernel.connect(server.address) as live:
        live.execute(f"def wait():\n{textwrap.indent(gate.wait, '    ')}\n    return 'waited'")
        wait = live.namespace["wait"]
        shorten(live)
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(wait)
            try:
                assert wait_until(lambda: not is_short(live))
            finally:
                gate.open()
            assert result.result(PATIENCE) == "waited"
        shorten(live)


def test_a_shortcut_that_breaks_alone_in_the_middle_of_a_call(live: Remote, tmp_path: Path) -> None:
    gate, mark = Gate(tmp_path), tmp_path / "began"
    live.execute(
        f"def wait(number):\n    open({str(mark)!r}, 'w').close()\n"
        f"{textwrap.indent(gate.wait, '    ')}\n    return number"
    )
    wait = live.namespace["wait"]
    shorten(live)
    shortcut = live._channel._frames._shortcut
    assert shortcut is not None
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(wait, 7)
        try:
            assert wait_until(mark.exists)
            shortcut._socket.shutdown(socket.SHUT_RDWR)
        finally:
            gate.open()
        assert result.result(PATIENCE) == 7
    shorten(live)
