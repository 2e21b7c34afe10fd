"""A Dask cluster of the notebook's own: a scheduler, and workers in the notebook's sessions.

The scheduler is a process of this machine, which ends when its stdin does, and so with this process, however that ends;
or a program of one of the sessions, which ends with that; or it exists already. The workers end when the scheduler has
gone, and with their sessions.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import CommandError, RpycKernelError
from rpyc_kernel.kernel.cluster_code import SCHEDULER, START_TIMEOUT_S, Scheduler
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.placing import dask_client
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.transport.address import Address

WORKERS_TIMEOUT_S = 30.0
POLL_S = 0.05
MAX_SAID_CHARS = 300
INSTALL = "Dask's package distributed is missing here. Install it: python -m pip install 'rpyc-kernel[dask]'"
_NOWHERE = ("192.0.2.1", 9)  # of no machine (RFC 5737); nothing is sent


class OwnCluster:
    """The cluster.

    Attributes:
        address: The scheduler's.
        dashboard: Where a browser of this machine sees it; "" where that isn't known.
        client: Dask's client of it, in this process.
        machines: The sessions that have its workers.
        scheduler_session: The session that has its scheduler, None where that is elsewhere.
    """

    def __init__(self, address: str, process: subprocess.Popen[bytes] | None, dashboard: str) -> None:
        self.address = address
        self.dashboard = dashboard
        self.client: Any = None
        self.machines: list[RemoteSession] = []
        self.scheduler_session: RemoteSession | None = None
        self._process = process
        self._port = 0  # of the dashboard, where that is in a session
        self._before = 0  # workers, before the notebook's were started

    @property
    def is_ours(self) -> bool:
        """Whether the scheduler is the notebook's own."""
        return self._process is not None or self.scheduler_session is not None

    @classmethod
    def begin(cls, machines: Sequence[Address], host: str, cancel: threading.Event) -> OwnCluster:
        """Start a scheduler, which the *machines* reach at *host*, or else at the address that they are reached from.

        Raises:
            CommandError: It has not started.
        """
        where = host or _seen_from(machines)
        with tempfile.TemporaryDirectory(prefix="rpyc-kernel-") as folder:
            file = Path(folder, "scheduler.json")
            command = [sys.executable, "-c", SCHEDULER, "--host", where, "--port", "0"]
            command += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)]
            with Path(folder, "said").open("w+b") as said:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
                load()  # while it starts
                deadline = time.monotonic() + START_TIMEOUT_S
                while (found := _read(file)) is None:
                    if process.poll() is not None or time.monotonic() > deadline or cancel.wait(POLL_S):
                        said.seek(0)
                        last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                        _end(process)
                        why = f": {plain(last[0], MAX_SAID_CHARS)}" if last else ""
                        raise CommandError(f"No scheduler has started at {where}{why}. --host says another address.")
        port = found.get("services", {}).get("dashboard")
        return cls(str(found["address"]), process, f"http://127.0.0.1:{port}/status" if port else "")

    @classmethod
    def join(cls, address: str) -> OwnCluster:
        """Take a scheduler that runs already."""
        return cls(address if "://" in address else f"tcp://{address}", None, "")

    @classmethod
    def there(cls, session: RemoteSession, told: Scheduler, cancel: threading.Event) -> OwnCluster:
        """Take the scheduler that has started in a session, and open its dashboard here. It blocks."""
        made = cls(told.address, None, "")
        made.scheduler_session = session
        if told.dashboard:
            with contextlib.suppress(RpycKernelError):  # a cluster without a dashboard is one, too
                port, _why = session.forwarding.add("localhost", told.dashboard, None, cancel)
                made._port, made.dashboard = told.dashboard, f"http://localhost:{port.local}/status"
        return made

    def open(self, cancel: threading.Event) -> None:
        """Open the client. Raises CommandError where no scheduler answers."""
        deadline = Deadline(START_TIMEOUT_S, cancel)

        def work(given_up: threading.Event) -> tuple[Any, int]:
            client = dask_client.open_client(self.address, deadline, given_up, set_as_default=False)
            return client, len(client.nthreads())

        opened = dask_client.beside(work, deadline)
        why = "the stop button was pressed meanwhile" if cancel.is_set() else f"within {START_TIMEOUT_S:g} s"
        try:
            if opened.done():
                self.client, self._before = opened.result()
        except (OSError, ValueError, ImportError) as error:
            why = plain(str(error) or why, MAX_SAID_CHARS)
        if self.client is None:
            raise CommandError(f"No Dask scheduler answers at {self.address} ({why}).") from None

    def wait(self, workers: int, cancel: threading.Event) -> tuple[int, int]:
        """Wait for so many workers more than there were; returns how many are missing, and how many there are."""
        deadline = Deadline(WORKERS_TIMEOUT_S, cancel)
        wanted, count = workers + self._before, 0

        def look(given_up: threading.Event) -> None:
            nonlocal count
            while (count := len(self.client.nthreads())) < wanted and not deadline.expired:
                if given_up.wait(POLL_S):
                    break

        counted = dask_client.beside(look, deadline)
        if counted.done():
            counted.result()
        return max(0, wanted - count), count

    def close(self, cancel: threading.Event) -> None:
        """Close the client and the dashboard, and end the scheduler if it is a process of this machine."""
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.close(timeout=5)
        if self._port and self.scheduler_session is not None and not self.scheduler_session.closed:
            with contextlib.suppress(RpycKernelError):
                self.scheduler_session.forwarding.end("localhost", self._port, cancel)
        if self._process is not None:
            _end(self._process)


def load() -> None:
    """Import what the client needs, which takes as long as a scheduler's start."""
    import distributed  # noqa: F401, PLC0415


def check_installed() -> None:
    """Raise CommandError where Dask is missing here."""
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("distributed") is None:
        raise CommandError(INSTALL)


def host_of(machine: Address, others: Sequence[Address]) -> str:
    """Return the address at which the *others*, and this machine, reach it; "" where it has to know that itself."""
    if machine.is_loopback:
        return _seen_from(others)
    if machine.transport.loopback is False:  # its host is not that machine, but leads to it
        return ""
    with contextlib.suppress(OSError):
        for *_kind, (host, *_more) in socket.getaddrinfo(machine.host, None, type=socket.SOCK_STREAM):
            if not syntax.is_loopback(str(host)):
                return str(host)
    return ""


def _seen_from(machines: Sequence[Address]) -> str:
    """Return the address of this machine by which its packets leave for the first of those that are elsewhere."""
    elsewhere = [machine for machine in machines if not machine.is_loopback]
    if not elsewhere:
        return "127.0.0.1"
    for place in [*((machine.host, 9) for machine in elsewhere if machine.host), _NOWHERE]:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(place)
            return str(sock.getsockname()[0])
    return socket.gethostname()


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "address" in found else None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
