"""A notebook and Dask: `%dask` makes its machines a cluster, and `dask://` puts a session on a worker of one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.networks import FAR, Cable
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.servers.dask_clusters import DaskCluster

pytestmark = [pytest.mark.mainly("plain"), pytest.mark.needs("linux"), pytest.mark.timeout(150)]
ROOT = Path(__file__).resolve().parents[2]
BEGINS = 90.0  # seconds in which a cluster, or a session on a worker, has begun: a busy machine imports Dask slowly


def test_machines_become_a_cluster_on_whose_worker_a_session_is(front: Client) -> None:
    pytest.importorskip("distributed")
    assert "%dask takes start" in str(front.run("%dask begin").error)
    assert front.good("%dask stop").stdout == "No Dask cluster of this notebook runs.\n"
    cells = ["".join(cell["source"]) for cell in json.loads((ROOT / "examples" / "dask.ipynb").read_text())["cells"]
             if cell["cell_type"] == "code"]  # fmt: skip
    assert [cell.split("\n")[0] for cell in cells[:2]] == ["%connect local: --name pi", "%dask start"]
    front.good(cells[0])
    started = front.good(cells[1], BEGINS).stdout
    found = re.match(r"A Dask cluster of 1 worker, at (tcp://127\.0\.0\.1:\d+); client is here and there\.\n", started)
    assert found, started
    assert "\nIts dashboard is http://127.0.0.1:" in started
    assert "can run code on all of its machines" not in started  # since nobody else reaches a loopback address
    assert "has a Dask cluster already" in str(front.run("%dask start").error)
    assert front.good(cells[2]).text == "285"
    assert front.good(cells[3]).text == "{'here': 285}"
    scheduler = found[1].removeprefix("tcp://")
    said = front.good(f"%connect dask://{scheduler}\n%hosts", BEGINS).stdout + front.good("%restart\n%ping").stdout
    assert said.count(f"dask://{scheduler}") >= 3, said
    assert "placed=" not in said  # the name of its server is no name for people
    assert front.good(f"%%on dask://{scheduler}\n1 + 1").text == "2"
    answer = front.good(cells[4].replace("SCHEDULER", scheduler), BEGINS).stdout
    assert re.search(r"It is on the worker tcp://127\.0\.0\.1:\d+\.\n", answer), answer
    assert front.good(cells[5]).text == "True"
    front.good("import os")
    pid = int(front.good("os.getpid()").text or 0)
    assert front.good(cells[6]).stdout == "The Dask cluster has ended.\n"
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())  # with its worker
    cell = front.run("1 + 1")
    assert cell.status == "error"
    assert re.search(r"is gone \((the worker .* has died or was stopped|neither its server nor)", str(cell.error)), (
        cell.error
    )
    assert front.good("%%on pi\n'client' in globals()").text == "True"
    assert os.getpid() != pid


def test_a_cluster_that_exists_is_joined_and_one_of_our_own_ends_with_the_notebook(
    front: Client, kernel: Kernel, own_remote: Remote
) -> None:
    pytest.importorskip("distributed")
    connect(front, own_remote, "--name", "bare")
    front.good("%connect local: --name pi")
    with DaskCluster(workers=1) as cluster:
        joined = front.good(f"%dask start pi --scheduler {cluster.scheduler.removeprefix('tcp://')}", BEGINS).stdout
        assert joined == f"A Dask cluster of 2 workers, at {cluster.scheduler}; client is here and there.\n"
        assert len(cluster.ask("workers")) == 2
        assert front.good("%dask stop").stdout == "The Dask cluster has ended for this notebook.\n"
        assert wait_until(lambda: len(cluster.ask("workers")) == 1)
    started = front.good("%dask start", BEGINS).stdout
    assert re.search(r"^A Dask cluster of 1 worker, ", started), started
    assert "No worker on bare: ModuleNotFoundError: no worker here: its Python has no distributed" in started
    port = int(re.findall(r"tcp://127\.0\.0\.1:(\d+)", started)[0])
    assert is_open(port)
    os.kill(kernel.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_open(port))


def test_the_scheduler_may_be_on_one_of_the_machines(front: Client, kernel: Kernel, own_remote: Remote) -> None:
    pytest.importorskip("distributed")
    connect(front, own_remote, "--name", "bare")
    front.good("%connect local: --name pi")
    missing = str(front.run("%dask start --scheduler-on bare").error)
    assert "No scheduler on bare: ModuleNotFoundError: no scheduler here: its Python has no distributed" in missing
    assert front.good("%dask stop").stdout == "No Dask cluster of this notebook runs.\n"
    assert "there is one scheduler" in str(front.run("%dask start --scheduler-on pi --scheduler x:1").error)
    assert "no machine nobody" in str(front.run("%dask start --scheduler-on nobody").error)
    started = front.good("%dask start --scheduler-on pi", BEGINS).stdout
    assert re.search(r"^A Dask cluster of 1 worker, ", started), started
    port = int(re.findall(r"tcp://127\.0\.0\.1:(\d+)", started)[0])
    assert "No worker on bare: " in started
    whose = "client.run_on_scheduler(lambda: (__import__('os').getpid(), __import__('os').getppid()))"
    front.good("import os")
    assert front.good(f"{whose}[1] == os.getpid()").text == "True"  # it is a program of that session
    kernel.shutdown()
    assert wait_until(lambda: not is_open(port))


def test_a_scheduler_that_says_nothing_can_be_given_up_and_one_that_is_not_there_is_told(front: Client) -> None:
    pytest.importorskip("distributed")
    front.good("%connect local: --name pi")
    for command in ("%connect dask://{}", "%dask start pi --scheduler {}"):
        with socket.create_server(("127.0.0.1", 0)) as silent:  # one each: whoever was stopped may dial once more
            where = f"127.0.0.1:{silent.getsockname()[1]}"
            cell = front.start(command.format(where))
            peer, _address = silent.accept()  # Dask waits for its word
            with peer:
                front.interrupted(cell, 60)
            assert where in str(cell.error), cell.error
    for command in (f"%connect dask://{where}", f"%dask start pi --scheduler {where}"):
        assert f"nothing listens at tcp://{where}" in str(front.run(command).error)
    assert front.good("%%on pi\n1 + 1").text == "2"


@pytest.mark.needs("ip")
def test_a_scheduler_on_another_machine_is_reached_over_the_network() -> None:
    pytest.importorskip("distributed")
    with Cable() as cable, ExitStack() as stack:
        with cable.far.inside():
            far = stack.enter_context(Remote("bare", host=FAR))
        with cable.near.inside(), Kernel(transport="ipc") as front:
            front.good(f"%connect {far.address} --name far --python {sys.executable}")
            started = front.good("%dask start --scheduler-on far", BEGINS).stdout
            found = re.match(rf"A Dask cluster of 1 worker, at tcp://{re.escape(FAR)}:(\d+); client is here", started)
            assert found, started
            assert f"whoever reaches tcp://{FAR}" in started
            assert front.good("%%local\nclient.submit(lambda: 6 * 7).result()").text == "42"
            url = re.findall(r"Its dashboard is (http://localhost:\d+)/status\n", started)[0]
            page = f"%%local\nfrom urllib.request import urlopen\nurlopen('{url}/health', timeout=20).read()"
            assert front.good(page).text == "b'ok'"
            assert front.good("%dask stop").stdout == "The Dask cluster has ended.\n"
            look = f"socket.create_connection(({FAR!r}, {found[1]}), timeout=20)"
            assert "ConnectionRefusedError" in str(front.run(f"%%local\nimport socket\n{look}").error)
            assert "No port of" in front.good("%forward").stdout


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
