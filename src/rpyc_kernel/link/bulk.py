"""What is carried on direct connections and outlasts a lost link: values, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from rpyc_kernel.errors import DialCancelledError, LinkError, ProtocolError, RpycKernelError
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.link.direct import DirectConnection, DirectConnections
    from rpyc_kernel.link.link import Link

MAX_VAIN_TRIES = 5  # connections in a row that carry nothing, while the link itself is up
RETRY_PAUSE_S = 0.2

T = TypeVar("T")


class BulkSession(Protocol):
    """A session, as what is carried past its messages sees it."""

    @property
    def direct(self) -> DirectConnections:
        """Its direct connections."""

    @property
    def closed(self) -> bool:
        """Whether its link won't be back."""

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up. Raises the error for which it isn't yet."""


class LinkBulk:
    """The `BulkSession` of which there is a link and nothing else.

    Args:
        link: The link.
        direct: The direct connections.
    """

    def __init__(self, link: Link, direct: DirectConnections) -> None:
        self.direct = direct
        self._link = link

    @property
    def closed(self) -> bool:
        """Whether the link won't be back."""
        return self._link.status is LinkStatus.CLOSED

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up. Raises the error for which it isn't yet."""
        self._link.hurry()
        self._link.wait_up(cancel)


def carry(
    session: BulkSession,
    cancel: threading.Event,
    on_connection: Callable[[DirectConnection], T],
    carried: Callable[[], int],
) -> T:
    """Do something on one connection after the other, until it is done. A lost link is waited for, however long.

    Args:
        session: Whose connections.
        cancel: Ends it.
        on_connection: Does what is left, on a connection; what it returns is the result.
        carried: Returns how much was carried so far: as long as that grows, a connection was not in vain.

    Raises:
        DialCancelledError: *cancel* was set.
        RpycKernelError: The link won't be back, connections carry nothing, or what *on_connection* has raised.
    """
    vain = 0
    while True:
        before = carried()
        try:
            with session.direct.connection(cancel) as connection:
                return on_connection(connection)
        except (DialCancelledError, ProtocolError):
            raise
        except LinkError as error:
            vain = 0 if carried() > before else vain + 1
            if vain >= MAX_VAIN_TRIES:
                raise
            if cancel.wait(RETRY_PAUSE_S * vain):
                raise DialCancelledError(error.address) from None
        wait_back(session, cancel)


def wait_back(session: BulkSession, cancel: threading.Event) -> None:
    """Wait until a session's link is back, for as long as it takes.

    Raises:
        DialCancelledError: *cancel* was set.
        RpycKernelError: The link won't be back, and why.
    """
    while True:
        try:
            session.wait_up(cancel)
        except DialCancelledError:
            raise
        except RpycKernelError:
            if session.closed:
                raise
            cancel.wait(RETRY_PAUSE_S)
        else:
            return
