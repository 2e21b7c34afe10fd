"""Where a cell runs: on the machine that the notebook has named, found again, waited for, or the default."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import (
    CommandError,
    DialCancelledError,
    DialError,
    LinkError,
    RpycKernelError,
    ServiceDownError,
    SessionError,
)
from rpyc_kernel.kernel.cell import NOTHING, Cell
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery.registry import SCHEME, find, service_name

if TYPE_CHECKING:
    from rpyc_kernel.kernel.kernel import RpycKernel
    from rpyc_kernel.kernel.sessions.session import Machine

PATIENCE = 1.5  # heartbeats that a cell of a restarted kernel waits for its machine
LOOK = 0.02  # seconds between two looks at whether a backlog was shown
MAX_COUNT = 10**9

log = logging.getLogger(__name__)


class Whereabouts:
    """Decides for a kernel which machine its cells run on, and remembers that for the kernel that comes after it."""

    def __init__(self, kernel: RpycKernel) -> None:
        self._kernel = kernel
        self._machines = kernel.machines
        self._memory = kernel.memory

    async def reach(self, cell: Cell) -> Machine:
        """The machine where the cell runs. Where its link is down, the cell waits for it like one that runs there."""
        machine = self._machines.current
        if machine is None:
            return await self._reach_known(cell)
        if machine.link.status is LinkStatus.CLOSED:
            error = machine.link.error
            raise error or CommandError(f'The session is closed. $connect("{machine.name}") starts another.')
        machine.link.hurry()
        return machine

    async def connect(
        self, address: str, config: dict[str, Any], *, new: bool = False, registry: str | None = None
    ) -> str:
        """Name a machine; from here on cells run there or nowhere, after a restart too. Returns the line that says so.

        Where that fails, they stay with the machine that was named before, if there is one. *registry*: who is asked
        for the address of ``service:NAME``.
        """
        if (name := service_name(address)) is not None:
            return await self._connect_service(name, config, new=new, registry=registry)
        if registry:
            raise CommandError("--registry goes with service:NAME; an address is not looked up in a registry.")
        checked = str(Address.parse(address))
        self._name_first(checked, config)
        return await self._connect(checked, config, new=new)

    def _name_first(self, address: str, config: dict[str, Any]) -> None:
        """Where no machine was named yet, name this one before it is dialled: cells meant for it must not run here."""
        if not self._memory.known.address or not self._memory.known.named:
            self._memory.name(address, config)
            self._machines.leave_default()

    async def _connect(self, checked: str, config: dict[str, Any], *, new: bool) -> str:
        line = await self._kernel.blocking(lambda cancel: self._machines.connect(checked, config, cancel, new=new))
        self._memory.name(checked, config)
        self._hold()
        return line

    async def servers(self, name: str, registry: str | None = None) -> list[str]:
        """The addresses of a service's servers; first where cells run already. Raises a RpycKernelError."""
        found = await self._kernel.blocking(lambda cancel: find(SCHEME + name, registry, cancel=cancel))
        current = self._machines.current
        return sorted(map(str, found), key=lambda address: current is None or address != current.name)

    async def _connect_service(self, name: str, config: dict[str, Any], *, new: bool, registry: str | None) -> str:
        """The first server of that service that can be connected to; the notebook remembers that one's address."""
        # Asked again with the next cell; but not another registry, which may know others by that name.
        self._name_first("" if registry else SCHEME + name, {} if registry else config)
        addresses = await self.servers(name, registry)
        errors: list[RpycKernelError] = []
        for address in addresses:
            try:
                line = await self._connect(address, config, new=new)
            except DialCancelledError:
                raise
            except (DialError, LinkError) as error:
                errors.append(error)
                continue
            others = len(addresses) - 1
            rest = "no other is registered" if not others else f"{others} other{'s' * (others > 1)} registered"
            first, newline, more = line.partition("\n")
            return f"{first} (service {name} at {address}, {rest}){newline}{more}"
        raise ServiceDownError(name, errors)

    async def attach(self, address: str, config: dict[str, Any], machine: Machine, cell: Cell) -> dict[str, Any]:
        """A session was taken over: the notebook is there now. Returns the content of the reply of what ran there."""
        self._memory.name(address, config)
        self._hold()
        return await self._catch_up(machine, cell)

    def _hold(self) -> Machine:
        machine = self._machines.current
        assert machine is not None
        self._memory.hold(machine.name, machine.link.session)
        return machine

    async def _reach_known(self, cell: Cell) -> Machine:
        """What this notebook has named before the kernel was restarted, or the kernel's option, or the default."""
        known, kernel = self._memory.known, self._kernel
        if not (known.session and await self._find_again(cell)):
            address = known.address if known.named else kernel.address  # one that was not named was the default's
            if address:
                await self._connect_patiently(cell, address, known.config or kernel.session_config())
            elif known.named:
                raise CommandError('Not connected. $connect("host:port") names the machine on which cells run.')
            else:
                await kernel.blocking(lambda cancel: self._machines.default(kernel.session_config(), cancel))
        return self._hold()

    async def _find_again(self, cell: Cell) -> bool:
        """After a crash of the kernel, its own session; whether that is still there."""
        known, kernel = self._memory.known, self._kernel
        config = known.config or kernel.session_config()
        try:
            machine = await kernel.blocking(
                lambda cancel: self._machines.find_again(known.address, config, known.session, cell.msg_id, cancel)
            )
        except SessionError as error:
            kernel.say(f"The kernel has ended unexpectedly. {error}", cell, "stderr")
            return False
        machine.default = not known.named
        kernel.say(f"The kernel has ended unexpectedly. Its session on {machine.name} was found again.", cell, "stderr")
        machine.announced.set()
        await self._catch_up(machine, cell)
        return True

    async def _catch_up(self, machine: Machine, cell: Cell) -> dict[str, Any]:
        """Show what a session gave out while nobody was connected, and wait for the cells that run there.

        Returns the content of the last one's reply. The session's own count goes on.
        """
        kernel, link = self._kernel, machine.link
        reply: dict[str, Any] = dict(NOTHING)
        stopped = threading.Event()
        with kernel.stoppable(stopped.set):
            while link.behind and not stopped.is_set():
                if link.status is LinkStatus.CLOSED and link.error:
                    raise link.error
                await asyncio.sleep(LOOK)
        foreign = machine.foreign_cells
        for msg_id in foreign:
            with kernel.stoppable(lambda msg_id=msg_id: kernel.interrupt_remote(machine, msg_id)):  # type: ignore[misc]
                reply = await kernel.exchange.outcome(machine, msg_id)
        last = link.attached.get("execution_count")
        if foreign:
            status, _buffers = await asyncio.to_thread(link.ask, "status", {})
            last = status.get("execution_count")
        if isinstance(last, int) and 0 <= last < MAX_COUNT:
            kernel.count = last + 1
            cell.count = kernel.count  # of what follows in this cell
        return {**NOTHING, **reply}

    async def _connect_patiently(self, cell: Cell, address: str, config: dict[str, Any]) -> None:
        """Connect to the machine of before; if it was unreachable at the kernel's restart, wait for a while."""
        exchange, lost = self._kernel.exchange, False
        deadline = time.monotonic() + PATIENCE * self._kernel.heartbeat
        for delay in delays():
            await self._kernel.pause(delay, address)
            try:
                log.info(await self.connect(address, config))
            except DialCancelledError:
                raise
            except (DialError, LinkError):
                missed = any(pair[0] == address for pair in self._memory.known.missed)
                if not missed or time.monotonic() > deadline:
                    raise
                if not lost:
                    exchange.lines.show(cell.msg_id, f"link to {address} lost, reconnecting…")
                lost = True
            else:
                if lost:
                    exchange.lines.show(cell.msg_id, f"link to {address} was lost, and is back")
                return
