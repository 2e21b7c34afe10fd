"""The one function that the kernel calls over RPyC. It finds the keeper of a session and passes bytes.

A broker belongs to one RPyC connection and runs in whatever thread of the server serves that. It starts keepers, lists
the sessions of this user by their records, and ends what dead ones have left; what is asked of one session it passes on
unread. Of these it keeps nothing but the socket to the keeper that it talked to last.
"""

from __future__ import annotations

import os
import platform
import select
import socket
import sys
import time

from . import local_socket, records, survival, wire
from .spawn import SpawnError, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Json = Dict[str, Any]

POLLING_WAIT = 0.05  #: seconds that a pull may wait in a server whose threads are few
PAUSES = (0.02, 0.1, 0.3)  #: seconds after a keeper has closed a connection at once, as it does just when it is killed
LOOK = 1.0  #: seconds that a keeper has to tell its status for the list of sessions

# So that a link that is gone is noticed here too: when idle, after 30 s without a sign of life; with something under
# way, after two minutes instead of TCP's fifteen. Linux counts a reader that takes nothing for so long as gone as well.
# (TCP_KEEPALIVE is what macOS calls TCP_KEEPIDLE.)
KEEPALIVE = (("SO_KEEPALIVE", 1), ("TCP_KEEPIDLE", 15), ("TCP_KEEPALIVE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
USER_TIMEOUT = 120_000  #: milliseconds


class SessionGone(Exception):
    """There is no session of that name here, or its keeper doesn't answer any more."""


class Broker:
    """The broker of one connection.

    :param archive: the agent, to be handed to keepers
    :param boot: the text of ``boot.py``
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
            return self._pass(op, payload)
        except SessionGone as error:
            return _error("gone", str(error))
        except SpawnError as error:
            return _error("spawn", str(error))
        except (OSError, ValueError) as error:
            return _error("broker", "%s: %s" % (type(error).__name__, error))

    def _hello(self) -> Json:
        return {
            "version": wire.VERSION,
            "python": platform.python_version(),
            "executable": sys.executable,
            "host": socket.gethostname(),
            "system": platform.system(),
            "machine": platform.machine(),
            "user": os.environ.get("USER") or os.environ.get("USERNAME") or "",
            "pid": os.getpid(),
            "fork": hasattr(os, "fork"),
            "server": self._server,
            "pooled": self._pooled,
            "warnings": survival.warnings(),
        }

    def _spawn(self, config: Json) -> Json:
        record = self._asked_again(str(config.get("session"))) or spawn(*self._agent, config)
        answer = records.public(record)
        if not record.get("path"):  # nowhere to write it: the kernel has to remember it
            answer["record"] = record
        return answer

    def _asked_again(self, session: str) -> Optional[Json]:
        """The record of a session that runs already: its answer was lost on the way."""
        record = records.read(session)
        if record is not None:
            try:
                self._open(session, None).close()
            except SessionGone:
                return None
        return record

    def _pass(self, op: str, payload: bytes) -> bytes:
        header, _buffers = wire.unpack(payload)
        session = header.get("session")
        if not isinstance(session, str):
            raise ValueError("no session was named")  # noqa: TRY004 - of what came over the wire
        if op == "pull" and self._pooled and header.get("wait", 0) > POLLING_WAIT:
            header["wait"] = POLLING_WAIT
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
        for pause in PAUSES:
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
    """Wait for the keeper's answer; a kernel that goes meanwhile is noticed at once (where the system tells).

    :raises OSError: it has gone, so that the keeper should know
    """
    if not hasattr(select, "POLLRDHUP"):
        return
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(kernel, select.POLLRDHUP)
    if sock.fileno() not in dict(poll.poll()):
        raise OSError("the kernel has gone")


def _every_session() -> List[Json]:
    """What there is to know of each session of this user; what dead ones have left is removed."""
    import threading  # late, and in a server that has threads

    records.tidy()
    found: List[Tuple[Json, Json]] = [(record, {"answers": False}) for record in records.every()]
    threads = [threading.Thread(target=_look_at, args=each, daemon=True) for each in found]
    deadline = time.monotonic() + LOOK
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    told = [(records.public(record), dict(status)) for record, status in found]
    return [dict(status, **record) for record, status in told if not ("gone" in status or status.get("ending"))]


def _look_at(record: Json, status: Json) -> None:
    """Ask a keeper, or find that it is gone."""
    try:
        sock = local_socket.connect(record["socket"], bytes.fromhex(record["key"]), LOOK)
        try:
            sock.settimeout(LOOK)
            answer = wire.unpack(_ask(sock, "status", wire.pack({"session": record["session"]})))[0]
        finally:
            sock.close()
        status.update(answer, answers="error" not in answer)
    except local_socket.NobodyError:
        status["gone"] = True
        records.forget(record)
    except (OSError, ValueError):
        pass  # it is stopped, or very busy


def _error(kind: str, text: str) -> bytes:
    return wire.pack({"error": kind, "text": text})


def _tune_connection(at_end: Callable[[], None]) -> Tuple[str, Optional[socket.socket]]:
    """Set up the RPyC connection that this call came on, and have a function called when it is closed.

    Returns the class of the server behind it, "" if unknown, and its socket.

    RPyC leaves Nagle's algorithm on (88 ms a request on loopback) and compresses whatever is long, even images. The
    connection is found on the stack: it is calling us. Where it isn't found all works, only slower.
    """
    connection = None
    frame: Optional[FrameType] = sys._getframe(1)
    server = ""
    while frame is not None:
        owner = frame.f_locals.get("self")
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
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in (*KEEPALIVE, ("TCP_USER_TIMEOUT", USER_TIMEOUT)):
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            if hasattr(socket, name):
                sock.setsockopt(level, getattr(socket, name), value)
    except (AttributeError, OSError):
        pass
    return server, sock


def _call_at_end(connection: Any, function: Callable[[], None]) -> None:
    """Where nothing tells that the kernel has gone, its connection is closed when an answer to it can't be sent.

    Its broker would live until the collector comes, since RPyC leaves cycles behind, and hold the session all the time.
    """
    close = getattr(connection, "close", None)
    if close is None:
        return

    def close_both(*args: Any, **options: Any) -> Any:
        function()
        return close(*args, **options)

    connection.close = close_both
