"""Other packages' transports: made up ones on ``sys.path``, the example's, and a web proxy for that."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_transport"


def write_package(folder: Path, name: str, schemes: dict[str, str], source: str = "") -> str:
    """Put an installed package into a folder of ``sys.path``: a module and its metadata. Returns the module's name.

    *schemes*: what its entry points are named, and the functions in it that they point to.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{scheme} = {module}:{function}" for scheme, function in schemes.items()]
    (info / "entry_points.txt").write_text("\n".join(["[rpyc_kernel.transports]", *lines, ""]))
    return module


@functools.cache
def installed_example() -> Path:
    """A folder for PYTHONPATH into which pip has installed the example as it stands, without a network."""
    folder = tempfile.TemporaryDirectory(prefix="rk-transport-")
    _kept.append(folder)  # until the tests end
    command = [
        sys.executable, "-m", "pip", "install", str(EXAMPLE), "--target", folder.name, "--no-index", "--no-deps",
        "--no-build-isolation", "--disable-pip-version-check", "--quiet",
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


class ConnectProxy:
    """A web proxy on this machine that knows CONNECT. A context manager: leaving it closes all of its sockets.

    :ivar asked: the first line of each request
    :ivar answer: instead of connecting, what to answer; "" hangs
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: bytes | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def address(self, server: str) -> str:
        """What leads to that server through this proxy."""
        return f"proxy://127.0.0.1:{self.port}/{server}"

    def cut(self) -> int:
        """End all connections; returns how many there were."""
        ends = list(self._open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return len(ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        self.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, name="web proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.add(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (more := client.recv(4096)):
                head += more
            self.asked.append(head.partition(b"\r\n")[0].decode())
            if self.answer is not None:
                client.sendall(self.answer)
                while client.recv(4096):
                    pass
                return
            host, _, port = self.asked[-1].split()[1].rpartition(":")
            with socket.create_connection((host, int(port)), 10) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: here\r\n\r\n")
                self._open.add(server)
                _carry(client, server)
                self._open.discard(server)
        self._open.discard(client)


def _carry(one: socket.socket, other: socket.socket) -> None:
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    across = {one: other, other: one}
    while True:
        for end in select.select([one, other], [], [])[0]:
            piece = end.recv(65536)
            if not piece:
                return
            across[end].sendall(piece)
