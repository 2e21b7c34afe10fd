"""The session in which a cell runs: the one that the notebook has named, found again, waited for, or the default."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import (
    CommandError,
    DialCancelledError,
    DialError,
    LinkError,
    RpycKernelError,
    SessionError,
)
from rpyc_kernel.hosts import recent
from rpyc_kernel.hosts.target import Target, find
from rpyc_kernel.kernel.cells import NOTHING, Cell
from rpyc_kernel.kernel.outcomes import ChosenServer, Connected, Disconnected, Hosts, Listing
from rpyc_kernel.kernel.sessions.registry import EMBEDDED_SCHEME
from rpyc_kernel.link import listing
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.plain import plain
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpyc_kernel.kernel.ports import Blocking, CellOutput, Notebook
    from rpyc_kernel.kernel.sessions.interrupt_policy import InterruptPolicy
    from rpyc_kernel.kernel.sessions.registry import SessionRegistry
    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.kernel.sessions.state_file import StateFile

PATIENCE_HEARTBEATS = 1.5  # that a cell of a restarted kernel waits for its machine
POLL_INTERVAL_S = 0.02
NAMES_TIMEOUT_S = 2.0  # of the list of sessions that completion asks for

log = logging.getLogger(__name__)


class Resolver:
    """Decides in which session cells run, and has that remembered for the kernel that comes after this one.

    It is the `SessionSource` of commands.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        state: StateFile,
        notebook: Notebook,
        blocking: Blocking,
        output: CellOutput,
        interrupts: InterruptPolicy,
    ) -> None:
        self._registry = registry
        self._state = state
        self._notebook = notebook
        self._blocking = blocking
        self._output = output
        self._interrupts = interrupts
        self._listed: Sequence[listing.SessionEntry] = ()

    # --- where cells run

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run, None while there is none."""
        return self._registry.current

    @property
    def awaited(self) -> str:
        """The machine to which the next cell will connect, as people call it; "" where that isn't known."""
        address, known = self._known_address, self._state.known
        if self._registry.current is not None or not address:
            return ""
        if known.named and known.label:
            return known.label
        with contextlib.suppress(RpycKernelError):
            return find(address).display
        return ""

    @property
    def _known_address(self) -> str:
        """Where the kernel before was, or else where the kernel's option says."""
        known = self._state.known
        return known.address if known.named else self._notebook.address  # one not named was the default's

    async def resolve(self, cell: Cell) -> RemoteSession:
        """Return the session in which *cell* runs. Where its link is down, the cell waits like one that runs there.

        Raises:
            RpycKernelError: There is none, and none can be opened.
        """
        session = await self.named(cell.machine) if cell.machine else self._registry.current
        if session is None:
            return await self._reach_known(cell)
        if session.closed:
            raise session.error or CommandError(f'The session is closed. $connect("{session.name}") starts another.')
        session.hurry()
        return session

    async def named(self, name: str) -> RemoteSession:
        """Return the notebook's session of that name, or at that address; after a restart, connect to it again.

        Raises:
            CommandError: The notebook has none.
            RpycKernelError: It can't be reached.
        """
        if found := self._registry.named(name):
            return found
        if other := self._state.known.others.get(name):
            address = Address.parse(other["address"])
            reopen = partial(self._registry.reopen, address, other["config"], other["session"], name)
            session = await self._blocking.blocking(reopen)
            self._remember()
            return session
        with contextlib.suppress(RpycKernelError):
            if found := self._registry.named(str(find(name).address)):
                return found
        known = self._labels
        has = f"It has: {', '.join(known)}." if known else "It has none yet."
        raise CommandError(
            f"This notebook has no machine {plain(name, 60)}. {has} %connect ADDRESS --name NAME adds one."
        )

    def machine(self, text: str) -> Target:
        """Return the machine that a command names: what cells call one of the notebook's goes before a saved name.

        Args:
            text: That, or a saved name, or an address.

        Raises:
            AddressError: It is none of them.
            HostsFileError: It may be a saved name, and the file of these can't be read or understood.
        """
        ours = {label: other["address"] for label, other in self._state.known.others.items()}
        ours |= {each.label: each.server for each in self._registry.all if each.address.scheme != EMBEDDED_SCHEME}
        address = Address.parse(ours[text]) if text in ours else None
        if address is None or address.name == text:  # what is called by its address, as a Dask scheduler, is one
            return find(text)
        with contextlib.suppress(RpycKernelError):
            if str((saved := find(text)).address) == str(address):
                return saved
        return Target(address)

    @property
    def _labels(self) -> Sequence[str]:
        """What the notebook's machines are called."""
        return [*dict.fromkeys([*(each.label for each in self._registry.all), *self._state.known.others])]

    async def use(self, name: str) -> RemoteSession:
        """Have cells run on one of the notebook's machines from here on, after a restart too.

        Args:
            name: What the notebook calls it, or its address.

        Raises:
            RpycKernelError: The notebook has none of that name, or it can't be reached.
        """
        session = await self.named(name)
        self._registry.use(session)
        self._state.name(session.server, session.config, session.label)
        self._remember()
        return session

    async def connect(
        self, address: str, changes: dict[str, Any], *, new: bool = False, registry: str | None = None
    ) -> Connected:
        """Name a machine; from here on cells run there or nowhere, after a restart too.

        Where that fails, they stay with the machine that was named before, if there is one.

        Args:
            address: The address, or ``service:NAME``, or a saved name.
            changes: What is to be otherwise than the kernel's options, and what is saved with a name, say. A ``name``
                is also what the notebook's cells call the machine; without it, its saved name or its address.
            new: Begin a fresh session, even where the notebook has one.
            registry: Who is asked for the address of ``service:NAME``.

        Raises:
            RpycKernelError: It can't be connected to.
        """
        target = self.machine(address)
        if not target.name and address in self._labels and address != target.address.name:
            changes = {"name": address, **changes}  # the notebook's own, by what its cells call it
        where, config = target.start(changes, self._notebook.session_config())
        if registry and (sentence := where.transport.inapplicable.get("registry")):
            raise CommandError(sentence)
        names = {"label": str(changes.get("name", "")), "saved": target.name}
        return await self._connect(where, config, new=new, registry=registry, **names)

    async def _connect(
        self,
        address: Address,
        config: dict[str, Any],
        *,
        new: bool = False,
        registry: str | None = None,
        label: str = "",
        saved: str = "",
    ) -> Connected:
        # A name is asked for again with the next cell; but not another registry, which may know others by that name.
        first = ("", {}, "") if registry else (str(address), config, label or saved)
        self._name_first(*first)
        servers = await self._servers(address, registry)

        def connect(cancel: threading.Event) -> Connected:
            def at(server: Address, _seconds: float | None) -> Connected:
                return self._registry.connect(server, config, cancel, new=new, label=label, saved=saved)

            connected = first_server(address, servers, at)
            recent.note(str(address))
            return connected

        connected = await self._blocking.blocking(connect)
        self._state.name(connected.session.server, config, connected.session.label)
        self._remember()
        if servers == [address]:
            return connected
        if told := address.transport.told(Address.parse(connected.session.server)):
            return connected._replace(warnings=(*connected.warnings, *told))
        return connected._replace(service=ChosenServer(address.host, connected.session.name, len(servers) - 1))

    def _name_first(self, address: str, config: dict[str, Any], label: str) -> None:
        """Where no machine was named yet, name this one before it is dialled: cells meant for it must not run here."""
        if not self._state.known.address or not self._state.known.named:
            self._state.name(address, config, label)
            self._registry.leave_default()

    async def _servers(self, address: Address, registry: str | None = None) -> list[Address]:
        """Return the servers that *address* stands for; first where cells run already. Raises a RpycKernelError."""
        found = await self._blocking.blocking(lambda cancel: address.locate(registry, cancel))
        current = self._registry.current
        return sorted(found, key=lambda server: current is None or str(server) != current.server)

    async def disconnect(self, name: str | None, *, end: bool) -> Disconnected:
        """Leave a machine: where it is the one where cells run, no cell runs anywhere until one is named.

        Args:
            name: What the notebook calls it; without it, the one where cells run.
            end: End its session too.

        Raises:
            RpycKernelError: The notebook has none of that name.
        """
        session = await self.named(name) if name else self._registry.current
        if session is None and (labels := self._labels):
            raise CommandError(f"Cells run nowhere now. %disconnect NAME leaves one of: {', '.join(labels)}.")
        current = session is self._registry.current
        left = await self._blocking.blocking(lambda _cancel: self._registry.disconnect(session, end=end))
        if current:
            self._state.name("", {})
            self._registry.tell()
        if session is not None:
            self._state.known.others.pop(session.label, None)
            with contextlib.suppress(RpycKernelError):
                if str(find(session.label).address) == session.name:  # its saved name leads back, too
                    left = left._replace(address=session.label)
        self._remember()
        return left

    def hosts(self) -> Hosts:
        """Return the machines of this notebook."""
        return self._registry.hosts()

    def _remember(self) -> None:
        """Have the next kernel know the sessions of this one, and those of the kernel before that were not used yet."""
        session = self._registry.current
        others = dict(self._state.known.others)
        for each in self._registry.all:
            if each is session or each.closed or each.address.scheme == EMBEDDED_SCHEME:
                others.pop(each.label, None)
            else:
                others[each.label] = {"address": each.server, "config": each.config, "session": each.id}
        self._state.hold_others(others)
        if session is not None:
            self._state.hold(session.server, session.id)

    # --- sessions that run already

    async def list(self, address: str | None, usage: str) -> Listing:
        """List the sessions on a machine.

        Args:
            address: The machine; without it, the one where cells run, or would run.
            usage: The command, as a user is told to write it with an address.

        Raises:
            RpycKernelError: It can't be asked.
        """
        current, known = self._registry.current, self._state.known.address or self._notebook.address
        where = address or (current.server if current is not None else known)
        if not where:
            raise CommandError(f"Not connected. Say which machine is meant: {usage} ADDRESS")
        named = self.machine(where).address
        server = (await self._servers(named))[0]
        entries = await self._blocking.blocking(
            lambda cancel: listing.sessions(self._registry.reached(server, cancel), cancel=cancel)
        )
        self._listed = entries
        return Listing(where if server == named else str(server), entries, self._registry.ids)

    def session_names(self) -> Sequence[str]:
        """Return the names of sessions that are known without dialling: those of the machine where cells run, or else
        those that were listed last. It blocks, for `NAMES_TIMEOUT_S` at most.
        """
        session = self._registry.current
        if session is not None and session.status is LinkStatus.UP:
            with contextlib.suppress(RpycKernelError):
                answer, _buffers = session.ask("list", {}, NAMES_TIMEOUT_S)
                self._listed = listing.read_all(answer.get("sessions"))
        return [entry.name for entry in self._listed]

    async def end(self, where: str, entry: listing.SessionEntry) -> None:
        """End a session of the machine *where*. Raises a RpycKernelError."""
        await self._blocking.blocking(
            lambda cancel: listing.end(
                self._registry.reached(self.machine(where).address, cancel), entry, cancel=cancel
            )
        )

    async def attach(self, where: str, entry: listing.SessionEntry, cell: Cell) -> RemoteSession:
        """Take over a session of the machine *where*; `catch_up` shows what it gave out. Raises a RpycKernelError."""
        target = self.machine(where)
        attach = partial(self._registry.attach, target.address, entry, cell.msg_id, target.name)
        session = await self._blocking.blocking(attach)
        self._state.name(str(target.address), {**self._notebook.session_config(), **target.options}, session.label)
        self._remember()
        return session

    async def catch_up(self, session: RemoteSession, cell: Cell) -> dict[str, Any]:
        """Show what a session gave out while nobody was connected, and wait for the cells that run there.

        The session's own count goes on.

        Returns:
            The content of the reply to the last of these cells.
        """
        session.announce()
        stopped = threading.Event()
        with self._blocking.stoppable(stopped.set):
            while session.behind and not stopped.is_set():
                if session.closed and session.error:
                    raise session.error
                await asyncio.sleep(POLL_INTERVAL_S)
        reply: dict[str, Any] = dict(NOTHING)
        foreign = session.foreign_cells
        for msg_id in foreign:
            with self._blocking.stoppable(partial(self._interrupts.press, session, msg_id)):
                reply = await session.outcome(msg_id)
        last = await asyncio.to_thread(session.last_count, now=bool(foreign))
        if last is not None:
            self._notebook.count = cell.count = last + 1  # also of what follows in this cell
        return {**NOTHING, **reply}

    # --- after the kernel was started again

    async def _reach_known(self, cell: Cell) -> RemoteSession:
        """Go where the kernel before was, else where the kernel's option says, else to the default."""
        known, config = self._state.known, self._notebook.session_config
        if not (known.session and await self._find_again(cell)):
            if address := self._known_address:
                target = find(address)
                where, begins = target.start(config())
                await self._connect_patiently(cell, where, known.config or begins, known.label or target.name)
            elif known.named and (labels := self._labels):
                raise CommandError(
                    f"Cells run nowhere now. %use {labels[0]} has them run on one of: {', '.join(labels)}."
                )
            elif known.named:
                raise CommandError('Not connected. $connect("host:port") names the machine on which cells run.')
            else:
                await self._blocking.blocking(lambda cancel: self._registry.default(config(), cancel))
        self._remember()
        assert self._registry.current is not None
        return self._registry.current

    async def _find_again(self, cell: Cell) -> bool:
        """Take up the session of a kernel that has crashed; return whether it is still there."""
        known = self._state.known
        config = known.config or self._notebook.session_config()
        address = Address.parse(known.address)
        find_again = partial(self._registry.find_again, address, config, known.session, cell.msg_id)
        try:
            session = await self._blocking.blocking(
                lambda cancel: find_again(cancel, named=known.named, label=known.label)
            )
        except SessionError as error:
            self._output.say(f"The kernel has ended unexpectedly. {error}", cell.msg_id, "stderr")
            return False
        found = f"The kernel has ended unexpectedly. Its session on {session.name} was found again."
        self._output.say(found, cell.msg_id, "stderr")
        await self.catch_up(session, cell)
        return True

    async def _connect_patiently(self, cell: Cell, where: Address, config: dict[str, Any], saved: str) -> None:
        """Connect to the machine of before; if it was unreachable at the kernel's restart, wait for a while.

        Args:
            cell: The cell.
            where: The machine.
            config: How a session begins there.
            saved: What cells call it, "" for its address.
        """
        lost, deadline = False, time.monotonic() + PATIENCE_HEARTBEATS * self._notebook.heartbeat
        address = str(where)
        for delay in delays():
            await self._blocking.pause(delay, address)
            try:
                connected = await self._connect(where, config, saved=saved)
            except DialCancelledError:
                raise
            except (DialError, LinkError):
                missed = any(pair[0] == address for pair in self._state.known.missed)
                if not missed or time.monotonic() > deadline:
                    raise
                if not lost:
                    self._output.line(cell.msg_id, f"link to {address} lost, reconnecting…")
                lost = True
            else:
                log.info("connected to %s", connected.session.describe())
                for warning in connected.warnings:
                    self._output.say(warning, cell.msg_id, "stderr")
                if lost:
                    self._output.line(cell.msg_id, f"link to {address} was lost, and is back")
                return
