"""``rpyc_kernel.connect_classic``: RPyC's own classic connection, behind whatever leads to the server."""

from __future__ import annotations

import pytest
import rpyc

import rpyc_kernel
from rpyc_kernel.errors import AddressError, NobodyListeningError, NotAdmittedError, ServerClosedError
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from tests.servers.own_server import own_server
from tests.servers.rpyc_servers import free_port, start_server
from tests.servers.test_serve_port import CODE, PortDaemon
from tests.servers.venvs import venv

pytestmark = pytest.mark.needs("posix")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    for name in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / name))


def paired(daemon: PortDaemon) -> str:
    where = f"rpycs://127.0.0.1:{daemon.port}"
    proving.pair(Address.parse(where), daemon.wait_for(CODE, daemon.out)[0], Deadline(20))
    return where


def test_behind_tls_and_the_proof():
    with (
        PortDaemon("--pair", "--classic") as daemon,
        rpyc_kernel.connect_classic(paired(daemon), sync_request_timeout=20) as connection,
    ):
        assert isinstance(connection, rpyc.Connection)
        assert connection.modules.os.getpid() == daemon.pid
        connection.execute("answer = 6 * 7")
        assert connection.namespace["answer"] == connection.eval("answer") == 42
        assert len(connection.eval("b'x' * 3_000_000")) == 3_000_000
        assert connection._config["sync_request_timeout"] == 20


def test_a_server_for_kernels_only_says_so():
    with PortDaemon("--pair") as daemon:
        where = paired(daemon)
        with pytest.raises(NotAdmittedError, match=r"serves kernels only.*serve --classic"):
            rpyc_kernel.connect_classic(where)


def test_a_stock_server():
    with start_server() as server, rpyc_kernel.connect_classic(server.address) as connection:
        assert connection.modules.os.getpid() == server.pid


def test_nothing_of_here_is_exposed():
    """RPyC's own ``classic.connect`` would serve the server: it could evaluate anything here."""
    with start_server() as server, rpyc_kernel.connect_classic(server.address) as connection:
        connection.execute("import gc, rpyc.core.protocol as p")
        connection.execute("other = [each for each in gc.get_objects() if type(each) is p.Connection][0]")
        with pytest.raises(AttributeError, match="eval"):
            connection.execute("other.root.eval('1')")


def test_a_server_that_is_not_classic_is_a_sentence():
    with own_server(venv()) as (port, _process), pytest.raises(ServerClosedError):
        rpyc_kernel.connect_classic(f"127.0.0.1:{port}")


def test_what_leads_nowhere_is_a_sentence():
    with pytest.raises(NobodyListeningError):
        rpyc_kernel.connect_classic(f"127.0.0.1:{free_port()}")
    with pytest.raises(AddressError):
        rpyc_kernel.connect_classic("http://pi")
