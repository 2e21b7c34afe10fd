"""`%discover` and `%connect service:NAME`: servers found through RPyC's registry, from a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import refused
from tests.servers.registries import answering, registered, start_registry
from tests.servers.rpyc_servers import Server, free_port

pytestmark = pytest.mark.mainly("plain")

WHERE = "import os; os.environ['RK_WHERE']"
PORT = "import os; os.environ['RK_REMOTE']"


def classic(registry: Server) -> Remote:
    """A classic server that registers there."""
    before = "from rpyc.utils.registry import UDPRegistryClient"
    registrar = f"UDPRegistryClient({registry.host!r}, {registry.port}, timeout=1)"
    return Remote("bare", before=before, options=f"auto_register=True, registrar={registrar}")


@pytest.fixture(scope="module")
def registry() -> Iterator[Server]:
    with start_registry("udp", options="allow_listing=True") as server:
        yield server


@pytest.fixture(scope="module")
def remote(registry: Server) -> Iterator[Remote]:
    """The only server of that registry."""
    with classic(registry) as server:
        registered(registry.address, "SLAVE")
        yield server


@pytest.fixture
def own_registry() -> Iterator[Server]:
    with start_registry("udp") as server:
        yield server


@pytest.fixture
def front(new_kernel: Callable[..., Kernel], registry: Server) -> Client:
    """A notebook whose kernel knows that registry."""
    return new_kernel(f"--RpycKernel.registry={registry.address}").first


@pytest.fixture(scope="module")
def asking(registry: Server) -> Iterator[Client]:
    """Such a notebook, of all tests here that only ask."""
    with Kernel(f"--RpycKernel.registry={registry.address}") as client:
        yield client


# --- %discover


@pytest.mark.parametrize("command", ["%discover SLAVE", "%discover slave"])
def test_discover_is_a_table(asking: Client, remote: Remote, command: str) -> None:
    assert asking.good(command).stdout == f"SLAVE  {remote.address}\n"


def test_without_a_name_all_that_can_be_found_is_listed(asking: Client, remote: Remote) -> None:
    title, *rows = asking.good("%discover").stdout.splitlines()
    assert title.split() == ["found", "by", "name", "address"]
    assert ["registry", "SLAVE", remote.address] in [row.split() for row in rows]


@pytest.mark.parametrize("command", ["%discover SLAVE --registry {}", "%discover SLAVE --registry=tcp://{}"])
def test_the_command_names_another_registry_than_the_kernels(asking: Client, remote: Remote, command: str) -> None:
    with start_registry("tcp") as other:
        refused(asking.run(command.format(other.address)), "SLAVE", other.address, "auto_register=True")


def test_what_cannot_be_discovered_is_a_sentence(asking: Client, own_registry: Server) -> None:
    refused(asking.run("%discover NOBODY"), "NOBODY", "auto_register=True")
    refused(asking.run("%discover a/b"), "'a/b' names no service")
    refused(asking.run("%discover SLAVE --registry http://pi"), "no registry's place")
    refused(asking.run(f"%discover SLAVE --registry 127.0.0.1:{free_port()}"), "Connection refused", "rpyc_registry.py")
    refused(asking.run(f"%discover --registry {own_registry.address}"), "does not list", "discover SLAVE")


def test_an_empty_registry_says_so(asking: Client) -> None:
    with start_registry("tcp", options="allow_listing=True") as registry:
        assert "knows no server now" in asking.good(f"%discover --registry {registry.address}").stdout


def test_discovering_is_stopped(asking: Client) -> None:
    with answering("tcp", hang_up=False) as place:
        cell = asking.start(f"%discover SLAVE --registry {place}")
        asking.wait_for(lambda: cell.input is not None, what="the beginning of the cell")
        asking.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


# --- %connect service:NAME


@pytest.mark.parametrize("command", ["%connect service:SLAVE", '$connect("service:slave")', "%connect Service:Slave"])
def test_what_follows_runs_on_the_server_of_that_service(front: Client, remote: Remote, command: str) -> None:
    cell = front.good(f"{command}\n{WHERE}")
    assert cell.text == "'there'"
    assert f"(service SLAVE at {remote.address}, no other is registered)" in cell.stdout
    assert cell.stdout.count("\n") == 1
    assert remote.address in front.good("%hosts").stdout


def test_the_registry_is_named_in_the_command(
    new_kernel: Callable[..., Kernel], registry: Server, remote: Remote
) -> None:
    front = new_kernel().first
    assert front.good(f"%connect service:SLAVE --registry udp://{registry.address}\n{WHERE}").text == "'there'"
    refused(front.run(f"%connect {remote.address} --registry {registry.address}"), "service:NAME")
    assert front.good(WHERE).text == "'there'"


def test_the_notebook_remembers_the_address_that_was_found(
    new_kernel: Callable[..., Kernel], own_registry: Server
) -> None:
    kernel = new_kernel(f"--RpycKernel.registry={own_registry.address}")
    with classic(own_registry) as remote:
        registered(own_registry.address, "SLAVE")
        kernel.first.good("%connect service:SLAVE")
        own_registry.kill()
        kernel.restart()
        assert kernel.first.good(PORT).text == repr(remote.folder.name)


def test_the_kernels_option_may_be_a_service(
    new_kernel: Callable[..., Kernel], registry: Server, remote: Remote
) -> None:
    kernel = new_kernel(f"--RpycKernel.registry={registry.address}", "--RpycKernel.address=service:SLAVE")
    assert kernel.first.good(PORT).text == repr(remote.folder.name)


def test_of_several_the_first_that_can_be_connected_to(new_kernel: Callable[..., Kernel], own_registry: Server) -> None:
    front = new_kernel(f"--RpycKernel.registry={own_registry.address}").first
    with ExitStack() as stack:
        first = stack.enter_context(classic(own_registry))
        registered(own_registry.address, "SLAVE")
        second = stack.enter_context(classic(own_registry))
        found = registered(own_registry.address, "SLAVE", 2)
        by_port = {each.port: each for each in (first, second)}
        dead, alive = (by_port[port] for _host, port in found)
        dead.running.kill()
        line = front.good("%connect service:SLAVE").stdout
        assert f"(service SLAVE at {alive.address}, 1 other registered)" in line
        alive.running.kill()
        other = new_kernel(f"--RpycKernel.registry={own_registry.address}").first
        refused(other.run("%connect service:SLAVE"), "None of the 2 servers", "SLAVE", "No server is listening on")


def test_a_notebook_stays_where_it_is_if_that_is_one_of_them(
    new_kernel: Callable[..., Kernel], own_registry: Server
) -> None:
    front = new_kernel(f"--RpycKernel.registry={own_registry.address}").first
    with classic(own_registry), classic(own_registry):
        for host, port in registered(own_registry.address, "SLAVE", 2):
            front.good(f"%connect {host}:{port}\nx = {port}")
            assert "Still connected" in front.good("%connect service:SLAVE").stdout
            assert front.good("x").text == str(port)


def test_from_a_server_that_is_gone_to_another(new_kernel: Callable[..., Kernel], own_registry: Server) -> None:
    front = new_kernel(f"--RpycKernel.registry={own_registry.address}").first
    with classic(own_registry) as one, classic(own_registry) as other:
        registered(own_registry.address, "SLAVE", 2)
        front.good("%connect service:SLAVE")
        name = front.good(PORT).text
        lost, there = (one, other) if name == repr(one.folder.name) else (other, one)
        lost.running.kill()
        assert there.address in front.good("%connect service:SLAVE").stdout
        assert front.good(PORT).text == repr(there.folder.name)


def test_sessions_of_a_service(front: Client, remote: Remote) -> None:
    """Wherever a machine is named."""
    front.good("%connect service:SLAVE --name tally\nx = 1")
    assert "* tally" in front.good("%sessions service:SLAVE").stdout
    front.good("%disconnect")
    front.good("%attach tally service:slave")
    assert front.good("x").text == "1"
    refused(front.run("%sessions service:NOBODY"), "NOBODY")


@pytest.mark.parametrize("known", [True, False])
def test_where_no_server_is_found_nothing_runs_anywhere_else(
    new_kernel: Callable[..., Kernel], own_registry: Server, known: bool
) -> None:
    options = [f"--RpycKernel.registry={own_registry.address}"] if known else []
    front = new_kernel(*options).first
    command = "%connect service:SLAVE" + ("" if known else f" --registry {own_registry.address}")
    failed = front.run(f"{command}\nprint('must not run')")
    refused(failed, "SLAVE", own_registry.address, "auto_register=True")
    assert front.run("print('nor this')").stdout == ""
    assert front.run("print('nor this')").status == "error"


def test_the_next_cell_asks_again_for_a_service_that_was_not_there(
    new_kernel: Callable[..., Kernel], own_registry: Server
) -> None:
    front = new_kernel(f"--RpycKernel.registry={own_registry.address}").first
    refused(front.run("%connect service:SLAVE"), "auto_register=True")
    with classic(own_registry) as remote:
        registered(own_registry.address, "SLAVE")
        assert front.good(PORT).text == repr(remote.folder.name)


def test_where_it_fails_the_notebook_stays_where_it_was(front: Client, remote: Remote) -> None:
    front.good(f"%connect {remote.address}\nx = 1")
    refused(front.run("%connect service:NOBODY"), "NOBODY")
    assert front.good("x").text == "1"


@pytest.mark.parametrize("text", ["service:", "service://SLAVE", "service:a/b", "'service: '", "service:SLAVE:18812"])
def test_junk_after_service_is_a_sentence(front: Client, text: str) -> None:
    refused(front.run(f"%connect {text}"), "names no service", "service:SLAVE")


# --- in local cells, and in the other machine's Python


def test_local_cells_ask_the_same_registry(front: Client, remote: Remote) -> None:
    front.good("%%local\nimport rpyc_kernel")
    assert front.good("%%local\nrpyc_kernel.discover('slave')").text == f"(('127.0.0.1', {remote.port}),)"
    assert front.good("%%local\nrpyc_kernel.discover()").text == f"{{'SLAVE': (('127.0.0.1', {remote.port}),)}}"
    assert front.good("%%local\nrpyc_kernel.service('slave').get_service_name()").text == "'SLAVE'"
    failed = front.run("%%local\nrpyc_kernel.service('nobody')")
    assert failed.error is not None
    assert failed.error["ename"] == "NotRegisteredError"


def test_rpycs_own_discovery_works_there_as_ever(front: Client, registry: Server, remote: Remote) -> None:
    front.good(f"%connect {remote.address}")
    front.good(
        "import rpyc\nfrom rpyc.utils.registry import UDPRegistryClient\n"
        f"registrar = UDPRegistryClient({registry.host!r}, {registry.port})"
    )
    assert front.good("rpyc.discover('SLAVE', registrar=registrar)").text == f"(('127.0.0.1', {remote.port}),)"
    assert front.good("rpyc.list_services(registrar)").text == "('SLAVE',)"
    front.good("connection = rpyc.connect_by_service('SLAVE', registrar=registrar, service=rpyc.SlaveService)")
    assert front.good("connection.root.getmodule('os').getpid()").text == str(remote.running.pid)
    assert front.good(f"rpyc.connect('127.0.0.1', {remote.port}).root.get_service_name()").text == "'SLAVE'"
    front.good("connection.close()")
