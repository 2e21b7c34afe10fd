"""A notebook behind RPyC's own TLS, with certificates of an authority, and live connections behind `serve`'s."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import rpyc_kernel
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.deadline import Deadline
from tests.kernel.client import Client
from tests.servers.paired_server import paired_server
from tests.servers.rpyc_servers import Server
from tests.servers.test_certified import Authority, rpycs_own
from tests.servers.venvs import venv


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca") / "ours")


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[Server]:
    with rpycs_own(authority, authority.sign("localhost")) as server:
        yield server


def test_a_notebook_with_certificates(tls_server: Server, authority: Authority, front: Client) -> None:
    certificate, key = authority.sign("ada")
    there = f"rpycs://localhost:{tls_server.port}"
    cell = front.good(f"%connect {there} --cafile {authority.file} --certfile {certificate} --keyfile {key}")
    assert f"({there}?cafile={authority.file}&certfile=" in cell.stdout
    assert len(front.good("print('x' * 20_000_000)", timeout=60).stdout) == 20_000_001
    endless = front.start("while True: print('y' * 1000)")
    front.wait_output(endless, "yyy")
    assert front.interrupted(endless) < 10
    assert front.good("%restart\n6 * 7").text == "42"
    cell = front.run(f"%connect {there} --cafile {authority.file}.none")
    assert cell.error is not None
    assert "the cafile can't be used: no such file" in cell.error["evalue"]
    assert front.good("6 * 7").text == "42"  # the notebook stays where it was
    front.good("%disconnect --end")


def test_a_live_connection_behind_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / name))
    with paired_server(venv(), tmp_path / "there") as server:
        proving.pair(server.address, server.codes.show(), Deadline(20))
        with rpyc_kernel.connect(str(server.address)) as remote:
            assert remote.modules.os.getpid() != os.getpid()
            assert remote.eval("6 * 7") == 42
