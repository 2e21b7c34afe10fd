"""A board that nobody can connect to: the recipe of docs/nat.md, with three machines, each in a network of its own.

The laptop reaches the relay, the board reaches the relay, and neither reaches the other.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rpyc_kernel.errors import DialError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
from tests.faults.networks import FAR, NEAR, Cable, Namespace, put_a_cable
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.rpyc_servers import free_port
from tests.servers.sessions import Session
from tests.servers.ssh_servers import SshServer

pytestmark = pytest.mark.needs("ip", "sshd", "ssh")
LAPTOP, RELAY = "10.86.54.1", "10.86.54.2"  # NEAR is the relay's address in the board's network, FAR the board's

_CONFIG = """\
Host pi
    HostName localhost
    Port {port}
    ProxyJump relay
    HostKeyAlias pi
    IdentityFile {board}/key
Host relay
    HostName {address}
    Port {relay_port}
    IdentityFile {relay}/key
Host *
    User {user}
    IdentitiesOnly yes
    StrictHostKeyChecking accept-new
    UserKnownHostsFile {folder}/known_hosts
"""


class Places(NamedTuple):
    """Three machines: the laptop's network, the sshd of the other two, and what keeps the board's tunnel open."""

    laptop: Namespace
    board: SshServer
    tunnel: Callable[[], AbstractContextManager[None]]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    with Cable() as cable:
        laptop = Namespace("rk-laptop")
        try:
            put_a_cable(laptop, LAPTOP, cable.near, RELAY)
            with cable.far.inside(), SshServer() as board:
                with cable.near.inside():
                    relay = SshServer(more=f"ListenAddress {NEAR}\nListenAddress {RELAY}")
                with relay:
                    port = free_port()

                    def config(where: str, address: str) -> str:
                        folder = tmp_path / where
                        folder.mkdir()
                        text = _CONFIG.format(
                            port=port, board=board.folder, relay=relay.folder, relay_port=relay.port,
                            address=address, user=relay.user, folder=folder,
                        )  # fmt: skip
                        (folder / "config").write_text(text)
                        return str(folder / "config")

                    @contextmanager
                    def tunnel() -> Iterator[None]:
                        """`ssh -R` on the board: a port of the relay's loopback leads to the board's sshd."""
                        forward = f"{port}:localhost:{board.port}"
                        options = ["-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=30"]
                        command = [needs("ssh"), "-F", on_board, "-N", *options, "-R", forward, "relay"]
                        with cable.far.inside():
                            process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
                        try:
                            with cable.near.inside():
                                assert wait_until(lambda: listens(port))
                            yield
                        finally:
                            process.terminate()
                            process.wait(10)

                    on_board = config("board", NEAR)
                    program = tmp_path / "bin" / "ssh"
                    program.parent.mkdir()
                    program.write_text(f'#!/bin/sh\nexec {needs("ssh")} -F {config("laptop", RELAY)} "$@"\n')
                    program.chmod(0o755)
                    monkeypatch.setenv("PATH", f"{program.parent}:{board.path}")
                    yield Places(laptop, board, tunnel)
        finally:
            laptop.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_ssh_from_there_through_a_relay(places: Places) -> None:
    with places.laptop.inside():
        with pytest.raises(DialError):  # there is no other way
            dial(Address.parse(f"{FAR}:{places.board.port}"), timeout=3)
        with places.tunnel():
            session = Session("ssh://pi").__enter__()
            assert session.run("x = 6\nx * 7")[0] == "42"
        with places.tunnel():  # the board's ssh was started again, as systemd does it
            assert session.run("x * 8")[0] == "48"
            session.__exit__(None, None, None)
