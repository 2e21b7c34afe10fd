"""The daemon: it accepts connections, has each prove who it is, and serves each on a thread of its own.

The main thread waits in one selector: for connections, for signals, for questions by mDNS, and for the time by which a
new connection has to have proved itself. Sessions are processes of their own (`keeper.main`) and stay when it ends.
"""

from __future__ import annotations

import selectors
import signal
import socket
import threading
import time

from ..broker import tune
from .crowd import Crowd
from .options import allows
from .rpyc_server import ServerConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Tuple

    from .log import EventLog

    class Client(Protocol):
        """Who may be served: the connection, the client's name, and whether it wants RPyC's classic service."""

        @property
        def sock(self) -> socket.socket: ...
        @property
        def client(self) -> str: ...
        @property
        def classic(self) -> bool: ...

    Admit = Callable[[socket.socket, str], Optional[Client]]

LATE_S = 2.0  #: after the time for its proof a new connection is hung up on, if its thread hasn't done it
REFUSAL_TIMEOUT_S = 5.0  #: for who is told that there is no room
FULL = "the server has as many connections as it keeps (serve --connections): end a notebook, or allow more"
END_TIMEOUT_S = 2.0  #: for the threads of connections, once their sockets were shut
EXHAUSTED_PAUSE_S = 0.2  #: before the next connection is accepted, when there are no more files or threads


class RefusingConnection(ServerConnection):
    """Answers whatever is asked of the service by one sentence.

    Args:
        sock: The connection.
        sentence: Says why nobody is served.
    """

    def __init__(self, sock: socket.socket, sentence: str) -> None:
        super().__init__(sock)
        self._sentence = sentence

    def _do(self, handler: int, args: Tuple[Any, ...]) -> Any:
        if args:  # all but the question for the service, by whose answer a kernel knows the dialect
            raise ConnectionRefusedError(self._sentence)
        return super()._do(handler, args)


class ClientConnection:
    """A connection and its socket, which any thread may hang up.

    Attributes:
        peer: Its other end, for the log.
        host: The address of that machine; "" for one on this machine.
        sock: The socket, which belongs to the connection's thread.
    """

    def __init__(self, sock: socket.socket, address: Any) -> None:
        self.sock = sock
        self.host = str(address[0]) if isinstance(address, tuple) else ""
        form = "[%s]:%s" if ":" in self.host else "%s:%s"
        self.peer = form % address[:2] if isinstance(address, tuple) else "this machine"
        self._second = sock.dup()  # TLS takes the first one's descriptor away
        self._lock = threading.Lock()

    def hang_up(self) -> None:
        """End what the thread waits for, at once."""
        with self._lock:
            try:
                self._second.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed
                pass

    def close(self) -> None:
        """Close it."""
        self.hang_up()
        with self._lock:
            self._second.close()
        self.sock.close()


class Daemon:
    """Serves the connections of some listening sockets.

    Args:
        listeners: The sockets. They are closed with the daemon.
        admit: Called on a connection's thread with its socket, which is its own from then on, and with the name of its
            peer. It returns who may be served, or None where nobody may, of which it has told the log.
        serve: Called then, until the connection ends.
        options: See `options.declare`.
        log: The log.
    """

    def __init__(
        self,
        listeners: List[socket.socket],
        admit: Admit,
        serve: Callable[[Client], None],
        options: Namespace,
        log: EventLog,
    ) -> None:
        self._listeners = listeners
        self._admit = admit
        self._serve = serve
        self._allowed = options.allow
        self._log = log
        self._crowd = Crowd(max_proved=options.connections, timeout=options.proof_time + LATE_S)
        self._lock = threading.Lock()  # of the crowd
        self._threads: List[threading.Thread] = []
        self._count = 0
        self._ended = ""
        self._wakeup = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in [*listeners, *self._wakeup]:
            each.setblocking(False)
        for listener in listeners:
            self.watch(listener, self._accept)
        self.watch(self._wakeup[0], lambda wakeup: wakeup.recv(512))

    def watch(self, sock: socket.socket, act: Callable[[socket.socket], Any]) -> None:
        """Call ``act`` with the socket on the main thread, whenever something has come for it."""
        self._selector.register(sock, selectors.EVENT_READ, act)

    def run(self, looks: Sequence[Callable[[], Optional[float]]] = ()) -> None:
        """Serve until SIGTERM or SIGINT comes.

        Args:
            looks: Called on the main thread after whatever happens. Each returns when it has to be called again, or
                None.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._wakeup[1].fileno(), warn_on_full_buffer=False)
        try:
            while not self._ended:
                wanted = [look() for look in looks]
                with self._lock:
                    wanted.append(self._crowd.due())
                times = [each for each in wanted if each is not None]
                timeout = max(0.0, min(times) - time.monotonic()) if times else None
                for key, _events in self._selector.select(timeout):
                    key.data(key.fileobj)
                self._send_away_the_late()
        finally:
            signal.set_wakeup_fd(-1)
            self._end()

    def _on_signal(self, number: int, _frame: Any) -> None:
        self._ended = signal.Signals(number).name

    # connections

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            self._exhausted(error)
            return
        try:
            connection = ClientConnection(sock, address)
            if not allows(self._allowed, connection.host):
                self._log.warning("refused, as --allow says", peer=connection.peer)
                connection.close()
                return
            sock.setblocking(True)
            tune(sock)
            self._begin(connection)
        except (OSError, RuntimeError) as error:  # no more files; no more threads; or it has gone already
            sock.close()
            self._exhausted(error)

    def _begin(self, connection: ClientConnection) -> None:
        with self._lock:
            leaver = self._crowd.arrive(connection, connection.host, time.monotonic())
        if isinstance(leaver, ClientConnection):
            leaver.hang_up()
            self._log.warning("too many have not proved who they are: the oldest goes", peer=leaver.peer)
        self._count += 1
        thread = threading.Thread(
            target=self._run, args=(connection,), name="rpyc-kernel-serve-%d" % self._count, daemon=True
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._crowd.leave(connection)
            connection.close()
            raise

    def _exhausted(self, error: Exception) -> None:
        self._log.warning("a connection could not be accepted", reason=error)
        time.sleep(EXHAUSTED_PAUSE_S)  # or the selector would report it again and again

    def _send_away_the_late(self) -> None:
        with self._lock:
            late = self._crowd.overdue(time.monotonic())
        for each in late:
            if isinstance(each, ClientConnection):
                each.hang_up()
                self._log.warning("did not prove who it is in time", peer=each.peer)

    def _run(self, connection: ClientConnection) -> None:
        """On a connection's own thread: from the proof to the end."""
        client: Optional[Client] = None
        begun = time.monotonic()
        try:
            client = self._admit(connection.sock, connection.peer)
            if client is None:
                return
            with self._lock:
                has_room = self._crowd.prove(connection, client.client)
            if has_room:
                self._serve(client)
            else:
                self._log.warning("no room for another connection", peer=connection.peer, client=client.client)
                client.sock.settimeout(REFUSAL_TIMEOUT_S)
                RefusingConnection(client.sock, FULL).serve()
        except Exception as error:
            self._log.warning("failed", peer=connection.peer, reason="%s: %s" % (type(error).__name__, error))
        finally:
            with self._lock:
                self._crowd.leave(connection)
            if client is not None:
                client.sock.close()
                seconds = round(time.monotonic() - begun, 1)
                self._log.info("disconnected", peer=connection.peer, client=client.client, seconds=seconds)
            connection.close()

    def hang_up(self, client: str) -> int:
        """End the connections of a client; returns how many there were. Its sessions stay."""
        with self._lock:
            theirs = self._crowd.of_client(client)
        for each in theirs:
            if isinstance(each, ClientConnection):
                each.hang_up()
        return len(theirs)

    def connections(self) -> Dict[str, int]:
        """Return how many connections each client has."""
        with self._lock:
            return self._crowd.counts()

    # the end

    def _end(self) -> None:
        for listener in self._listeners:
            listener.close()
        with self._lock:
            everybody = self._crowd.everybody()
        for each in everybody:
            if isinstance(each, ClientConnection):
                each.hang_up()
        deadline = time.monotonic() + END_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._log.info("ended; the sessions stay", signal=self._ended)
