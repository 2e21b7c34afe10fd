"""Where the daemon listens: on a Unix socket in a private folder of its user, or on a port."""

from __future__ import annotations

import os
import socket
import sys

from ..boot import private_folders
from ..local_socket import MAX_PATH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

BACKLOG = 256  #: connections that wait to be accepted
_SOCKET = "serve.sock"
_LOCK = "serve.lock"  #: held by the daemon as long as its process lives; its text says where that serves
_MAX_ADDRESS_BYTES = 300


class PlaceError(Exception):
    """The daemon can't listen; the text is a sentence for the user."""


def holder(folder: str, address: str = "") -> str:
    """Become the one daemon that uses a folder, until this process ends.

    Args:
        folder: A private folder.
        address: Where this daemon serves.

    Returns:
        Where another daemon serves that uses the folder already; "" where there is none.

    Raises:
        OSError: The folder can't be used.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return ""
    file = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            return os.read(file, _MAX_ADDRESS_BYTES).decode("utf-8", "replace") or "another place"
        finally:
            os.close(file)
    os.ftruncate(file, 0)
    os.write(file, address.encode("utf-8"))
    return ""


def listen_privately() -> Tuple[socket.socket, str]:
    """Listen on a Unix socket that this user alone can reach, until this process ends; returns its path, too.

    Raises:
        PlaceError: There is no folder for it, or a daemon uses it.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise PlaceError("This system has no Unix sockets: serve on a port, with --port 18821.")
    for folder in private_folders(create=True):
        path = os.path.join(folder, _SOCKET)
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            continue
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            other = holder(folder, "unix://" + path)
            if other:
                raise PlaceError("A server of yours serves at %s already." % other)
            remove(path)  # of a daemon that was killed
            listener.bind(path)  # nobody else gets into the folder, whatever mode the socket begins with
            os.chmod(path, 0o600)
            listener.listen(BACKLOG)
        except PlaceError:
            listener.close()
            raise
        except OSError as error:
            listener.close()
            raise PlaceError("A socket can't be made at %s: %s." % (path, error.strerror or error)) from None
        return listener, path
    raise PlaceError(
        "There is no private folder for a socket here, neither in the home nor among the temporary ones: "
        "set XDG_CACHE_HOME to one with a short path."
    )


def remove(path: str) -> None:
    """Remove a socket, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def listen_on_port(host: str, port: int) -> List[socket.socket]:
    """Listen on a port of every address of this machine, or of those that ``host`` means.

    Raises:
        PlaceError: It can't be listened on.
    """
    listeners: List[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
        for family, kind, protocol, _name, address in found:
            try:
                listener = socket.socket(family, kind, protocol)
            except OSError:  # a system without IPv6
                continue
            listeners.append(listener)
            if sys.platform != "win32":  # where it would let another program take the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind(address)
            except OSError:
                if host or family == socket.AF_INET:
                    raise
                listeners.pop().close()  # IPv6 is switched off
                continue
            listener.listen(BACKLOG)
    except OSError as error:
        for listener in listeners:
            listener.close()
        where = "%s port %d" % (host, port) if host else "port %d" % port
        raise PlaceError(
            "%s can't be listened on: %s." % (where[:1].upper() + where[1:], error.strerror or error)
        ) from None
    return listeners
