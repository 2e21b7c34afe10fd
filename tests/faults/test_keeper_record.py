"""A session outlives the server: what it has left of that, how it is found again, and by what clock it lives."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent import wire
from rpyc_kernel.link.link import Link
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from tests.needs import needs
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.unit.sessions import Sessions, runs, wait_for

pytestmark = pytest.mark.needs("linux")

PYTHONS = ["3.7", "3.8", "3.11", "3.13"]


def keeper_of(session: Session) -> int:
    return int(session.run("import os; os.getppid()")[0])


def open_files(pid: int) -> dict[int, str]:
    """What each descriptor of a process stands for."""
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def sockets(pid: int) -> set[str]:
    return {name for name in open_files(pid).values() if name.startswith("socket:")}


@pytest.mark.parametrize("python", PYTHONS)
def test_neither_keeper_nor_worker_has_anything_of_the_server_open(python: str, tmp_path: Path) -> None:
    """Or the server's port could not be listened on again, and a connection that it closes would stay open."""
    (tmp_path / "file").touch()
    before = f"fd = os.open({str(tmp_path / 'file')!r}, os.O_RDONLY)\nos.set_inheritable(fd, True)"
    needs(f"python{python}")
    with start_server(before=before) as server:
        interpreter = needs(f"python{python}")
        with Session(server.address, python=interpreter, cwd=str(tmp_path)) as session:
            assert session.info["cwd"] == str(tmp_path)
            keeper = keeper_of(session)
            os.kill(session.info["pid"], signal.SIGKILL)  # so that the next one is forked while brokers are there
            worker = session.until("session_info", "")[-1].content["pid"]
            theirs = sockets(server.pid)
            assert theirs
            for pid in (keeper, worker):
                assert not theirs & sockets(pid)
                assert str(tmp_path / "file") not in open_files(pid).values()
            assert len(sockets(worker)) == 1  # to the keeper
            assert not sockets(worker) & sockets(keeper)
            assert {open_files(keeper)[fd] for fd in (0, 1, 2)} == {os.devnull}
            assert open_files(worker)[0] == os.devnull
            assert os.getsid(keeper) == keeper
            assert os.getsid(worker) == keeper
            kinds = {name.partition(":")[0] for fd, name in open_files(worker).items() if fd > 2}
            assert {kind for kind in kinds if "code-" not in kind} <= {"socket", "pipe", "anon_inode"}  # an epoll


def test_a_session_is_found_by_another_server_at_another_port() -> None:
    with start_server() as first:
        session = Session(first.address).__enter__()
        keeper = keeper_of(session)
        session.run("kept = 6 * 7")
        first.kill()
    with start_server() as second:
        with open_broker(Address.parse(second.address), timeout=10.0, cancel=threading.Event()) as broker:
            listed = broker.call("list", {}, timeout=10.0)[0]["sessions"]
        mine = next(each for each in listed if each["pid"] == keeper)
        assert (mine["answers"], mine["held"], mine["busy"]) == (True, False, False)
        session.link.close(end=False)
        again = Session(second.address)
        again.link = Link(
            Address.parse(second.address),
            lambda message, _backlog: again.messages.put(message),
            lambda status, error: None,
            mine["session"],
        )
        again.link.open({}, threading.Event(), attach=True)
        again.count = session.count
        assert again.run("kept")[0] == "42"
        again.link.close(end=True)
        wait_for(lambda: not runs(keeper))


CLOCK = """
import time
started, real = time.monotonic(), time.time
def jumping():
    "1970 in one half of a second, now in the other."
    passed = time.monotonic() - started
    return 60.0 + passed if int(passed * 2) % 2 == 0 else real()
time.time = jumping
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_a_clock_that_jumps_neither_ends_a_session_nor_keeps_it(
    sessions: Sessions, tmp_path: Path, python: str
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CLOCK)
    env = {"PYTHONPATH": str(tmp_path / "site")}
    began = time.monotonic()
    client = sessions.start(python=needs(f"python{python}"), env=env, keep=3.0)
    code = (
        "import time\nseen = set()\nfor i in range(60):\n    seen.add(time.time() > 1e9); time.sleep(0.02)\nprint(seen)"
    )
    assert client.run("a", code)[0] == "{False, True}\n"  # it does jump
    watching = sessions.link(client.session)
    for _ in range(2):
        client.pull(wait=0.4)
        status = watching.ask("status")
        assert status["held"] is True
        assert 0 < status["age"] < time.monotonic() - began
    left = time.monotonic()
    client.leave()
    wait_for(lambda: watching.ask("status").get("held") is False)
    status = watching.ask("status")
    assert 0 <= status["idle"] <= time.monotonic() - left + 0.5  # since the last pull, or what woke it then
    wait_for(lambda: watching.ask("status").get("error") == "gone")
    assert time.monotonic() - left >= 3.0


def test_a_keeper_that_crashes_leaves_a_log_that_says_why(sessions: Sessions, tmp_path: Path) -> None:
    """By a bug of ours, say."""
    from tests.unit.agent.test_spawn import agent_with

    bug = "def due(*_args):\n    raise RuntimeError('of a bug')\n"
    client = sessions.link("one", agent_with("keeper/session.py", bug))
    record = client.ask("spawn", shell="plain")
    sessions._keepers.append(record["pid"])
    client.ask("attach", acked=0)
    assert client.ask("pull", epoch=1, acked=0, rtt=0.0, max_bytes=1, wait=1.0)["error"] == "gone"
    wait_for(lambda: not runs(record["pid"]))
    folder = tmp_path / "rpyc-kernel" / "sessions"
    assert [path.name for path in folder.iterdir()] == ["one.json.log"]
    text = (folder / "one.json.log").read_text()
    assert "attached by" in text
    assert text.rstrip().endswith("RuntimeError: of a bug")


def test_an_agent_of_another_version_finds_the_session_too(sessions: Sessions) -> None:
    """Each server has the agent of the kernel that connects; all of them share the folder of the records."""
    from tests.unit.agent.test_spawn import agent_with

    client = sessions.start("one", name="mine")
    newer = sessions.link("one", agent_with("wire.py", "VERSION = 7\n"))
    newer.received = client.received
    mine = next(each for each in newer.ask("list")["sessions"] if each["pid"] == client.keeper)
    assert (mine["version"], mine["name"], mine["answers"]) == (wire.VERSION, "mine", True)
    newer.attach(version=7, client="newer", take=True)
    assert newer.run("a", "print('here')")[0] == "here\n"
