"""Machines that are down, or are lost meanwhile, and a `ContentsManager` that isn't asynchronous."""

from __future__ import annotations

import socket
import sys
import threading
import time
from urllib.parse import urlencode

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.remotes import wait_until
from tests.servers.jupyter_servers import JupyterServer
from tests.servers.rpyc_servers import free_port, start_server

MANAGER = "jupyter_server.services.contents.largefilemanager.LargeFileManager"  # not an asynchronous one
CONNECT_S = 6.0


@pytest.fixture(scope="module")
def silent():
    """A port whose connections are taken, and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def proxy():
    """The way to a machine."""
    with start_server() as server, Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def jupyter(proxy, silent):
    options = (
        f"--ServerApp.contents_manager_class={MANAGER}",
        f"--MachineContents.connect_timeout={CONNECT_S}",
        "--MachineContents.answer_timeout=8",
    )
    jupyter = JupyterServer("jupyter_server", sys.executable, *options)
    jupyter.save_host("pi", proxy.address, "--tile")
    jupyter.save_host("down", f"127.0.0.1:{free_port()}")
    jupyter.save_host("silent", f"127.0.0.1:{silent}")
    (jupyter.root / "here.txt").write_text("here")
    with jupyter:
        yield jupyter


def test_a_machine_that_is_down_holds_nothing_up(jupyter):
    refused = jupyter.ask("GET", "/api/contents/down:")
    assert (refused.status, "No server is listening" in refused.json["message"]) == (503, True)
    asked = [threading.Thread(target=jupyter.ask, args=("GET", "/api/contents/silent:")) for _ in range(6)]
    for each in asked:
        each.start()
    for path in ("", "here.txt"):
        assert jupyter.ask("GET", f"/api/contents/{path}").status == 200
    assert all(each.is_alive() for each in asked)  # nobody has answered these, and the others didn't wait
    for each in asked:
        each.join(60)
    began = time.monotonic()
    answer = jupyter.ask("GET", "/api/contents/silent:home")
    assert (answer.status, time.monotonic() - began < 2 * CONNECT_S + 10) == (503, True)
    assert "silent" in answer.json["message"] or "127.0.0.1" in answer.json["message"]


def test_a_manager_that_is_not_asynchronous(jupyter, proxy, tmp_path):
    """And a machine that falls silent, whose links lead nowhere then, and that comes back."""

    def listed(path):
        return jupyter.ask("GET", f"/api/contents/{path}")

    def resolved():
        return jupyter.ask("GET", f"/api/resolvePath?{query}").json["resolved"]

    assert [each["name"] for each in listed("").json["content"]] == ["here.txt", "down:", "pi:", "silent:"]
    there = f"pi:{tmp_path}"
    assert wait_until(lambda: listed(there).status == 200, 90)
    for body in ({"type": "file", "format": "text", "content": "x"}, {"type": "directory"}):
        for place in (f"{there}/", ""):
            assert jupyter.ask("PUT", f"/api/contents/{place}{body['type']}", body).status == 201
    assert jupyter.ask("POST", "/api/contents/", {"copy_from": f"{there}/file"}).json["name"] == "file-Copy1"
    assert jupyter.ask("PATCH", "/api/contents/file-Copy1", {"path": "moved"}).status == 200
    assert (jupyter.root / "moved").read_text() == "x"
    kernel = jupyter.ask("POST", "/api/kernels", {"name": "rpyc-pi"}).json["id"]
    with jupyter.client(kernel) as client:
        client.good("1")
    query = urlencode({"path": jupyter.root / "moved", "kernel": kernel})
    assert resolved() == [{"scope": "server", "path": f"pi:{str(jupyter.root)[1:]}/moved"}]
    proxy.blackhole()
    began = time.monotonic()
    lost = listed(there)
    assert (lost.status, "pi has not answered for" in lost.json["message"]) == (503, True), lost
    assert resolved() == []  # rather no link than one to the file of this machine
    assert time.monotonic() - began < 60
    # the link knows by now that it is lost; of many requests at once, those behind the first ones don't wait in turn
    assert wait_until(lambda: "for 5 s" in listed(there).json["message"], 60)
    began = time.monotonic()
    asked = [threading.Thread(target=listed, args=(there,)) for _ in range(12)]
    for each in asked:
        each.start()
    for each in asked:
        each.join(60)
    assert time.monotonic() - began < 40, "in turn they would take a minute"
    proxy.heal()
    assert wait_until(lambda: listed(there).status == 200, 90)
    with jupyter.client(kernel) as client:
        client.good("%disconnect --end")  # or it would stay, if the kernel's link isn't back when the kernel ends
