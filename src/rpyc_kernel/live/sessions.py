"""A session for a script, opened by ``rpyc_kernel.connect``."""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.errors import ArgumentError, RemoteClosedError, RpycKernelError
from rpyc_kernel.hosts.target import find
from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import HEARTBEAT_S, Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.link.state import end_of
from rpyc_kernel.live.channels import Channels
from rpyc_kernel.live.remote import Remote
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.transport.address import Address

KEEP_S = 600.0  # a session survives its script for this time: long enough for a broken link

log = logging.getLogger(__name__)
_open: weakref.WeakSet[ScriptSession]


def connect(
    address: str,
    *,
    cwd: str | os.PathLike[str] = "",
    env: Mapping[str, str] | None = None,
    python: str | os.PathLike[str] = "",
    name: str = "",
    keep: float = KEEP_S,
    heartbeat: float = HEARTBEAT_S,
) -> Remote:
    """Start a session on another machine and return RPyC's classic connection to its namespace.

    Output there is printed here. The script doesn't notice when the link breaks and comes back. The session ends with
    ``close()``, with the end of a ``with`` block, and with the script.

    Args:
        address: ``host``, ``host:port`` … of an RPyC classic server, ``service:NAME``, or a saved name, whose saved
            options go with it.
        cwd: The working directory there.
        env: Additional environment variables there.
        python: Another Python there.
        name: The session's name in ``rpyc-kernel sessions``; by default the script's.
        keep: Seconds that the session survives a script that ended without closing it.
        heartbeat: Seconds without an answer, after which the link counts as lost.

    Raises:
        ArgumentError: `keep` isn't a finite number of seconds, or `env` has what no variable can be.
        AddressError: `address` isn't an address.
        HostsFileError: `address` may be a saved name, and the file of these can't be read.
        DialError: The server can't be reached.
        DiscoveryError: The name isn't found.
        RemoteUnfitError: The machine can't run a session.
        AgentError: The session could not be started.
    """
    _check(keep, env or {})
    pairs: dict[str, Any] = {"cwd": os.fspath(cwd), "python": os.fspath(python), "env": dict(env or {})}
    given = {key: value for key, value in pairs.items() if value}
    where, config = find(address).start(given, {"keep": float(keep), "agent": __version__, "env": {}})
    config["name"] = name or (sys.argv[0].rpartition("/")[2] if sys.argv and sys.argv[0] else "python")
    return first_server(where, where.locate(), lambda server, _seconds: ScriptSession(server, config, heartbeat).remote)


def _check(keep: Any, env: Mapping[Any, Any]) -> None:
    if not isinstance(keep, int | float) or not 0 <= keep < math.inf:
        raise ArgumentError(f"keep is a number of seconds, not {keep!r}.")
    for name, value in env.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ArgumentError(f"env takes names and values that are both text, not {name!r} with {value!r}.")
        if not name or "=" in name or "\0" in name + value:
            raise ArgumentError(f"{name!r} can't be an environment variable, or can't have that value.")


class ScriptSession:
    """One session, its link and its messages."""

    def __init__(self, address: Address, config: dict[str, object], heartbeat: float) -> None:
        self._address = address
        self._channels = Channels()
        title = str(config["name"])
        self._link = Link(address, self._take, self._changed, heartbeat=heartbeat, title=title, holder=title)
        self.direct = DirectConnections(self._link)
        self._link.open(config, threading.Event())
        _open.add(self)
        self.remote = Remote(self._channels, self._link, self.direct, str(address), on_close=self.close)

    def _take(self, message: Message, _backlog: bool) -> None:
        if message.type == "stream":
            stream = sys.stderr if message.content.get("name") == "stderr" else sys.stdout
            stream.write(str(message.content.get("text", "")))
            stream.flush()
        elif message.type == "session_info":
            self._channels.python_began(message.content.get("pid"))
        elif message.type.startswith("rpyc_"):
            self._channels.take(message)
        elif message.type == "direct_reply":
            self.direct.take(message)
        elif end := end_of(message):
            self._channels.python_ended(end)
            if message.type == "worker_died":
                how = str(end.get("text", "ended"))[:200]
                log.warning("The Python on %s %s; a fresh one runs there now.", self._address, how)

    def _changed(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        if status is LinkStatus.CLOSED:
            self._channels.fail(error or RemoteClosedError(self._address, "it was closed here"))
        elif status is LinkStatus.LOST:
            log.warning("The link to %s is lost; it is dialled until it is back. (%s)", self._address, error)

    def close(self) -> None:
        """End the session if its machine can be reached."""
        _open.discard(self)
        self.direct.close()
        self._link.close(end=True)


_open = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """End the script's sessions at its exit."""
    for session in list(_open):
        session.remote.close()
