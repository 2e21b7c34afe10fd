"""``dask://``: sessions on the workers of a real cluster, which die, are retired, and lose their scheduler."""

from __future__ import annotations

import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpyc_kernel.errors import AddressError, NotAdmittedError, ProgramError, SessionGoneError, UnsupportedSchemeError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.placing import placements
from rpyc_kernel.transport.ways import dask
from tests.servers.dask_clusters import DaskCluster
from tests.servers.sessions import Session

pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(300)]
PATIENCE = 90.0  # seconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    with DaskCluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(dask, "PLACE_TIMEOUT_S", PATIENCE)
    return tmp_path / "data"


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def placed(cluster: DaskCluster, options: str = "") -> Address:
    """Have another session's server placed."""
    dask._latest.clear()
    (server,) = Address.parse(cluster.address + options).locate()
    return server


def both_workers(cluster: DaskCluster) -> list[str]:
    """Wait for two workers, as the nanny of one that was killed starts another; return their addresses.

    Once, on a machine with 30 processes that wanted its two cores, Dask did not start another at all.
    """
    found: list[str] = []

    def are_there() -> bool:
        found[:] = cluster.ask("workers")
        return len(found) == 2

    try:
        until(are_there, PATIENCE / 3)
    except AssertionError:
        cluster.ask("restart")
        until(are_there)
    return found


def worker_of(server: Address) -> str:
    return re.findall(r"worker (\S+)\.", " ".join(server.transport.told(server)))[0]


def test_who_does_not_know_the_key_is_not_let_in(cluster: DaskCluster) -> None:
    """The next test waits until nothing is left of this server, whose kernel went without a session."""
    server = placed(cluster)
    right = placements.find(str(server).partition("placed=")[2])
    assert right is not None
    for wrong, told in (({"key": "00" * 32}, "its proof has failed"), ({"fingerprint": "00" * 32}, "another server")):
        placements.keep(placements.Placement(**{**vars(right), **wrong}))
        with pytest.raises(NotAdmittedError, match=told):
            open_broker(server)
    placements.keep(right)
    open_broker(server).close()


def test_sessions_are_on_workers_with_what_they_ask_for_until_they_end(
    cluster: DaskCluster, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = Address.parse(cluster.address + "?resources=GPU:1")
    (first,) = address.locate()
    assert address.locate() == [first]  # the same again, while it lives
    second = placed(cluster, "?resources=GPU:1")
    with Session(str(first)) as one, Session(str(second)) as two:
        assert {worker_of(first), worker_of(second)} == set(cluster.ask("workers"))
        text, reply = one.run("import os, sys\nprint(os.environ['DASK_SCHEDULER_ADDRESS'], sys.executable)")
        assert reply["status"] == "ok", reply
        assert text == f"{cluster.scheduler} {sys.executable}\n"
        # next to the data: the worker's one thread is free for tasks, and the session is a client of them
        task = f"client.submit(lambda: get_worker().address, workers=[{worker_of(second)!r}])"
        text, _reply = two.run(
            f"from distributed import Client, get_worker\nclient = Client()\nprint({task}.result())\nclient.close()"
        )
        assert text == f"{worker_of(second)}\n"
        # what both have stays reserved
        monkeypatch.setattr(dask, "PLACE_TIMEOUT_S", 1.0)
        with pytest.raises(ProgramError, match=r"no worker that has GPU:1 free was found within 1 s\. .*end a session"):
            placed(cluster, "?resources=GPU:1")
        # a kernel that is started again finds it by a file that this user alone can read
        (file, _other) = sorted((data / "rpyc-kernel" / "placed").iterdir())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        placements._found.clear()
        open_broker(first).close()
        assert first.display == cluster.address + "?resources=GPU:1"
        assert Address.parse(str(first)) == first
    until(lambda: cluster.ask("tasks") == {})  # reservations end with their sessions, and where none has begun


def test_a_worker_that_is_killed_is_told_and_its_session_begins_nowhere_else(cluster: DaskCluster) -> None:
    both_workers(cluster)
    server = placed(cluster)
    worker = worker_of(server)
    with Session(str(server)) as session:
        session.run("x = 1")
        cluster.ask("kill", worker)
        until(lambda: session.closed)
        error = session.link.error
        assert isinstance(error, SessionGoneError), error
        assert f"the worker {worker} has died or was stopped), and with it its variables" in str(error)
        assert f'$connect("{cluster.address}") begins a new one' in str(error)
    with pytest.raises(SessionGoneError, match="has died or was stopped"):  # as whoever looks later is told
        open_broker(server)
    dask._gone.clear()  # as in a kernel that was started again
    with pytest.raises(SessionGoneError, match="nothing is known here of where it was placed"):
        open_broker(server)
    until(lambda: cluster.ask("tasks") == {})  # nothing waits there for a worker that never comes


def test_a_task_that_dask_runs_again_refuses(cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpyc_kernel.transport.placing import dask_cluster

    both_workers(cluster)
    monkeypatch.setattr(dask_cluster, "_choose", lambda client, resources: "")  # any worker may run it again
    server = placed(cluster)
    (token,) = cluster.ask("tasks")
    open_broker(server).close()
    cluster.ask("kill", worker_of(server))
    told = cluster.ask("story", token)
    assert [state for _key, _from, state in told].count("processing") >= 1
    until(lambda: token not in cluster.ask("tasks"))
    told = cluster.ask("story", token)
    assert [state for _key, _from, state in told].count("processing") >= 2, told  # Dask has run it again,
    assert "was placed before; its worker was lost" in cluster.ask("said", token)  # and it has refused
    with pytest.raises(SessionGoneError, match="has died"):
        open_broker(server)


def test_a_worker_that_is_retired_and_a_scheduler_that_is_started_again(cluster: DaskCluster) -> None:
    worker, second = both_workers(cluster)
    server, other = placed(cluster, f"?worker={worker}"), placed(cluster, f"?worker={second}")
    assert worker_of(server) == worker
    assert worker_of(other) != worker
    with Session(str(server)) as session, Session(str(other)) as last:
        session.run("import atexit, pathlib")
        cluster.ask("retire", worker)
        until(lambda: session.closed)
        assert f"the worker {worker} was retired), and with it" in str(session.link.error)
        assert last.run("1 + 1")[0] == "2"
        cluster.ask("restart")
        until(lambda: last.closed)
        # when the link looks, the worker has left, or the scheduler is gone, or there is the new one
        ends = r"was stopped\), and|is there any more\), and|as after a restart of its scheduler\), and"
        assert re.search(ends, str(last.link.error)), last.link.error
    assert cluster.ask("tasks") == {}


def test_addresses() -> None:
    address = Address.parse("DASK://Scheduler?worker=tcp://10.0.0.5:4711&resources=GPU:1.0,MEM:2")
    assert str(address) == "dask://scheduler:8786?resources=GPU:1,MEM:2&worker=tcp://10.0.0.5:4711"
    assert address.display == "dask://scheduler?resources=GPU:1,MEM:2&worker=tcp://10.0.0.5:4711"
    for wrong, told in (
        ("dask://s?gpu=1", "has no option 'gpu'; it takes resources and worker"),
        ("dask://s?resources=GPU", "'GPU' is no list of resources like GPU:1,SLOTS:2"),
        ("dask://s?resources=GPU:1&resources=GPU:2", "an option is written twice"),
        ("dask://s?worker=a,b", "is no address of a worker"),
        ("dask://s?placed=../x", "names no placed session"),
        ("dask://me@s", "a user is no part"),
    ):
        with pytest.raises(AddressError, match=re.escape(told)):
            Address.parse(wrong)
    with pytest.raises(UnsupportedSchemeError, match="has to be placed there first"):
        open_broker(Address.parse("dask://127.0.0.1"))


def test_no_scheduler_and_no_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "PLACE_TIMEOUT_S", 1.0)
    with pytest.raises(ProgramError, match=r"no Dask scheduler answers there \(.*\)\. Is the address"):
        Address.parse("dask://127.0.0.1:1").locate()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ProgramError, match=r"distributed is missing here .* pip install 'rpyc-kernel\[dask\]'"):
        Address.parse("dask://127.0.0.1:1").locate()
