"""A tunnel into a session: one direct connection that carries many connections to ports of the other machine."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.direct.first_line import read_line, send_line
from rpyc_kernel.agent.direct.two_way import TwoWay
from rpyc_kernel.agent.serve.mux import MAX_CONNECTIONS, Mux, MuxError
from rpyc_kernel.errors import DialCancelledError, ForwardError, RpycKernelError
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from rpyc_kernel.link.direct import DirectConnections
    from rpyc_kernel.link.link import Link

LINGER_S = 60.0  # that a tunnel without connections is kept
POOLED_LINGER_S = 1.0  # where the server has few threads
ANSWER_TIMEOUT_S = 20.0  # for the other machine to connect; it has ten itself
BACK_TIMEOUT_S = 30.0  # for a link that is lost to come back
RETRY_PAUSE_S = 0.2
MAX_REASON_CHARS = 200

log = logging.getLogger(__name__)


class _Carrier:
    """One direct connection."""

    def __init__(self, sock: socket.socket, begun: bytes, linger: float) -> None:
        self._line = TwoWay(sock, begun)
        self.mux = Mux(self._line.receive, self._line.send, linger=linger, halves=True)
        self.ended = False
        for name, work in (("read", self.mux.read), ("write", self.mux.write)):
            threading.Thread(target=self._run, args=(work,), name=f"rpyc-kernel-tunnel-{name}", daemon=True).start()

    def _run(self, work: Any) -> None:
        try:
            work()
        except (OSError, MuxError) as error:
            log.info("a tunnel has ended: %s", error)
        finally:
            self.end()

    def end(self) -> None:
        """Close it, and all connections that it carries."""
        self.ended = True
        self.mux.end()
        self._line.close()


class Tunnel:
    """Opens connections to ports of the other machine, for any thread. It is dialled when one is wanted.

    Args:
        link: The session's link.
        direct: The session's direct connections.
        name: What the machine is called.
    """

    def __init__(self, link: Link, direct: DirectConnections, name: str) -> None:
        self._link = link
        self._direct = direct
        self._name = name
        self._carrier: _Carrier | None = None
        self._lock = threading.Lock()  # whoever holds it dials

    def connect(self, host: str, port: int, local: int, cancel: threading.Event) -> socket.socket:
        """Open a connection to a port.

        Args:
            host: The host, as the other machine reaches it.
            port: The port.
            local: The port here that leads there.
            cancel: Ends any waiting.

        Returns:
            A socket, which is the caller's.

        Raises:
            ForwardError: The other machine can't connect to it.
            RpycKernelError: The other machine can't be reached.
        """
        sock = self._ask({"host": host, "port": port, "local": local}, cancel)
        try:
            answer = read_line(sock)
        except (OSError, ValueError):
            sock.close()
            raise ForwardError(f"{self._name} did not say whether it could connect to port {port}.") from None
        if error := answer.get("error"):
            sock.close()
            raise ForwardError(f"{self._name} can't connect to port {port} of {host}: {_reason(error)}.")
        return sock

    def forget(self, port: int, cancel: threading.Event) -> None:
        """Tell the other machine that one of its ports isn't forwarded any more."""
        with contextlib.suppress(RpycKernelError):
            self._ask({"forget": port}, cancel).close()

    def check(self) -> None:
        """End what it carries where the link is lost: nobody knows when the other machine would notice."""
        carrier = self._carrier
        if carrier is not None and self._link.status is not LinkStatus.UP:
            carrier.end()

    def close(self) -> None:
        """Close it, and all of its connections."""
        if self._carrier is not None:
            self._carrier.end()

    def _ask(self, line: dict[str, Any], cancel: threading.Event) -> socket.socket:
        """Open a connection, and say what it is for."""
        carrier = self._reach(cancel)
        if carrier.mux.connections >= MAX_CONNECTIONS - 1:
            raise ForwardError(f"{MAX_CONNECTIONS - 1} connections to {self._name} are open, and more can't be.")
        try:
            sock = carrier.mux.open()
        except OSError:  # it has ended this moment
            sock = self._reach(cancel).mux.open()
        sock.settimeout(ANSWER_TIMEOUT_S)
        send_line(sock, line)
        return sock

    def _reach(self, cancel: threading.Event) -> _Carrier:
        """Return the direct connection; dial it where there is none."""
        with self._lock:
            carrier = self._carrier
            if carrier is None or carrier.ended or self._link.status is not LinkStatus.UP:
                if carrier is not None:
                    carrier.end()
                self._wait_back(cancel)
                sock, begun = self._direct.dial({"forward": True}, cancel)
                linger = POOLED_LINGER_S if self._link.hello.get("pooled") else LINGER_S
                self._carrier = carrier = _Carrier(sock, begun, linger)
        return carrier

    def _wait_back(self, cancel: threading.Event) -> None:
        """Wait for a link that is lost. Raises the error for which it isn't back."""
        give_up = time.monotonic() + BACK_TIMEOUT_S
        while True:
            try:
                self._link.hurry()
                self._link.wait_up(cancel)
            except DialCancelledError:
                raise
            except RpycKernelError:
                if self._link.status is LinkStatus.CLOSED or time.monotonic() > give_up:
                    raise
                cancel.wait(RETRY_PAUSE_S)
            else:
                return


def _reason(text: object) -> str:
    return plain(str(text), MAX_REASON_CHARS)
