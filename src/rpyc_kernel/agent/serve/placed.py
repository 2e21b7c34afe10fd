"""Serves the kernel that has had this process started by a task of a cluster, for as long as that task's worker lives.

Whoever starts it has it read one line of JSON, and keeps its stdin open: where that ends, the worker has died or is
about to, and the sessions that were started here end too. The process also ends when nobody needs it any more. What it
says on stdout is one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from argparse import Namespace

from .. import boot, local_socket, records, wire
from . import proof
from .admission import ADMISSION_TIMEOUT_S, Admission
from .certificate import own_certificate
from .crowd import MAX_PROVED
from .daemon import Daemon
from .log import EventLog
from .places import PlaceError, listen_on_port
from .rpyc_server import ServerConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict, Optional, Tuple

    from .admission import Admitted

SERVER = "rpyc-kernel placed"  #: what the kernel is told of who serves it
FIRST_S = 60.0  #: for the kernel to come
LINGER_S = 2.0  #: without a connection and without the session that has been here, until this process ends
RETURN_S = 10.0  #: for a kernel to come back that has begun no session: it may only have looked whether this is here
LOOK_INTERVAL_S = 1.0
END_TIMEOUT_S = 12.0  #: for the sessions, which await threads and run exit functions


class TheClient:
    """The one client, as `Admission` asks for it. Nobody else is paired, and it is never forgotten."""

    def __init__(self, name: str, key: bytes) -> None:
        self._name = name
        self._key = key

    def key(self, name: str) -> Optional[bytes]:
        """Return the client's key; None for any other name."""
        return self._key if name == self._name else None

    def forget(self, name: str) -> bool:
        """Forget nobody."""
        return False


class NoCodes:
    """No code is ever good."""

    def attempt(self, proves: Callable[[bytes], bool]) -> bytes:
        """Refuse. Raises ProofRefusedError."""
        raise proof.ProofRefusedError(proof.NO_CODE)

    def settle(self, used: bool) -> None:
        """Do nothing."""


class Started:
    """The sessions that were started here, each with the record by which its keeper is found.

    Attributes:
        linger: Seconds without a connection and a session, until this process ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: Dict[str, Dict[str, Any]] = {}
        self.linger = RETURN_S

    def note(self, answer: bytes) -> None:
        """Read the answer of a broker to ``spawn``."""
        header = wire.unpack(answer)[0]
        session = header.get("session")
        if isinstance(session, str) and "error" not in header:
            with self._lock:
                self.linger = LINGER_S
                self._records[session] = dict(header.get("record") or records.read(session) or {})

    def alive(self) -> Dict[str, int]:
        """Return the process ids of the keepers that live, by session."""
        with self._lock:
            found = dict(self._records)
        for session, record in found.items():
            if not _answers(record):
                with self._lock:
                    self._records.pop(session, None)
        with self._lock:
            return {session: int(record.get("pid", 0)) for session, record in self._records.items()}

    def end(self) -> None:
        """End them in order: their keepers are asked to, and waited for."""
        deadline = time.monotonic() + END_TIMEOUT_S
        for pid in self.alive().values():
            _signal(pid, signal.SIGTERM)
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in self.alive().values():
            _signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


class PlacedConnection(ServerConnection):
    """A connection of the kernel; sessions that are started by it are noted."""

    def __init__(self, sock: Any, started: Started) -> None:
        super().__init__(sock, SERVER)
        self._started = started

    def _do(self, handler: int, args: Tuple[Any, ...]) -> Any:
        found = super()._do(handler, args)
        if isinstance(found, bytes) and len(args) == 3 and isinstance(args[1], tuple) and args[1][:1] == ("spawn",):
            self._started.note(found)
        return found


def main(stream: BinaryIO, program: boot.Agent) -> None:
    """Serve until nobody needs it, or ``stream`` ends.

    Args:
        stream: Brings one line: where to listen (``host``), the client's name (``client``) and its ``key``, and the
            name of the ``agent`` that it will ask for.
        program: What these modules are from.
    """
    wanted = json.loads(stream.readline().decode("utf-8"))
    folder = tempfile.mkdtemp(prefix="rpyc-kernel-")
    try:
        certificate = own_certificate(folder)  # of this process alone
        listeners = listen_on_port(str(wanted["host"]), 0)
    except (OSError, PlaceError) as error:
        _say({"error": str(error)})
        return
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    boot.compile_for_later(program)  # while this process has one thread
    log, started = EventLog(stream=open(os.devnull, "w")), Started()  # noqa: SIM115 - as long as the process lives
    clients: Any = TheClient(str(wanted["client"]), bytes.fromhex(wanted["key"]))
    codes: Any = NoCodes()
    admission = Admission(certificate, clients, codes, lambda _event, **_fields: None)

    idle_until = time.monotonic() + FIRST_S

    def admit(sock: Any, peer: str) -> Optional[Admitted]:
        return admission.admit(sock, peer)

    def serve(client: Any) -> None:
        nonlocal idle_until
        try:
            PlacedConnection(client.sock, started).serve()
        finally:
            idle_until = time.monotonic() + started.linger

    options = Namespace(allow=[], connections=MAX_PROVED, proof_time=ADMISSION_TIMEOUT_S)
    daemon = Daemon(listeners, admit, serve, options, log)
    threading.Thread(target=_end_with, args=(stream,), daemon=True).start()
    _say({"port": listeners[0].getsockname()[1], "fingerprint": certificate.fingerprint.hex()})
    coming = boot.cached(str(wanted["agent"]))
    if coming is not None:
        boot.load_broker(coming)  # while the kernel hears of this

    def look() -> float:
        nonlocal idle_until
        now = time.monotonic()
        if daemon.connections() or started.alive():
            idle_until = now + started.linger
        elif now >= idle_until:
            _end()
        return now + LOOK_INTERVAL_S

    daemon.run([look])
    started.end()


def _end_with(stream: BinaryIO) -> None:
    while stream.read(512):
        pass
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _say(answer: Dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
    sys.stdout.flush()


def _answers(record: Dict[str, Any]) -> bool:
    """Whether the keeper of a record lives."""
    try:
        local_socket.connect(record["socket"], bytes.fromhex(record["key"])).close()
    except (LookupError, ValueError, TypeError, local_socket.NobodyError):
        return False
    except OSError:
        pass  # it is stopped, or very busy
    return True


def _signal(pid: int, number: int) -> None:
    try:
        if pid > 0:
            os.kill(pid, number)
    except OSError:
        pass
