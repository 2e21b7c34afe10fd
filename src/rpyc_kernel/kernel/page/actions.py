"""What a page may ask for: sessions, hosts, another machine, a link that is dialled at once, a fresh Python."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpyc_kernel.errors import ArgumentError, CommandError, DialCancelledError
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rpyc_kernel.kernel.outcomes import Connected, Hosts, Listing
    from rpyc_kernel.kernel.sessions.session import RemoteSession

MAX_ARGUMENT_CHARACTERS = 4096

T = TypeVar("T")


class StoppableBeside(Protocol):
    """Lets the stop button reach what runs beside the cells, while no cell runs."""

    def __call__(self, stop: Callable[[], None], *, beside: bool = False) -> AbstractContextManager[None]:
        """Return a context within which the stop button calls *stop*."""


class BesideCells:
    """Waits for what a page has asked for. It is the `Blocking` of who does that."""

    def __init__(self, stoppable: StoppableBeside) -> None:
        self._stoppable = stoppable

    async def blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Call *work* on a thread of its own. The stop button, while no cell runs, sets the event that *work* gets."""
        cancel = threading.Event()
        with self._stoppable(cancel.set, beside=True):
            return await asyncio.to_thread(work, cancel)

    def stoppable(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context within which the stop button, while no cell runs, calls *stop*."""
        return self._stoppable(stop, beside=True)

    async def pause(self, seconds: float, address: str) -> None:
        """Wait before that address is dialled again. Raises DialCancelledError if the stop button is pressed."""
        if await self.blocking(lambda cancel: cancel.wait(seconds)):
            raise DialCancelledError(address)


class Machines(Protocol):
    """Knows the machines of the notebook. Each method may raise a RpycKernelError."""

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run, None while there is none."""

    async def connect(
        self, address: str, changes: dict[str, Any], *, new: bool = False, registry: str | None = None
    ) -> Connected:
        """Have cells run at that address from here on."""

    async def use(self, name: str) -> RemoteSession:
        """Have cells run on one of the notebook's machines from here on."""

    def hosts(self) -> Hosts:
        """Return the machines of the notebook."""

    async def list(self, address: str | None, usage: str) -> Listing:
        """List the sessions on a machine."""


class PageActions:
    """Does what a page asks for, by the same means as the commands of cells do."""

    def __init__(self, machines: Machines, beside: BesideCells) -> None:
        self._machines = machines
        self._beside = beside
        self._actions = {
            "sessions": self._sessions,
            "hosts": self._hosts,
            "connect": self._connect,
            "use": self._use,
            "reconnect": self._reconnect,
            "restart": self._restart,
        }

    async def do(self, request: dict[str, Any]) -> Any:
        """Do it.

        Args:
            request: ``do`` names the action, the other items are what the action needs to know.

        Returns:
            What is to be answered, as JSON.

        Raises:
            RpycKernelError: It can't be done, and why.
        """
        action = self._actions.get(str(request.get("do")))
        if action is None:
            raise ArgumentError("The page has asked for something that this kernel doesn't know; reload the page.")
        return await action(request)

    async def _sessions(self, request: dict[str, Any]) -> dict[str, Any]:
        found = await self._machines.list(_text(request, "machine") or None, "%sessions")
        entries = [{**asdict(each), "ours": each.session in found.ours} for each in found.entries]
        return {"machine": found.where, "sessions": entries}

    async def _hosts(self, _request: dict[str, Any]) -> dict[str, Any]:
        from rpyc_kernel.hosts import file, recent  # noqa: PLC0415 - few need it

        saved = await asyncio.to_thread(file.load)
        known = [{"name": each.name, "machine": each.address} for each in saved.values()]
        return {"saved": known, "recent": await asyncio.to_thread(recent.load)}

    async def _connect(self, request: dict[str, Any]) -> dict[str, Any]:
        machine = _text(request, "machine")
        if not machine:
            raise ArgumentError("Connecting needs the name or the address of a machine.")
        connected = await self._machines.connect(machine, {}, new=request.get("new") is True)
        return {"machine": connected.session.name, "warnings": [*connected.warnings]}

    async def _use(self, request: dict[str, Any]) -> dict[str, Any]:
        session = await self._machines.use(_text(request, "machine"))
        return {"machine": session.name, "warnings": []}

    async def _reconnect(self, _request: dict[str, Any]) -> dict[str, Any]:
        session = self._current()
        if session.closed:
            return await self._connect({"machine": session.name, "new": True})
        session.hurry()
        if session.status is LinkStatus.LOST:
            await self._beside.blocking(session.wait_up)
        return {"machine": session.name, "warnings": []}

    async def _restart(self, _request: dict[str, Any]) -> dict[str, Any]:
        session = self._current()
        if session.status is LinkStatus.LOST:
            await self._beside.blocking(session.wait_up)
        if not await self._beside.blocking(lambda cancel: session.restart("", cancel)):
            raise CommandError(f"The Python on {session.name} is still ending. Restarting again ends it at once.")
        return {"machine": session.name, "warnings": []}

    def _current(self) -> RemoteSession:
        session = self._machines.current
        if session is None:
            raise CommandError("This notebook is connected to no machine.")
        return session


def _text(request: dict[str, Any], name: str) -> str:
    found = request.get(name, "")
    if not isinstance(found, str) or len(found) > MAX_ARGUMENT_CHARACTERS:
        raise ArgumentError(f"The page has sent a {name} that is none.")
    return found.strip()
