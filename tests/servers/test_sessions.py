"""A whole session, from shipping the agent to its end, on every RPyC and kind of server that has to work."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import rpyc

from rpyc_kernel.agent.boot import package_of
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.link.link import Link
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import agent_archive
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.venvs import VERSIONS


def works(session: Session) -> None:
    """The least that a session must do."""
    assert session.run("x = 6\nprint('printed')\nx * 7")[0] == "printed\n42"
    reply = session.run("1/0")[1]
    assert reply["ename"] == "ZeroDivisionError"
    msg_id = session.start("print('running', flush=True)\nwhile True: pass")
    session.until("stream", msg_id)
    session.link.interrupt(msg_id)
    assert session.until("execute_reply", msg_id)[-1].content["ename"] == "KeyboardInterrupt"
    assert session.run("x")[0] == "6"


def gone(pid: int, timeout: float = 5.0) -> bool:
    """Whether a process ends within that time; one that only waits to be reaped has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_a_session_on_every_rpyc(rpyc: str, python: str) -> None:
    with start_server(rpyc=rpyc, python=python) as server, Session(server.address) as session:
        assert session.info["python"].startswith(python)
        works(session)


@pytest.mark.parametrize("kind", ["instance", "pool", "forking", "classic"])
@pytest.mark.parametrize("rpyc", [VERSIONS[0], VERSIONS[2], VERSIONS[3]], ids=lambda version: version[0])
def test_a_session_in_every_kind_of_server(kind: str, rpyc: tuple[str, str]) -> None:
    with start_server(kind, rpyc=rpyc[0], python=rpyc[1]) as server, Session(server.address) as session:
        works(session)


def test_a_later_connection_finds_what_an_earlier_one_has_compiled() -> None:
    with (
        start_server() as server,
        Session(server.address),
        closing(rpyc.classic.connect(server.host, server.port)) as beside,
    ):
        package = beside.modules.sys.modules[package_of(agent_archive()[0])]
        before = package.open_broker
        with Session(server.address) as session:
            works(session)
        assert package.open_broker == before
        assert len(package.starter.compiled) == 1


def test_a_server_for_one_connection_says_why_not() -> None:
    """A session needs two connections; OneShotServer gives one."""
    with start_server("oneshot") as server:
        link = Link(Address.parse(server.address), lambda message: None, lambda status, error: None)
        with pytest.raises(RpycKernelError, match="OneShotServer"):
            link.open({"shell": "plain"}, threading.Event())


def test_a_pool_of_few_threads_is_not_blocked_by_waiting_sessions() -> None:
    """20 threads: as many pulls that wait there would stall everybody."""
    with start_server("pool") as server:
        sessions = [Session(server.address).__enter__() for _ in range(22)]
        try:
            assert [session.run("1 + 1")[0] for session in sessions] == ["2"] * len(sessions)
        finally:
            for session in sessions:
                session.link.close(end=True)


def test_the_end_of_a_session_leaves_no_process() -> None:
    with start_server() as server:
        with Session(server.address) as session:
            worker = session.info["pid"]
            keeper = int(session.run("import os; os.getppid()")[0])
            child = int(session.run("import subprocess; subprocess.Popen(['sleep', '600']).pid")[0])
        assert gone(worker)
        assert gone(child)
        assert gone(keeper)


def test_a_busy_session_is_ended_too() -> None:
    with start_server() as server:
        with Session(server.address) as session:
            msg_id = session.start("print('on')\nwhile True: pass")
            session.until("stream", msg_id)
        assert gone(session.info["pid"])


def test_the_keeper_outlives_its_server() -> None:
    """It is found again by another server of the same user."""
    with start_server() as first:
        session = Session(first.address).__enter__()
        worker = session.info["pid"]
        session.run("kept = 1")
        port = first.port
        first.kill()
        with start_server(port=port):
            assert session.run("kept")[0] == "1"
            session.link.close(end=True)
        assert gone(worker)


def test_two_sessions_share_nothing() -> None:
    with start_server() as server, Session(server.address) as one, Session(server.address) as two:
        one.run("mine = 1")
        assert two.run("'mine' in globals()")[0] == "False"
        first, second = one.start("import time\nprint('one'); time.sleep(60)"), two.start("print('two')")
        two.until("execute_reply", second)
        one.until("stream", first)
        two.link.interrupt(first)
        assert two.run("1")[0] == "1"
        one.link.interrupt(first)
        assert one.until("execute_reply", first)[-1].content["ename"] == "KeyboardInterrupt"


def test_cwd_env_and_python_of_a_session(tmp_path: os.PathLike[str]) -> None:
    with start_server() as server:
        with Session(server.address, cwd=str(tmp_path), env={"COLOUR": "red"}) as session:
            assert session.run("import os; os.getcwd() + os.environ['COLOUR']")[0] == repr(f"{tmp_path}red")
        for config, sentence in (
            ({"cwd": "/no/such/folder"}, "no folder /no/such/folder"),
            ({"python": "/bin/false"}, "Is it a Python"),
            ({"python": "/no/python"}, "can't be started"),
        ):
            link = Link(Address.parse(server.address), lambda message: None, lambda status, error: None)
            with pytest.raises(RpycKernelError, match=sentence):
                link.open({"shell": "plain", **config}, threading.Event())


def test_a_session_with_keep_0_ends_with_the_link_and_not_before() -> None:
    with start_server() as server:
        session = Session(server.address, keep=0).__enter__()
        assert session.run("import time; time.sleep(2.5)\n1")[0] == "1"
        assert not gone(session.info["pid"], timeout=2.5)
        session.link.close(end=False)
        assert gone(session.info["pid"], timeout=20)  # the pulls that wait there are answered first
