"""A session for a script: what ``rpyc_kernel.connect`` opens."""

from __future__ import annotations

import atexit
import logging
import math
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from rpyc_kernel._version import __version__
from rpyc_kernel.errors import ArgumentError, RemoteClosedError, RpycKernelError
from rpyc_kernel.link.link import HEARTBEAT, Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live.channels import Channels
from rpyc_kernel.live.remote import Remote
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpyc_kernel.agent.wire import Message

KEEP = 600.0  # seconds that a session stays without its script: long enough for a link that breaks

log = logging.getLogger(__name__)
_open: weakref.WeakSet[ScriptSession]


def connect(
    address: str,
    *,
    cwd: str = "",
    env: Mapping[str, str] | None = None,
    python: str = "",
    name: str = "",
    keep: float = KEEP,
    heartbeat: float = HEARTBEAT,
) -> Remote:
    """Start a session on another machine and return RPyC's classic connection to its namespace.

    What is printed there is printed here. The link may break and come back without the script's noticing. The session
    ends with ``close()``, with the end of a ``with`` block, and with the script.

    *address*: ``host``, ``host:port`` … of an RPyC classic server, or ``service:NAME``. *cwd*, *env*, *python*: the
    folder, more variables of the environment, and another Python there. *name*: what ``rpyc-kernel sessions`` calls it.
    *keep*: seconds that it stays when the script is gone without having closed it. *heartbeat*: seconds without an
    answer after which the link is taken for lost. Raises AddressError, DialError, DiscoveryError, RemoteUnfitError or
    AgentError.
    """
    if not 0 <= keep < math.inf:
        raise ArgumentError(f"keep is a number of seconds, not {keep!r}.")
    config: dict[str, object] = {"keep": float(keep), "agent": __version__, "env": dict(env or {})}
    config["name"] = name or (sys.argv[0].rpartition("/")[2] if sys.argv and sys.argv[0] else "python")
    config.update({key: value for key, value in (("cwd", cwd), ("python", python)) if value})
    where = Address.parse(address)
    return first_server(where, where.locate(), lambda server, _seconds: ScriptSession(server, config, heartbeat).remote)


class ScriptSession:
    """One session, its link, and what comes from it."""

    def __init__(self, address: Address, config: dict[str, object], heartbeat: float) -> None:
        self._address = address
        self._channels = Channels()
        title = str(config["name"])
        self._link = Link(address, self._take, self._changed, heartbeat=heartbeat, title=title, holder=title)
        self._link.open(config, threading.Event())
        _open.add(self)
        self.remote = Remote(self._channels, self._link, str(address), on_close=self.close)

    def _take(self, message: Message, _backlog: bool) -> None:
        if self._channels.take(message):
            return
        if message.type == "stream":
            stream = sys.stderr if message.content.get("name") == "stderr" else sys.stdout
            stream.write(str(message.content.get("text", "")))
            stream.flush()
        elif message.type == "worker_died" and message.sealed:
            how = str(message.content.get("text", "ended"))[:200]
            log.warning("The Python on %s %s; a fresh one runs there now.", self._address, how)

    def _changed(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        if status is LinkStatus.CLOSED:
            self._channels.fail(error or RemoteClosedError(self._address, "it was closed here"))
        elif status is LinkStatus.LOST:
            log.warning("The link to %s is lost; it is dialled until it is back. (%s)", self._address, error)

    def close(self) -> None:
        """End the session, if its machine can be reached."""
        _open.discard(self)
        self._link.close(end=True)


_open = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """The script ends: so do its sessions."""
    for session in list(_open):
        session.remote.close()
