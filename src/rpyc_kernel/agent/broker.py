"""The one function that the kernel calls over RPyC. It finds the keeper of a session and passes bytes.

A broker belongs to one RPyC connection, and runs in the server's thread for that. It starts keepers, lists the sessions
of this user by their records, and removes what dead sessions have left. A request for one session it passes on unread;
it keeps nothing of that but the socket to the keeper that it talked to last.
"""

from __future__ import annotations

import os
import platform
import select
import socket
import sys
import time

from . import local_socket, records, session_limit, survival, wire
from .place import place
from .spawn import SpawnError, look_at, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Json = Dict[str, Any]

POOLED_WAIT_S = 0.05  #: a pull may wait so long in a server whose threads are few
RECONNECT_PAUSES_S = (0.02, 0.1, 0.3)  #: after a keeper has closed a connection at once, as one does that is killed
STATUS_TIMEOUT_S = 1.0  #: in which a keeper has to tell its status for the list of sessions

# By these the server notices that a link is gone: after two minutes without a sign of life, instead of TCP's fifteen,
# or its two hours without data under way. Linux has TCP_USER_TIMEOUT take the place of the number of probes, so that it
# holds for an idle link, too; where there is none, such a link is gone after 30 s. Linux also counts a reader as gone
# that takes nothing for so long. (macOS calls TCP_KEEPIDLE TCP_KEEPALIVE.)
KEEPALIVE = (("SO_KEEPALIVE", 1), ("TCP_KEEPIDLE", 15), ("TCP_KEEPALIVE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
USER_TIMEOUT_MS = 120_000


class SessionGone(Exception):
    """There is no session of that name here, or its keeper doesn't answer any more."""


class Broker:
    """The broker of one connection.

    Args:
        digest: The agent's name.
        archive: The agent, packed, for the keepers.
        boot: The text of ``boot.py``.
    """

    def __init__(self, digest: str, archive: bytes, boot: bytes) -> None:
        self._agent = (digest, archive, boot)
        self._door: Optional[Tuple[str, socket.socket]] = None
        self._server, self._kernel = _tune_connection(self._close)
        self._pooled = self._server == "ThreadPoolServer"

    def call(self, op: str, payload: bytes) -> bytes:
        """Do one operation; payload and answer are packets. An answer with ``error`` says what went wrong."""
        try:
            if op == "hello":
                return wire.pack(self._hello())
            if op == "spawn":
                return wire.pack(self._spawn(wire.unpack(payload)[0]))
            if op == "list":
                return wire.pack({"sessions": _every_session()})
            if op == "python":
                return wire.pack(look_at(wire.unpack(payload)[0].get("python")))
            if op == "serve":
                return wire.pack(self._install_serve(*wire.unpack(payload)))
            if op == "lease":
                return wire.pack(_lease(wire.unpack(payload)[0]))
            if op == "direct":
                return self._hand_over(wire.unpack(payload)[0])
            return self._pass(op, payload)
        except SessionGone as error:
            return _error("gone", str(error))
        except (SpawnError, session_limit.LimitError) as error:
            return _error("spawn", str(error))
        except (OSError, ValueError) as error:
            return _error("broker", "%s: %s" % (type(error).__name__, error))

    def _hello(self) -> Json:
        host, user = place()
        return {
            "version": wire.VERSION,
            "python": platform.python_version(),
            "executable": sys.executable,
            "host": host,
            "system": platform.system(),
            "machine": platform.machine(),
            "user": user,
            "pid": os.getpid(),
            "fork": hasattr(os, "fork"),
            "server": self._server,
            "pooled": self._pooled,
            "warnings": survival.warnings(),
        }

    def _spawn(self, config: Json) -> Json:
        record = self._asked_again(str(config.get("session")))
        if record is None:
            refused = _held_by_other(config.get("person"))
            if refused is not None:
                return refused
            with session_limit.room_for_one(os.environ, _every_session):
                record = spawn(*self._agent, config)
        answer = records.public(record)
        if not record.get("path"):  # it could be written nowhere: the kernel has to remember it
            answer["record"] = record
        return answer

    def _asked_again(self, session: str) -> Optional[Json]:
        """The record of a session that runs already: the answer to the first question for it was lost."""
        record = records.read(session)
        if record is not None:
            try:
                self._open(session, None).close()
            except SessionGone:
                return None
        return record

    def _install_serve(self, wanted: Json, program: List[memoryview]) -> Json:
        from .serve import installing  # late: few kernels ask for it

        try:
            if wanted.get("remove"):
                return installing.remove()
            return installing.install(bytes(program[0]), wanted["options"], wanted.get("python", ""))
        except installing.InstallError as error:
            raise SpawnError(str(error)) from None

    def _hand_over(self, header: Json) -> bytes:
        """Let the kernel and a worker talk directly; the connection is of no use for anything else any more."""
        from .direct import handover  # late: few connections are for that

        if self._kernel is None:
            raise ValueError("the connection's socket was not found in this server")
        try:
            worker = local_socket.connect(str(header["socket"]), bytes.fromhex(header["key"]))
        except local_socket.NobodyError:
            raise SessionGone("the Python there has ended") from None
        handover.hand_over(self._kernel, worker)
        return b""

    def _pass(self, op: str, payload: bytes) -> bytes:
        header, _buffers = wire.unpack(payload)
        session = header.get("session")
        if not isinstance(session, str):
            raise ValueError("no session was named")  # noqa: TRY004 - of what came over the wire
        if op == "pull" and self._pooled and header.get("wait", 0) > POOLED_WAIT_S:
            header["wait"] = POOLED_WAIT_S
            payload = wire.pack(header)
        if self._door is None or self._door[0] != session:
            self._close()
            self._door = (session, self._open(session, header.get("record")))
        try:
            return _ask(self._door[1], op, payload, self._kernel if op == "pull" else None)
        except OSError:
            self._close()
            self._open(session, header.get("record")).close()  # tells whether it is gone
            raise OSError("the connection to the session's keeper broke") from None

    def _open(self, session: str, given: Any) -> socket.socket:
        record = given if isinstance(given, dict) else records.read(session)
        if record is None:
            raise SessionGone("there is no session %s on this machine" % session)
        for pause in RECONNECT_PAUSES_S:
            try:
                return local_socket.connect(record["socket"], bytes.fromhex(record["key"]))
            except local_socket.NobodyError:
                if record is not given:
                    records.forget(record)
                raise SessionGone("the session's keeper doesn't run any more") from None
            except socket.timeout:
                break
            except OSError:
                time.sleep(pause)
            except (LookupError, TypeError, AttributeError):
                raise ValueError("a record of another form") from None
        raise OSError("the session's keeper does not answer")

    def _close(self) -> None:
        if self._door is not None:
            self._door[1].close()
            self._door = None


def _ask(sock: socket.socket, op: str, payload: bytes, kernel: Optional[socket.socket] = None) -> bytes:
    local_socket.send_packet(sock, wire.pack({"op": op}, [payload]))
    if kernel is not None:
        _wait_beside(sock, kernel)
    return local_socket.read_packet(sock)


def _wait_beside(sock: socket.socket, kernel: socket.socket) -> None:
    """Wait for the keeper's answer; where the system tells, a kernel that goes meanwhile is noticed at once.

    Raises:
        OSError: The kernel has gone; the keeper should know.
    """
    if not hasattr(select, "POLLRDHUP"):
        return
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(kernel, select.POLLRDHUP)
    if sock.fileno() not in dict(poll.poll()):
        raise OSError("the kernel has gone")


def _every_session() -> List[Json]:
    """Record and status of each session of this user; what dead sessions have left is removed."""
    import threading  # late, and in a server that has threads

    records.tidy()
    found: List[Tuple[Json, Json]] = [(record, {"answers": False}) for record in records.every()]
    threads = [threading.Thread(target=_look_at, args=each, daemon=True) for each in found]
    deadline = time.monotonic() + STATUS_TIMEOUT_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    told = [(records.public(record), dict(status)) for record, status in found]
    return [dict(status, **record) for record, status in told if not ("gone" in status or status.get("ending"))]


def _look_at(record: Json, status: Json) -> None:
    """Ask a keeper, or find that it is gone."""
    try:
        sock = local_socket.connect(record["socket"], bytes.fromhex(record["key"]), STATUS_TIMEOUT_S)
        try:
            sock.settimeout(STATUS_TIMEOUT_S)
            answer = wire.unpack(_ask(sock, "status", wire.pack({"session": record["session"]})))[0]
        finally:
            sock.close()
        status.update(answer, answers="error" not in answer)
    except local_socket.NobodyError:
        status["gone"] = True
        records.forget(record)
    except (OSError, ValueError):
        pass  # it is stopped, or very busy


def _lease(header: Json) -> Json:
    from . import leases  # late: few ask for it

    return leases.ask(header)


def _held_by_other(person: Any) -> Optional[Json]:
    """The answer to who wants to begin a session while somebody else holds the machine; None where nobody does."""
    if not any(os.path.exists(os.path.join(folder, "machine.lease")) for folder in records.sessions_folders(False)):
        return None
    from . import leases

    lease = leases.present()
    if lease is None or lease["person"] == person:
        return None
    return {"error": "held", "text": "%s holds this machine" % lease["person"], "lease": lease}


def _error(kind: str, text: str) -> bytes:
    return wire.pack({"error": kind, "text": text})


def _tune_connection(at_end: Callable[[], None]) -> Tuple[str, Optional[socket.socket]]:
    """Set up the RPyC connection by which this call came.

    RPyC leaves Nagle's algorithm on (88 ms a request on loopback) and compresses all long messages, even images. The
    connection is found on the stack: it is calling us. Where it isn't found all works, only slower.

    Args:
        at_end: Called when the connection is closed.

    Returns:
        The class of the server, "" if it isn't known, and the connection's socket.
    """
    connection = None
    frame: Optional[FrameType] = sys._getframe(1)
    server = ""
    while frame is not None:
        owner: Any = frame.f_locals.get("self")
        if hasattr(owner, "call_at_end"):  # our own server's, `serve.rpyc_server`
            owner.call_at_end(at_end)
            tune(owner.sock)
            return owner.server, owner.sock
        if connection is None and hasattr(owner, "_channel") and hasattr(owner, "serve"):
            connection = owner
        if type(owner).__name__.endswith("Server"):
            server = type(owner).__name__
        frame = frame.f_back
    sock: Optional[socket.socket] = None
    try:
        channel = connection._channel  # type: ignore[union-attr]
        _call_at_end(connection, at_end)
        channel.compress = False
        sock = channel.stream.sock
        tune(sock)
    except AttributeError:
        pass
    return server, sock


def tune(sock: Any) -> None:
    """Have a TCP connection send at once, and end when the other machine is gone; nothing happens to any other."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in (*KEEPALIVE, ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)):
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            if hasattr(socket, name):
                sock.setsockopt(level, getattr(socket, name), value)
    except OSError:
        pass  # it is no TCP, or has hung up


def _call_at_end(connection: Any, function: Callable[[], None]) -> None:
    """Call a function when a connection is closed: at the latest when an answer to the kernel can't be sent.

    Its broker would live on until the collector comes, since RPyC leaves cycles, and would hold the session meanwhile.
    """
    close = getattr(connection, "close", None)
    if close is None:
        return

    def close_both(*args: Any, **options: Any) -> Any:
        function()
        return close(*args, **options)

    connection.close = close_both
