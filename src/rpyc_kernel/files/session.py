"""A session for nothing but files, where there is no notebook: it begins for them, and ends with them."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.program import open_or_end
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.hosts.target import Target
    from rpyc_kernel.transport.address import Address

KEEP_S = 600.0  # that it stays where the link was lost
WAIT_POLL_INTERVAL_S = 0.1

T = TypeVar("T")


class OwnSession:
    """A session of one's own on a machine, a `link.bulk.BulkSession`.

    Attributes:
        name: What the machine is called in sentences.
        direct: Its direct connections.
    """

    def __init__(self, machine: Target, server: Address, title: str, cancel: threading.Event) -> None:
        """Begin it. It blocks; *cancel* ends that. Raises a RpycKernelError."""
        self.name = machine.display
        config = machine.config_without_kernel(title, KEEP_S, "plain")
        self._link = Link(server, self._take, lambda _status, _error: None, title=title, holder=f"rpyc-kernel {title}")
        self.direct = DirectConnections(self._link)
        open_or_end(self._link, config, cancel)

    @property
    def closed(self) -> bool:
        """Whether the link won't be back."""
        return self._link.status is LinkStatus.CLOSED

    @property
    def up(self) -> bool:
        """Whether the link is up, as far as is known."""
        return self._link.status is LinkStatus.UP

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up, and dial at once. Raises the error for which it isn't."""
        self._link.hurry()
        self._link.wait_up(cancel)

    def close(self) -> None:
        """End it, if its machine can be reached."""
        self.direct.close()
        self._link.close(end=True)

    def _take(self, message: Message, _backlog: bool) -> None:
        if message.type == "direct_reply":
            self.direct.take(message)


@contextlib.contextmanager
def opened(machine: Target, title: str, cancel: threading.Event) -> Iterator[OwnSession]:
    """Within it there is a session for files on that machine.

    Args:
        machine: The machine.
        title: What people call the session.
        cancel: Ends the connecting.

    Raises:
        RpycKernelError: It can't be reached, or run a session.
    """
    session = own_session(machine, title, cancel)
    try:
        yield session
    finally:
        session.close()


def own_session(machine: Target, title: str, cancel: threading.Event) -> OwnSession:
    """Return a session for files on that machine, to be closed; as `opened`."""
    where = machine.address
    servers = where.locate(cancel=cancel)
    return first_server(where, servers, lambda server, _seconds: OwnSession(machine, server, title, cancel))


def interruptible(work: Callable[[threading.Event], T]) -> T:
    """Call *work* on a thread, with an event that Ctrl-C sets, and what else ends the main thread."""
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, cancel)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    return future.result(WAIT_POLL_INTERVAL_S)
        except (KeyboardInterrupt, SystemExit):
            cancel.set()
            raise
