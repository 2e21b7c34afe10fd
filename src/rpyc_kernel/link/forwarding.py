"""Ports of this machine that lead to ports of the other one, for as long as the session is this notebook's."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from rpyc_kernel.agent.direct.passing import pass_bytes
from rpyc_kernel.errors import ForwardError, RpycKernelError

if TYPE_CHECKING:
    from rpyc_kernel.link.tunnel import Tunnel

HERE = "127.0.0.1"  # whoever reaches the port reaches the other machine's: only this machine may
BACKLOG = 64
LOOK_INTERVAL_S = 1.0  # between two looks at the link
PIECE_BYTES = 64 << 10
LINGER_S = 60.0  # that a connection of which one end has gone may be silent
FIRST_BYTES_TIMEOUT_S = 2.0  # for a browser to say that it is one
_HTTP = re.compile(rb"[A-Z]{3,10} \S")


class Forwarded:
    """One port here, and where it leads.

    Attributes:
        local: The port here.
        host: The host, as the other machine reaches it.
        port: The port there.
        connections: Those that are open.
    """

    def __init__(self, listener: socket.socket, host: str, port: int) -> None:
        self.listener = listener
        self.local: int = listener.getsockname()[1]
        self.host, self.port = host, port
        self.connections: set[socket.socket] = set()

    def close(self) -> None:
        """Close the port here, and all its connections."""
        self.listener.close()
        for sock in list(self.connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Forwarding:
    """The forwarded ports of one session. Any thread may use it.

    Args:
        tunnel: Leads to the other machine.
    """

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._ports: dict[tuple[str, int], Forwarded] = {}
        self._lock = threading.Lock()  # guards the line above
        self._closed = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._wake, woken = socket.socketpair()
        self._wake.setblocking(False)
        woken.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ)
        self._woken = woken
        self._thread = threading.Thread(target=self._listen, name="rpyc-kernel-forward", daemon=True)

    @property
    def ports(self) -> list[Forwarded]:
        """The ports that are forwarded now."""
        with self._lock:
            return list(self._ports.values())

    def add(self, host: str, port: int, local: int | None, cancel: threading.Event) -> tuple[Forwarded, str]:
        """Forward a port. It blocks.

        Args:
            host: The host, as the other machine reaches it.
            port: The port there.
            local: The port here; without it, the same number where that is free, else any.
            cancel: Ends the waiting.

        Returns:
            The port, and why nobody can be reached there now, "" where somebody can.

        Raises:
            ForwardError: The port here can't be had.
            RpycKernelError: The machine can't be reached.
        """
        with self._lock:
            known = self._ports.get((host, port))
        if known is not None and local not in (None, known.local):
            raise ForwardError(
                f"Port {port} is port {known.local} here already; in a notebook, %forward {port} --end closes that."
            )
        made = known or Forwarded(_listen(local, port), host, port)
        why = ""
        try:
            self._tunnel.connect(host, port, made.local, cancel).close()
        except ForwardError as error:
            why = str(error)
        except BaseException:
            if known is None:
                made.close()
            raise
        if known is None:
            with self._lock:
                self._ports[host, port] = made
            if not self._thread.ident:
                self._thread.start()
            self._rouse()
        return made, why

    def end(self, host: str, port: int, cancel: threading.Event) -> bool:
        """Close a port, and return whether it was open. It blocks."""
        with self._lock:
            found = self._ports.pop((host, port), None)
        if found is None:
            return False
        found.close()
        self._rouse()
        self._tunnel.forget(port, cancel)
        return True

    def close(self) -> None:
        """Close all of them."""
        self._closed.set()
        with self._lock:
            found, self._ports = list(self._ports.values()), {}
        for each in found:
            each.close()
        self._tunnel.close()
        self._rouse()

    # --- on its thread

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    def _listen(self) -> None:
        """Accept connections, and look after the link."""
        while not self._closed.is_set():
            self._follow()
            for key, _mask in self._selector.select(LOOK_INTERVAL_S):
                if key.data is None:
                    with contextlib.suppress(OSError):
                        self._woken.recv(4096)
                else:
                    self._accept(key.data)
            self._tunnel.check()
        self._selector.close()

    def _follow(self) -> None:
        """Have the selector look at the ports that are open now."""
        wanted = set(self.ports)
        for key in list(self._selector.get_map().values()):
            if key.data is not None and key.data not in wanted:
                self._selector.unregister(key.fileobj)
            wanted.discard(key.data)
        for each in wanted:
            with contextlib.suppress(ValueError, KeyError):  # it was closed this moment
                self._selector.register(each.listener, selectors.EVENT_READ, each)

    def _accept(self, forwarded: Forwarded) -> None:
        try:
            sock, _address = forwarded.listener.accept()
        except OSError:  # whoever came has gone, or the port was closed
            return
        threading.Thread(target=self._carry, args=(sock, forwarded), name="rpyc-kernel-forward", daemon=True).start()

    # --- on a thread for each connection

    def _carry(self, sock: socket.socket, forwarded: Forwarded) -> None:
        forwarded.connections.add(sock)
        try:
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    far = self._tunnel.connect(forwarded.host, forwarded.port, forwarded.local, self._closed)
                except RpycKernelError as error:
                    _refuse(sock, str(error))
                    return
                with far:
                    pass_bytes(sock, far, piece=PIECE_BYTES, halves=True, linger=LINGER_S)
        except OSError:  # one of the two has gone
            pass
        finally:
            forwarded.connections.discard(sock)


def _refuse(sock: socket.socket, why: str) -> None:
    """Answer a browser in a sentence that nobody can be reached; anything else sees the connection end."""
    sock.settimeout(FIRST_BYTES_TIMEOUT_S)
    if _HTTP.match(sock.recv(4096)):
        text = (why + "\n").encode("utf-8", "replace")
        head = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        sock.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n".encode("ascii") + text)
        sock.shutdown(socket.SHUT_WR)


def _listen(local: int | None, port: int) -> socket.socket:
    """Listen on a port here: *local*, or without it the same number as there, or any."""
    reason = ""
    for number in (local,) if local is not None else (port, 0):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # elsewhere it would let two listen on one port
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((HERE, number))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            reason = error.strerror or str(error)
        else:
            return sock
    raise ForwardError(f"Port {local or port} can't be had on this machine: {reason}. --local-port names another one.")
