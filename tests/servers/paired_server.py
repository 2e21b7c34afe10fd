"""Our own server on a TLS port of loopback, which lets in whoever is paired, on any of the Pythons."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rpyc_kernel
from rpyc_kernel.agent.serve.pairing import Codes
from rpyc_kernel.agent.serve.store import Clients
from rpyc_kernel.transport.address import Address

# The agent is on the path by itself, since the rest of the package is for newer Pythons.
_SCRIPT = f"""
import json, socket, sys, threading
sys.path.insert(0, {str(Path(rpyc_kernel.__file__).parent)!r})
from agent.serve import admission, certificate, pairing, rpyc_server, store

folder, seconds = store.private_folder(sys.argv[1]), float(sys.argv[2])
ca, chain, key, port = (sys.argv[3:] + [""] * 4)[:4]

lock = threading.Lock()

def log(event, **what):
    with lock:
        print(json.dumps(dict(what, event=event)), flush=True)

own = certificate.Certificate(chain, key, ca or None) if chain else certificate.own_certificate(folder)
door = admission.Admission(own, store.Clients(folder), pairing.Codes(folder), log)

def serve(sock, peer):
    admitted = door.admit(sock, "%s:%d" % peer, seconds)
    if admitted:
        try:
            rpyc_server.serve_connection(admitted.sock, admitted.client)
        except rpyc_server.RequestError as error:
            log("broken", reason=str(error))

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(port or 0)))
listener.listen(128)
log("listening", port=listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
"""


class PairedServer:
    """A server that runs: its port, its folder, and what its log says."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[str] = []
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self.event("listening")["port"]
        self.address = Address.parse(f"rpycs://127.0.0.1:{self.port}")

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("{"):
                self._events.put(json.loads(line))

    def join(self) -> None:
        """Wait until all that the process has said was read."""
        self._reader.join(20)

    def event(self, name: str) -> dict[str, Any]:
        """The next event of that name."""
        while True:
            found = self._events.get(timeout=20)
            if found["event"] == name:
                return found

    @property
    def codes(self) -> Codes:
        return Codes(str(self.folder))

    @property
    def clients(self) -> Clients:
        return Clients(str(self.folder))


@contextmanager
def paired_server(python: Path | str, folder: Path, *more: str, seconds: float = 15.0) -> Iterator[PairedServer]:
    """Run the server with that Python, its files in that folder."""
    process = subprocess.Popen(
        [str(python), "-u", "-c", _SCRIPT, str(folder), str(seconds), *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            server = PairedServer(process, folder)
            yield server
        finally:
            process.kill()
        server.join()
