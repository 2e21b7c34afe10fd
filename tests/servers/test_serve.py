"""`serve` on its private Unix socket: sessions on every Python, its end, its limits, and that nobody else gets in."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import rpyc

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.link import listing
from rpyc_kernel.link.link import Link
from rpyc_kernel.transport.address import Address
from tests.kernel.remotes import wait_until
from tests.servers.daemons import PATH, Daemon, run_serve
from tests.servers.sessions import Session
from tests.servers.test_sessions import gone, works
from tests.servers.venvs import VERSIONS, venv

pytestmark = pytest.mark.needs("posix")


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_a_session_on_every_python(rpyc: str, python: str) -> None:
    with Daemon(python=venv(python, rpyc)) as daemon, Session(daemon.address) as session:
        assert session.info["python"].startswith(python)
        works(session)


def test_it_tells_how_to_connect_and_only_this_user_can() -> None:
    with Daemon() as daemon:
        path = Path(daemon.address.removeprefix("unix://"))
        assert f'$connect("{daemon.address}")' in daemon.out.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_the_sessions_stay(number: int) -> None:
    daemon = Daemon()
    with daemon:
        session = Session(daemon.address).__enter__()
        worker = session.info["pid"]
        running = session.start("import time\nprint('begun')\nwhile not stop: time.sleep(0.01)\nprint('done')")
        session.until("execute_reply", running)  # a NameError: what it waits for isn't there yet
        session.run("stop = []")
        running = session.start("import time\nprint('begun', flush=True)\nwhile not stop: time.sleep(0.01)")
        session.until("stream", running)
        path = Path(daemon.address.removeprefix("unix://"))
        assert daemon.stop(number) == 0
        assert not path.exists()
        assert "the sessions stay" in daemon.log
        assert Path(f"/proc/{worker}").exists()
        daemon.start()
        session.link.interrupt(running)
        assert session.until("execute_reply", running)[-1].content["ename"] == "KeyboardInterrupt"
        assert session.run("stop")[0] == "[]"
        session.link.close(end=True)
        assert gone(worker)


def test_another_finds_the_place_of_one_that_was_killed_and_no_other() -> None:
    with Daemon() as daemon:
        second = daemon.run()
        assert second.returncode == 1
        assert second.stderr == f"A server of yours serves at {daemon.address} already.\n"
        assert daemon.process is not None
        daemon.process.kill()
        daemon.process.wait()
        daemon.start()
        with Session(daemon.address) as session:
            works(session)


def test_a_connection_that_is_closed_is_noticed() -> None:
    with Daemon("--log-format", "json") as daemon:
        with Session(daemon.address) as session:
            works(session)
        assert wait_until(lambda: [each["event"] for each in daemon.events()].count("disconnected") == 2)
        first = daemon.events()[0]
        assert (first["level"], first["event"], first["peer"]) == ("info", "admitted", "this machine")


def test_what_is_no_kernel_is_logged_and_harms_nobody() -> None:
    with Daemon("--log-format", "json") as daemon, Session(daemon.address) as session:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\0\0\0\5\0abcde\n", b"\xff" * 9):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(daemon.address.removeprefix("unix://"))
                sock.sendall(garbage)
                sock.settimeout(10)
                try:
                    assert sock.recv(1) == b""
                except ConnectionResetError:
                    pass
        assert wait_until(lambda: [each["event"] for each in daemon.events()].count("failed") == 4)
        works(session)


def test_so_many_connections_and_no_more() -> None:
    with Daemon("--connections", "4") as daemon, ExitStack() as stack:
        sessions = [stack.enter_context(Session(daemon.address)) for _ in range(2)]
        link = Link(Address.parse(daemon.address), lambda *_: None, lambda *_: None)
        with pytest.raises(RpycKernelError, match="as many connections as it keeps"):
            link.open({"shell": "plain"}, threading.Event())
        daemon.wait_for("no room for another connection")
        for session in sessions:
            works(session)


def test_so_many_sessions_and_no_more() -> None:
    """Those count that were there before; and others of this user, so that it is an unlimited one who begins."""
    with Daemon() as daemon, Session(daemon.address) as session:
        daemon.stop()
        daemon.options = ("--session-limit", "1")
        daemon.start()
        link = Link(Address.parse(daemon.address), lambda *_: None, lambda *_: None)
        with pytest.raises(RpycKernelError, match=r"keeps 1 session at a time.*%sessions in a notebook.*--end NAME"):
            link.open({"shell": "plain"}, threading.Event())
        works(session)


@pytest.mark.needs("linux")
def test_a_session_that_needs_too_much_memory_loses_its_python_and_nothing_else() -> None:
    """By a control group where the machine has one for this user, else by the size of the process."""
    with Daemon("--memory-limit", "256M") as daemon, Session(daemon.address) as session:
        reply = session.run("kept = 1\nhog = bytearray(600 << 20)")[1]
        assert reply["status"] == "error"
        assert "256 MiB" in reply["evalue"] or reply["ename"] == "MemoryError"
        assert session.run("1 + 1")[0] == "2"
        with Session(daemon.address) as other:
            works(other)


def test_plain_rpyc_clients_come_in_with_classic_only() -> None:
    with Daemon() as daemon, socket.socket(socket.AF_UNIX) as sock:
        sock.connect(daemon.address.removeprefix("unix://"))
        connection = rpyc.utils.factory.connect_stream(rpyc.SocketStream(sock), rpyc.core.service.VoidService)
        with pytest.raises(PermissionError, match="nothing else"):
            connection.root.getmodule("os")
    with (
        Daemon("--classic") as daemon,
        Session(daemon.address) as session,
        rpyc.utils.factory.unix_connect(
            daemon.address.removeprefix("unix://"), service=rpyc.core.service.ClassicService
        ) as connection,
    ):
        assert connection.modules.os.getpid() == daemon.pid
        works(session)


def test_classic_without_rpyc_is_a_sentence(tmp_path: Path) -> None:
    with Daemon() as daemon:
        done = daemon.run("--classic")
        assert done.returncode == 1  # the place is taken
    (tmp_path / "rpyc.py").write_text("raise ImportError")
    done = run_serve("--classic", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{PATH}"})
    assert done.returncode == 1
    assert done.stderr.startswith("--classic needs RPyC, which ")
    assert done.stderr.count("\n") == 1


def test_sessions_are_listed_through_it() -> None:
    with Daemon() as daemon, Session(daemon.address, name="mine"):
        assert "mine" in [entry.name for entry in listing.sessions(Address.parse(daemon.address))]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "127.0.0.1"], "--host is for a port: say --port 18821, too."),
        (["--port", "99999"], "'99999' is no number from 1 to 65535"),
        (["--memory-limit", "12"], "12 is too little for a Python"),
        (["--memory-limit", "lots"], "'lots' is no amount of memory like 512M or 2G"),
        (["--allow", "10.0.0.0/99"], "'10.0.0.0/99' is no network like 192.168.43.0/24"),
        (["--sessions"], "--sessions"),
    ],
)
def test_what_is_written_wrongly_is_a_sentence(options: list[str], sentence: str) -> None:
    done = run_serve(*options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
