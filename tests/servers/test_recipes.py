"""The recipes of docs/growing.md: what starts our kernel, and engines in its cells. `make soak` runs them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import Folder
from tests.kernel.remotes import wait_until
from tests.servers.gateways import WebServer
from tests.servers.rpyc_servers import Server, free_port, start_server
from tests.servers.sessions import Session
from tests.servers.venvs import HUB, IPYPARALLEL, KERNEL_GATEWAY, RAY, venv

pytestmark = [pytest.mark.soak, pytest.mark.needs("linux"), pytest.mark.timeout(600)]
TOKEN = "recipe-tests"
WHERE = "import os; print('in', os.environ.get('RK_PLACE'))"


@pytest.fixture
def board() -> Iterator[Server]:
    with start_server(env={"RK_PLACE": "there"}) as server:
        yield server


def there(server: WebServer, board: Server) -> None:
    """A kernel that the server starts runs cells on the board, until the server ends it."""
    kernel = server.begin()
    said, where, value = server.run(kernel, f'$connect("{board.address}")', WHERE, "6 * 7")
    assert board.address in said
    assert where == "in there\n"
    assert value == "42"
    assert [each["name"] for each in server.ask("GET", "/kernels")] == ["rpyc"]
    server.ask("DELETE", f"/kernels/{kernel}")
    assert server.ask("GET", "/kernels") == []


def test_jupyter_kernel_gateway(board: Server) -> None:
    command = [str(venv(extra_packages=KERNEL_GATEWAY)), "-m", "kernel_gateway", "--KernelGatewayApp.port={port}"]
    command += [f"--KernelGatewayApp.auth_token={TOKEN}", "--KernelGatewayApp.default_kernel_name=rpyc"]
    with WebServer([*command, "--JupyterWebsocketPersonality.list_kernels=True"], TOKEN) as server:
        server.wait()
        assert server.ask("GET", "/kernelspecs")["default"] == "rpyc"
        there(server, board)


def test_jupyterhub(board: Server) -> None:
    """Its own proxy is node's; the one in Python that PyPI has stands in for it."""
    python = venv(extra_packages=HUB)
    config = f"""
import os
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{free_port()}"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.ConfigurableHTTPProxy.command = ["{python.parent}/configurable-http-proxy"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{free_port()}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {{"ada"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.getcwd() + "/home/{{username}}"
c.Spawner.cmd = ["{python.parent}/jupyterhub-singleuser", "--allow-root"]
c.Spawner.env_keep = ["JUPYTER_PATH", "PATH", "RK_WHERE"]
c.JupyterHub.services = [{{"name": "test", "api_token": "{TOKEN}"}}]
scopes = ["admin:servers", "admin:users", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": scopes}}]
"""
    with Folder("rh-") as name:
        file = Path(name, "jupyterhub_config.py")
        file.write_text(config)
        command = [str(python), "-m", "jupyterhub", "-f", str(file), "--JupyterHub.bind_url=http://127.0.0.1:{port}"]
        with WebServer(command, TOKEN, "/hub/api") as hub:
            hub.wait()
            hub.ask("POST", "/users/ada/server")
            assert wait_until(lambda: hub.ask("GET", "/users/ada")["servers"].get("", {}).get("ready"), 60)
            hub.api = "/user/ada/api"
            there(hub, board)


def run(session: Session, code: str) -> str:
    reply_to = session.start(code)
    messages = session.until("execute_reply", reply_to, timeout=300)
    assert messages[-1].content["status"] == "ok", messages[-1].content
    return "".join(each.content["text"] for each in messages if each.type == "stream")


def test_ipyparallel_becomes_dask() -> None:
    with start_server(extra_packages=IPYPARALLEL) as server, Session(server.address) as session:
        run(session, "import ipyparallel\ncluster = ipyparallel.Cluster(n=2)\nrc = cluster.start_and_connect_sync()")
        assert run(session, "client = rc.become_dask()\nprint(sum(client.gather(client.map(abs, [-1, 2]))))") == "3\n"
        assert run(session, "print(len(client.nthreads()))") == "2\n"
        run(session, "client.close()\nrc.stop_dask()\ncluster.stop_cluster_sync()")


def test_ray() -> None:
    """A session is the driver of a cluster on whose machine it is."""
    with start_server(extra_packages=RAY) as server, Session(server.address) as session:
        ray = Path(server.python).with_name("ray")
        options = "--head --port 0 --include-dashboard false --disable-usage-stats --num-cpus 1"
        subprocess.run([ray, "start", *options.split()], check=True, timeout=300)
        try:
            run(session, "import ray\nray.init('auto', log_to_driver=False)")
            code = (
                "import os\n@ray.remote\ndef where(): return os.getpid()\nprint(ray.get(where.remote()) == os.getpid())"
            )
            assert run(session, code) == "False\n"
        finally:
            subprocess.run([ray, "stop", "--force"], check=False, timeout=60)
