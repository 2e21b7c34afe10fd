"""RPyC's registry servers as processes of their own, servers that register with them, and registries that mean harm."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rpyc_kernel.errors import DiscoveryError
from rpyc_kernel.transport.discovery.registry import discover
from tests.folders import Folder
from tests.servers.rpyc_servers import Server, environment, free_port, start_server
from tests.servers.venvs import CURRENT_RPYC, VERSIONS, venv

_CLASSES = {"udp": "UDPRegistryServer", "tcp": "TCPRegistryServer"}
# It is bound before it says so: what is sent to it then is not lost.
_SCRIPT = """\
import os
from rpyc.utils import registry
server = registry.{name}(host={host!r}, port={port}, {options})
with open({report!r} + "-", "w") as report:
    report.write("bound")
os.rename({report!r} + "-", {report!r})
server.start()
"""


def start_registry(
    kind: str = "udp",
    *,
    rpyc: str = CURRENT_RPYC,
    host: str = "127.0.0.1",
    port: int = 0,
    options: str = "",
    timeout: float = 20.0,
) -> Server:
    """Start a registry, *kind* "udp" or "tcp", and wait until it can be asked. To be used in a ``with`` block."""
    python = next(python for version, python in VERSIONS if version == rpyc)
    folder = Folder("rk-registry-")
    report = folder.path / "bound"
    port = port or free_port()
    text = _SCRIPT.format(name=_CLASSES[kind], host=host, port=port, options=options, report=str(report))
    server = Server([str(venv(python, rpyc)), "-c", text], folder, environment({}), None)
    server.host, server.port = host, port
    server.wait_for(report.exists, timeout)
    return server


def registering(registry: Server | tuple[str, int], kind: str = "udp", **options: Any) -> Server:
    """Start a server (`start_server`) that registers with that registry, or with the one at that host and port."""
    host, port = registry if isinstance(registry, tuple) else (registry.host, registry.port)
    client = {"udp": "UDPRegistryClient", "tcp": "TCPRegistryClient"}[kind]
    before = f"from rpyc.utils.registry import {client}\n" + options.pop("before", "")
    six = ", ipv6=True" if ":" in host and kind == "udp" else ""
    registrar = f"auto_register=True, registrar={client}({host!r}, {port}, timeout=1{six})"
    return start_server(before=before, options=f"{registrar}, {options.pop('options', '')}", **options)


def registered(registry: str, name: str, count: int = 1, timeout: float = 20.0) -> tuple[tuple[str, int], ...]:
    """Wait until that many servers are registered under *name*; where they are."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = discover(name, registry=registry)
        except DiscoveryError as error:
            found, why = (), str(error)
        else:
            why = f"only {found}"
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{count} servers of {name} did not register with {registry}: {why}"
        time.sleep(0.02)


@contextmanager
def answering(
    kind: str, *answers: bytes, hang_up: bool = True, ignore: int = 0, port: int = 0, delay: float = 0.0
) -> Iterator[str]:
    """Somebody who answers every question with these bytes, whatever was asked. Its place, as ``registry=`` takes it.

    *hang_up*: whether a connection ends with that; *ignore*: how many datagrams it doesn't answer first;
    *delay*: seconds until it does.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", port or free_port()))
    if kind == "tcp":
        sock.listen(10)
    done = threading.Event()
    threads: list[threading.Thread] = []

    def serve() -> None:
        ignored = 0
        while not done.is_set():
            if kind == "udp":
                try:
                    _data, source = sock.recvfrom(2000)
                    ignored += 1
                    if ignored <= ignore:
                        continue
                    for answer in answers:
                        sock.sendto(answer, source)
                except OSError:
                    continue
            else:
                try:
                    client, _source = sock.accept()
                except OSError:
                    continue
                threads.append(threading.Thread(target=talk, args=(client,), daemon=True))
                threads[-1].start()

    def talk(client: socket.socket) -> None:
        with client:
            client.settimeout(20.0)
            try:
                client.recv(2000)
                done.wait(delay)
                for answer in answers:
                    client.sendall(answer)
                while not hang_up and not done.is_set() and client.recv(2000):
                    pass
            except OSError:
                pass

    sock.settimeout(0.1)
    threads.append(threading.Thread(target=serve, daemon=True))
    threads[0].start()
    try:
        yield f"{kind}://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        done.set()
        for thread in threads:
            thread.join(10.0)
        sock.close()
