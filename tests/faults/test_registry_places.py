"""Where a registry is looked for when none is named: on networks of their own, with RPyC's own ports."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rpyc_kernel.errors import DiscoveryError, NoRegistryError, NotRegisteredError
from rpyc_kernel.transport.discovery.registry import PORT, discover
from rpyc_kernel.transport.rpyc_wire import brine
from tests.faults.networks import FAR, NEAR, Cable, Namespace, give_a_network
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.registries import registering, start_registry
from tests.servers.rpyc_servers import environment, start_server
from tests.servers.venvs import venv

pytestmark = pytest.mark.needs("ip")


@pytest.fixture
def alone() -> Iterator[Namespace]:
    """A machine without any network but its loopback; this test is on it."""
    needs("ip")
    namespace = Namespace("rk-alone")
    try:
        with namespace.inside():
            yield namespace
    finally:
        namespace.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    """Two machines on one network, each with a default route, without which nothing can be broadcast."""
    with Cable() as networks:
        networks.near.ip("route", "add", "default", "via", FAR)
        networks.far.ip("route", "add", "default", "via", NEAR)
        yield networks


def found(name: str) -> tuple[tuple[str, int], ...]:
    try:
        return discover(name, timeout=0.5)
    except DiscoveryError:
        return ()


def rpycs_own(expression: str) -> str:
    """What RPyC's own client says, on the network where this thread is."""
    command = [str(venv()), "-c", f"import rpyc; print({expression})"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment({}))
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_on_one_machine_without_a_network(alone: Namespace, kind: str) -> None:
    with start_registry(kind, port=PORT) as registry, registering(registry, kind) as server:
        assert wait_until(lambda: found("slave"), 20)
        assert discover("slave") == (("127.0.0.1", server.port),)
        with pytest.raises(NotRegisteredError, match=rf"127.0.0.1:{PORT} by {kind.upper()}"):
            discover("nobody", timeout=0.5)


def test_nobody_answers_on_a_machine_without_a_network(alone: Namespace) -> None:
    with pytest.raises(NoRegistryError) as caught:
        discover("slave", timeout=60)  # and shows at once
    for place in ("255.255.255.255:18811 by UDP broadcast (", "127.0.0.1:18811 by UDP (", "127.0.0.1:18811 by TCP ("):
        assert place in str(caught.value)


# The servers of the table in docs/services.md: how each was started, and its options.
STARTED = {
    "ASIS": ("0.0.0.0", ""),
    "TOLD": ("0.0.0.0", "auto_register=True"),
    "BOUND": ("localhost", "auto_register=True"),
    "NAMED": ("127.0.0.1", 'auto_register=True, registrar=UDPRegistryClient(ip="127.0.0.1")'),
}
BEFORE = """
import logging
logging.basicConfig(level=logging.INFO)
from rpyc.utils.registry import UDPRegistryClient
class OwnService(Service):
    ALIASES = [{name!r}]
"""


@pytest.mark.parametrize("connected", [True, False])
def test_who_registers_by_itself(alone: Namespace, connected: bool) -> None:
    """The table in docs/services.md: why two servers and a registry on one machine may not find each other."""
    if connected:
        give_a_network(alone)
    with ExitStack() as stack:
        stack.enter_context(start_registry("udp", host="0.0.0.0", port=PORT))
        server = {
            name: stack.enter_context(
                start_server(service="OwnService", before=BEFORE.format(name=name), host=host, options=options)
            )
            for name, (host, options) in STARTED.items()
        }
        for name in ("BOUND", "NAMED"):
            assert wait_until(lambda name=name: found(name), 30)  # type: ignore[misc]
            assert found(name) == (("127.0.0.1", server[name].port),)
        if connected:
            assert wait_until(lambda: found("TOLD"), 30)
            assert found("TOLD") == ((NEAR, server["TOLD"].port),)
            assert rpycs_own("rpyc.discover('TOLD')").strip() == str(((NEAR, server["TOLD"].port),))
            assert rpycs_own("rpyc.discover('bound')").strip() == str((("127.0.0.1", server["BOUND"].port),))
        else:
            assert wait_until(lambda: server["TOLD"].log.count("Network is unreachable") > 1, 30)  # again and again
            assert found("TOLD") == ()
            assert "Network is unreachable" in rpycs_own("rpyc.discover('BOUND')")
        assert found("ASIS") == ()
        assert "regist" not in server["ASIS"].log


def test_a_registry_on_the_network_is_found_by_broadcast(cable: Cable) -> None:
    with cable.far.inside():
        registry = start_registry("udp", host="0.0.0.0", port=PORT, options="allow_listing=True")
        server = start_server(host=FAR, options="auto_register=True")
    with registry, server, cable.near.inside():
        assert wait_until(lambda: found("slave"), 20)
        assert discover("slave") == ((FAR, server.port),)
        assert discover() == {"SLAVE": ((FAR, server.port),)}
        assert rpycs_own("rpyc.discover('slave')").strip() == str(((FAR, server.port),))


def test_a_broadcast_is_answered_from_the_registrys_port(alone: Namespace) -> None:
    """Where it was sent to; what comes from elsewhere is no answer to it."""
    give_a_network(alone)
    answer = b"".join(brine.dump((("10.0.0.5", 5),)))
    with socket.socket(type=socket.SOCK_DGRAM) as sock, socket.socket(type=socket.SOCK_DGRAM) as other:
        sock.bind(("0.0.0.0", PORT))
        sock.settimeout(0.1)
        for sender, expected in ((other, ()), (sock, (("10.0.0.5", 5),))):
            done = threading.Event()
            thread = threading.Thread(target=_reply, args=(sock, sender, answer, done), daemon=True)
            thread.start()
            try:
                assert found("slave") == expected
            finally:
                done.set()
                thread.join(10.0)


def _reply(sock: socket.socket, sender: socket.socket, answer: bytes, done: threading.Event) -> None:
    while not done.is_set():
        try:
            _data, source = sock.recvfrom(2000)
            sender.sendto(answer, source)
        except OSError:
            continue


def test_two_registries_are_gathered(cable: Cable) -> None:
    with cable.far.inside():
        far = start_registry("udp", host="0.0.0.0", port=PORT)
        there = start_server(host=FAR, options="auto_register=True")
    with far, there, cable.near.inside():
        with start_registry("tcp", port=PORT) as near, registering(near, "tcp") as here:
            both = {(FAR, there.port), ("127.0.0.1", here.port)}
            assert wait_until(lambda: set(found("slave")) == both, 20)


def test_the_loopback_of_another_machine_is_not_ours(cable: Cable) -> None:
    """A server there that registered through its loopback would be looked for here, where another may listen."""
    with cable.far.inside():
        registry = start_registry("udp", host="0.0.0.0", port=PORT)
        server = registering(("127.0.0.1", PORT))
    with registry, server:
        with cable.far.inside():
            assert wait_until(lambda: found("slave"), 20)
            assert discover("slave") == (("127.0.0.1", server.port),)
        with cable.near.inside():
            for place in (None, f"udp://{FAR}"):
                with pytest.raises(NotRegisteredError, match="by the loopback address of that machine"):
                    discover("slave", registry=place, timeout=0.5)
