"""The machines of a notebook: which it is connected to, and what changes that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import DialCancelledError, RpycKernelError, SessionGoneError
from rpyc_kernel.kernel.sessions.local_server import EmbeddedServer, belongs_to_me
from rpyc_kernel.kernel.sessions.session import Machine
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.agent.wire import Message

DEFAULT_PORT = 18812
EMBEDDED = "local:"


class Machines:
    """All machines that the notebook has named, by the address as text; one of them is where cells run.

    Its methods block and are called from a worker thread; `cancel` ends what they wait for. *on_missed* is called with
    address and id of a session that should have ended and could not be reached. *link_options*: what every `Link` is
    given.
    """

    def __init__(
        self,
        on_message: Callable[[Machine, Message, bool], None],
        on_status: Callable[[Machine, LinkStatus, RpycKernelError | None], None],
        on_missed: Callable[[str, str], None],
        **link_options: Any,
    ) -> None:
        self.current: Machine | None = None
        self._on_message = on_message
        self._on_status = on_status
        self._on_missed = on_missed
        self._link_options = link_options
        self._machines: dict[str, Machine] = {}
        self._left: dict[str, str] = {}  # sessions that were left to their `keep`, by address
        self._embedded: EmbeddedServer | None = None
        self._warned = False

    # --- where cells run

    def connect(self, text: str, config: dict[str, Any], cancel: threading.Event, *, new: bool = False) -> str:
        """Make the machine at that address the one where cells run. Returns the line that says so.

        Raises a RpycKernelError, and then the notebook is where it was.
        """
        address = Address.parse(text)
        name = str(address)
        known = self._machines.get(name)
        if known and not new and known.link.status is not LinkStatus.CLOSED:
            return self._come_back(known, config, cancel)
        if not known and not new and (moved := self._moved_here(name, address, cancel)):
            self.current = moved
            return f"Connected again to {moved.describe()}: the session is the same, reached another way."
        machine = self._open(name, address, config, cancel, None if new else self._left.get(name))
        self._left.pop(name, None)
        self._machines[name] = self.current = machine  # not before: until now, anything may have failed
        if known:
            self._end(known)
        return f"Connected to {machine.describe()}" + self._warning(address)

    def _come_back(self, known: Machine, config: dict[str, Any], cancel: threading.Event) -> str:
        known.link.hurry()
        known.link.wait_up(cancel)
        if config.get("kept"):
            known.link.ask("keep", {"keep": config["keep"]})
            known.kept = True
        known.default = False
        self.current = known
        return f"Still connected to {known.describe()} (the session is kept; --new starts a fresh one)"

    def _moved_here(self, name: str, address: Address, cancel: threading.Event) -> Machine | None:
        """The machine that another server of this notebook's doesn't reach any more, if its session is found here."""
        lost = [each for each in self._machines.values() if each.link.status is LinkStatus.LOST]
        if not lost or address.scheme == "local":
            return None
        here = {entry.session for entry in listing.sessions(address, cancel=cancel)}
        for machine in lost:
            if machine.link.session in here:
                before = machine.link.address
                machine.link.move(address)
                try:
                    machine.link.wait_up(cancel)
                except RpycKernelError:
                    machine.link.move(before)
                    raise
                self._machines.pop(machine.name, None)
                machine.name = name
                self._machines[name] = machine
                return machine
        return None

    def attach(self, text: str, entry: listing.SessionEntry, foster: str, cancel: threading.Event) -> Machine:
        """Take over a session that runs at that address, and make it the one where cells run.

        What belongs to cells of other notebooks is shown by the cell *foster*. Raises a RpycKernelError, and then the
        notebook is where it was.
        """
        address = Address.parse(text)
        name = str(address)
        machine = self._start(name, address, {"name": entry.name}, cancel, entry.session, foster)
        before = self._machines.get(name)
        self._left = {where: session for where, session in self._left.items() if session != entry.session}
        self._machines[name] = self.current = machine
        if before is not None and not before.used and before.link.session != entry.session:
            self._end(before)
        elif before is not None:
            before.link.close(end=False)
        return machine

    def find_again(
        self, text: str, config: dict[str, Any], session: str, foster: str, cancel: threading.Event
    ) -> Machine:
        """After a crash of the kernel: the session that it had. Raises SessionGoneError or another RpycKernelError."""
        address = Address.parse(text)
        machine = self._start(str(address), address, config, cancel, session, foster)
        self._machines[machine.name] = self.current = machine
        return machine

    def default(self, config: dict[str, Any], cancel: threading.Event) -> None:
        """Without a named machine: this one, by the server that this user has started, or by one of our own."""
        if belongs_to_me(DEFAULT_PORT):
            address = Address.parse(f"localhost:{DEFAULT_PORT}")
            try:
                self._become_default(self._open(str(address), address, config, cancel, None))
            except DialCancelledError:
                raise
            except RpycKernelError:
                pass  # whatever listens there, it is no server for us
            else:
                return
        self._become_default(self._open(EMBEDDED, Address.parse(EMBEDDED), config, cancel, None))

    def _become_default(self, machine: Machine) -> None:
        machine.default = True
        self._machines[machine.name] = self.current = machine

    def leave_default(self) -> None:
        """Cells don't run here any more, unless this machine is named."""
        if self.current is not None and self.current.default:
            self.current = None

    def disconnect(self, *, end: bool) -> str:
        """Leave the current machine. Its session goes on for as long as its `keep` says, or is ended too."""
        machine = self.current
        if machine is None:
            return "Not connected to any machine."
        self.current = None
        self._machines.pop(machine.name, None)
        if machine.link.status is LinkStatus.CLOSED:
            return f"Disconnected from {machine.name}; its session was not this notebook's any more."
        if end and self._end(machine):
            return f"Disconnected from {machine.name}; its session has ended."
        if end:
            return (
                f"Disconnected from {machine.name}, which can't be reached now; its session ends as soon as it can, if "
                "this kernel still runs then."
            )
        machine.link.close(end=False)
        self._left[machine.name] = machine.link.session
        line = f'Disconnected from {machine.name}; its session goes on. $connect("{machine.name}") comes back to it.'
        return "\n".join([line, *self.dangers(machine)])

    @staticmethod
    def dangers(machine: Machine) -> list[str]:
        """What on that machine would end a session that nobody is connected to, as sentences."""
        found = machine.link.hello.get("warnings")
        sentences = found[:5] if isinstance(found, list) else []
        return [plain(str(sentence), 500) for sentence in sentences]

    # --- how a session begins

    def _open(
        self, name: str, address: Address, config: dict[str, Any], cancel: threading.Event, left: str | None
    ) -> Machine:
        if left:
            try:
                return self._start(name, address, config, cancel, left)
            except SessionGoneError:
                pass
        return self._start(name, address, config, cancel, None)

    def _start(
        self,
        name: str,
        address: Address,
        config: dict[str, Any],
        cancel: threading.Event,
        session: str | None,
        foster: str = "",
    ) -> Machine:
        if address.scheme == "local":
            address = self._local(cancel)
        options = dict(self._link_options, title=config.get("name", ""))
        machine = Machine(name, address, self._on_message, self._on_status, session, **options)
        machine.kept = bool(config.get("kept"))
        machine.foster = foster
        try:
            machine.open(config, cancel, attach=session is not None)
        except BaseException:
            if machine.orphaned:
                self._on_missed(str(address), machine.link.session)
            raise
        return machine

    def _end(self, machine: Machine) -> bool:
        """Leave a machine and end its session, now or, where it can't be reached, once it can; whether it was now."""
        alive = machine.link.status is not LinkStatus.CLOSED
        ended = machine.link.close(end=True)
        if alive and not ended:
            self._on_missed(str(machine.link.address), machine.link.session)
        return ended

    def _local(self, cancel: threading.Event) -> Address:
        """The address of the embedded server, started if it isn't yet."""
        if self._embedded is None:
            embedded = EmbeddedServer()
            embedded.wait(cancel)
            self._embedded = embedded
        return self._embedded.address

    def _warning(self, address: Address) -> str:
        """What somebody who opens a stock server to a network should know, told once."""
        if self._warned or address.scheme != "rpyc" or address.is_loopback:
            return ""
        self._warned = True
        return f"\nMind that whoever reaches {address} can run code there: RPyC's classic server asks for no password."

    # --- all of them

    def address_of(self, name: str, cancel: threading.Event) -> Address:
        """Where to ask for the sessions at an address that the user has named."""
        known = self._machines.get(name)
        if known is not None and known.link.status is not LinkStatus.CLOSED:
            return known.link.address
        address = Address.parse(name)
        return self._local(cancel) if address.scheme == "local" else address

    @property
    def sessions(self) -> set[str]:
        """The ids of the sessions that this notebook holds."""
        machines = self._machines.values()
        return {each.link.session for each in machines if each.link.status is not LinkStatus.CLOSED}

    def hosts(self) -> str:
        """A line for each machine of this notebook."""
        lines = []
        for machine in self._machines.values():
            mark = "*" if machine is self.current else " "
            lines.append(f"{mark} {machine.describe()}, {machine.link.status.value}")
        lines += [f"  {name}: left, its session goes on" for name in self._left]
        return "\n".join(lines) if lines else 'No machine yet. $connect("host:port") names one.'

    def close(self, *, keep: bool) -> list[tuple[str, str]]:
        """The kernel ends: end its sessions (with *keep* not those that the user keeps) and the embedded server.

        Returns address and id of those that should have ended and couldn't be reached.
        """
        missed: list[tuple[str, str]] = []

        def close(machine: Machine) -> None:
            end = not (keep and machine.kept)
            alive = machine.link.status is not LinkStatus.CLOSED
            if not machine.link.close(end=end) and end and alive:
                missed.append((machine.name, machine.link.session))

        threads = [threading.Thread(target=close, args=(each,), daemon=True) for each in [*self._machines.values()]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5.0)
        self._machines.clear()
        if self._embedded is not None:
            self._embedded.close()
            self._embedded = None
        return missed
