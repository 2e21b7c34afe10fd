"""The machines of a notebook: which it is connected to, and the commands that change it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import AgentError, DialCancelledError, RpycKernelError, SessionGoneError
from rpyc_kernel.kernel.embedded import EmbeddedServer, belongs_to_me
from rpyc_kernel.link.pump import Link, LinkStatus
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

READY_TIMEOUT = 60.0  # seconds for a worker to import its shell; boards are slow
DEFAULT_PORT = 18812


class Machine:
    """One machine with its link, and what its worker says of itself."""

    def __init__(self, name: str, link: Link) -> None:
        self.name = name
        self.link = link
        self.info: dict[str, Any] = {}
        self.default = False  # whether cells run here only because no machine was named
        self.ready = threading.Event()
        self.last_words = ""  # what a Python that died at birth had to say
        self.news: list[str] = []  # what happened while no cell ran, to be told with the next

    def describe(self) -> str:
        """One line: machine, Python, shell, folder."""
        info = self.info
        shell = "" if info.get("shell", "plain") == "plain" else f", {info['shell']}"
        host = str(self.link.hello.get("host", ""))
        where = f"{host} ({self.name})" if host and host != self.name else self.name
        return f"{where}: Python {info.get('python', '?')}{shell}, {info.get('cwd', '?')}"


class Machines:
    """All machines that the notebook has named, by the address as text; one of them is where cells run.

    Its methods block and are called from a worker thread; `cancel` ends what they wait for.
    """

    def __init__(
        self,
        on_message: Callable[[Machine, Message], None],
        on_status: Callable[[Machine, LinkStatus, RpycKernelError | None], None],
    ) -> None:
        self.current: Machine | None = None
        self._on_message = on_message
        self._on_status = on_status
        self._machines: dict[str, Machine] = {}
        self._left: dict[str, str] = {}  # sessions that were left to their `keep`, by address
        self._embedded: EmbeddedServer | None = None
        self._warned = False

    def connect(self, text: str, config: dict[str, Any], cancel: threading.Event, *, new: bool = False) -> str:
        """Make the machine at that address the one where cells run. Returns the line that says so.

        Raises a RpycKernelError, and then the notebook is where it was.
        """
        address = Address.parse(text)
        name = str(address)
        if address.scheme == "local":
            address = self._local(cancel)
        known = self._machines.get(name)
        if known and not new:
            if known.link.status is not LinkStatus.CLOSED:
                known.link.revive(cancel)
                known.default = False
                self.current = known
                return f"Still connected to {known.describe()} (the session is kept; --new starts a fresh one)"
            self._machines.pop(name)
        machine = self._open(name, address, config, cancel, None if new else self._left.get(name))
        if known:
            known.link.close(end=True)
        self._left.pop(name, None)
        self._machines[name] = machine
        self.current = machine
        return f"Connected to {machine.describe()}" + self._warning(address)

    def _warning(self, address: Address) -> str:
        """What somebody who opens a stock server to a network should know, told once."""
        if self._warned or address.scheme != "rpyc" or address.is_loopback:
            return ""
        self._warned = True
        return f"\nMind that whoever reaches {address} can run code there: RPyC's classic server asks for no password."

    def default(self, config: dict[str, Any], cancel: threading.Event) -> None:
        """Without a named machine: this one, by the server that this user has started, or by one of our own."""
        if belongs_to_me(DEFAULT_PORT):
            address = Address.parse(f"localhost:{DEFAULT_PORT}")
            try:
                machine = self._open(str(address), address, config, cancel, None)
            except DialCancelledError:
                raise
            except RpycKernelError:
                pass  # whatever listens there, it is no server for us
            else:
                machine.default = True
                self._machines[str(address)] = self.current = machine
                return
        address = self._local(cancel)
        machine = self._open("local:", address, config, cancel, None)
        machine.default = True
        self._machines["local:"] = self.current = machine

    def _local(self, cancel: threading.Event) -> Address:
        """The address of the embedded server, started if it isn't yet."""
        if self._embedded is None:
            embedded = EmbeddedServer()
            embedded.wait(cancel)
            self._embedded = embedded
        return Address.parse(f"unix://{self._embedded.path}")

    def leave_default(self) -> None:
        """Cells don't run here any more, unless this machine is named."""
        if self.current is not None and self.current.default:
            self.current = None

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
        self, name: str, address: Address, config: dict[str, Any], cancel: threading.Event, left: str | None
    ) -> Machine:
        machine: Machine

        def on_message(message: Message) -> None:
            if message.type == "stream" and not machine.ready.is_set():
                machine.last_words = str(message.content.get("text", ""))[-500:].strip()
            if message.type == "session_info":
                machine.info = message.content
                machine.ready.set()
            else:
                self._on_message(machine, message)

        def on_status(status: LinkStatus, error: RpycKernelError | None) -> None:
            self._on_status(machine, status, error)

        machine = Machine(name, Link(address, on_message, on_status, session=left))
        machine.link.open(config, cancel, attach=left is not None)
        if left:
            machine.link.submit(Message("session_info_request", {}))
        try:
            self._wait_ready(machine, cancel)
        except BaseException:
            machine.link.close(end=True)
            raise
        return machine

    @staticmethod
    def _wait_ready(machine: Machine, cancel: threading.Event) -> None:
        waited = 0.0
        while not machine.ready.wait(0.05):
            waited += 0.05
            if cancel.is_set():
                raise DialCancelledError(machine.link.address)
            if machine.news:
                raise AgentError(" ".join(filter(None, [machine.news[0], machine.last_words])))
            if machine.link.status is LinkStatus.CLOSED and machine.link.error:
                raise machine.link.error
            if waited > READY_TIMEOUT:
                raise AgentError(f"The Python on {machine.name} did not get ready within {READY_TIMEOUT:g} s.")

    def disconnect(self, *, end: bool) -> str:
        """Leave the current machine. Its session goes on for as long as its `keep` says, or is ended too."""
        machine = self.current
        if machine is None:
            return "Not connected to any machine."
        self.current = None
        self._machines.pop(machine.name, None)
        machine.link.close(end=end)
        if end:
            return f"Disconnected from {machine.name}; its session has ended."
        self._left[machine.name] = machine.link.session
        return f'Disconnected from {machine.name}; its session goes on. $connect("{machine.name}") comes back to it.'

    def hosts(self) -> str:
        """A line for each machine of this notebook."""
        lines = []
        for machine in self._machines.values():
            mark = "*" if machine is self.current else " "
            lines.append(f"{mark} {machine.describe()}, {machine.link.status.value}")
        lines += [f"  {name}: left, its session goes on" for name in self._left]
        return "\n".join(lines) if lines else 'No machine yet. $connect("host:port") names one.'

    def close(self) -> None:
        """The kernel ends: end every session that it has, and the embedded server."""
        threads = [
            threading.Thread(target=machine.link.close, kwargs={"end": True}, daemon=True)
            for machine in self._machines.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5.0)
        self._machines.clear()
        if self._embedded is not None:
            self._embedded.close()
            self._embedded = None
