"""The sessions of a notebook: in which of them cells run, and what changes that."""

from __future__ import annotations

import threading
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

from rpyc_kernel.errors import DialCancelledError, RpycKernelError, SessionGoneError
from rpyc_kernel.hosts import open_port
from rpyc_kernel.kernel.outcomes import Connected, Disconnected, Found, Hosts, Left
from rpyc_kernel.kernel.sessions.local_server import EmbeddedServer, belongs_to_me
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.kernel.ports import RegistryWatcher, SessionHost
    from rpyc_kernel.link.head_start import HeadStart

EMBEDDED_SCHEME = "local"  # of the address of this machine's own Python
CLOSE_TIMEOUT_S = 5.0


class LeftSession(NamedTuple):
    """A session that was left to its `keep`: its address and its id."""

    address: str
    session: str


class SessionRegistry:
    """All sessions of the notebook, by the names that its cells know them by.

    Its methods block and are called from a worker thread; *cancel* ends what they wait for.
    """

    def __init__(
        self,
        host: SessionHost,
        on_missed: Callable[[str, str], None],
        head_start: HeadStart | None = None,
        watcher: RegistryWatcher | None = None,
        **session_options: Any,
    ) -> None:
        """Make a registry without sessions.

        Args:
            host: The notebook.
            on_missed: Called with address and id of a session that should have ended and could not be reached.
            head_start: The session that was begun before the kernel.
            watcher: Is told where cells run, and what is connected to.
            session_options: More arguments for each `RemoteSession`.
        """
        self.current: RemoteSession | None = None
        self.several = False
        self._watcher = watcher
        self._host = host
        self._on_missed = on_missed
        self._head_start = head_start
        self._session_options = session_options if head_start is None else {"dial": head_start.dial, **session_options}
        self._sessions: dict[str, RemoteSession] = {}
        self._left: dict[str, LeftSession] = {}  # by the names that they had
        self._default: RemoteSession | None = None  # where cells run only because no machine was named
        self._embedded: EmbeddedServer | None = None

    # --- where cells run

    def _go(self, session: RemoteSession | None) -> None:
        """Have cells run in that session from now on, or in none."""
        self.current = session
        self.tell()

    def tell(self) -> None:
        """Have the watcher look again where cells run, or will."""
        if self._watcher is not None:
            self._watcher.moved()

    def _dialling(self, name: str) -> None:
        if self._watcher is not None:
            self._watcher.dialling(name)

    def connect(
        self,
        address: Address,
        config: dict[str, Any],
        cancel: threading.Event,
        *,
        new: bool = False,
        label: str = "",
        saved: str = "",
    ) -> Connected:
        """Have cells run on the machine at that address. Raises a RpycKernelError, and then they run where they did.

        Args:
            address: The machine.
            config: How a session begins there.
            cancel: Ends the waiting.
            new: Begin a fresh session, which takes the place of the one that the notebook has.
            label: What cells call the session; a session of another machine that has this name loses it. Without it,
                the notebook's session at that address is meant.
            saved: What cells call the session that has to begin without a label; the address, if that is "" too.
        """
        name = str(address)
        known = self._at(name, label)
        if known and not new and not known.closed:
            return self._come_back(known, config, cancel)
        if not known and not new and not label and (moved := self._moved_here(name, address, cancel)):
            self._go(moved)
            return Connected(moved, Found.MOVED)
        label = known.label if known else label or self._free(saved or address.name)
        session = self._open(name, address, config, cancel, "" if new else self._left_at(name, label))
        renamed = self._add(session, label)  # not before: until now, anything may have failed
        self._go(session)
        if known:
            self._end(known)
        told = f"{label} was {renamed.name} until now, which is {renamed.label} from here on." if renamed else ""
        return Connected(session, Found.NEW, tuple(filter(None, [told, open_port.warning(address)])))

    def reopen(
        self, address: Address, config: dict[str, Any], session_id: str, label: str, cancel: threading.Event
    ) -> RemoteSession:
        """Connect to a machine again that a kernel before this one had under that label. Cells run where they did.

        Args:
            address: The machine.
            config: How its session began.
            session_id: The session, which goes on where it is still there; without it, another one begins.
            label: What cells call it.
            cancel: Ends the waiting.

        Raises:
            RpycKernelError: It can't be reached.
        """
        session = self._open(str(address), address, config, cancel, session_id)
        self._add(session, label)
        return session

    def rest_pictures(self, display: str, *, rests: bool) -> None:
        """Have ``show`` make no pictures of a display, whichever session has it, or make them again."""
        for session in list(self._sessions.values()):
            session.rest_pictures(display, rests=rests)

    def named(self, label: str) -> RemoteSession | None:
        """Return the session that cells call *label*, or the one at that address; None where there is none."""
        return self._sessions.get(label) or self._at(label, "")

    def use(self, session: RemoteSession) -> None:
        """Have cells run in one of the notebook's sessions."""
        if session is self._default:
            self._default = None
        self._go(session)

    def _at(self, name: str, label: str) -> RemoteSession | None:
        """Return the session at the address *name*: with a label the one of that label, else the current one first."""
        if label:
            found = self._sessions.get(label)
            return found if found and found.server == name else None
        there = [each for each in self.all if each.server == name]
        return self.current if self.current in there else next(iter(there), None)

    def _left_at(self, name: str, label: str) -> str:
        left = self._left.get(label)
        return left.session if left and left.address == name else ""

    def _add(self, session: RemoteSession, label: str) -> RemoteSession | None:
        """Call a session by a label; return the one of another machine that had this label, and gets another."""
        before, renamed = self._sessions.pop(label, None), None
        if before is not None and before.server != session.server:
            before.label = self._free(before.name)
            self._sessions[before.label] = renamed = before
        self._left.pop(label, None)
        session.label = label
        self._sessions[label] = session
        self.several = len(self._sessions) > 1
        return renamed

    def _free(self, label: str) -> str:
        """Return a label that no session has: that one, or with a number behind it."""
        return next(each for each in chain([label], (f"{label}-{n}" for n in count(2))) if each not in self._sessions)

    def _come_back(self, known: RemoteSession, config: dict[str, Any], cancel: threading.Event) -> Connected:
        known.wait_up(cancel)
        if config.get("kept"):
            known.keep(config["keep"])
        if known is self._default:
            self._default = None
        self._go(known)
        return Connected(known, Found.KEPT)

    def _moved_here(self, name: str, address: Address, cancel: threading.Event) -> RemoteSession | None:
        """Return the session that another server of this notebook's doesn't reach any more, if it is found here."""
        lost = [each for each in self.all if each.status is LinkStatus.LOST]
        if not lost or address.scheme == EMBEDDED_SCHEME:
            return None
        here = {entry.session for entry in listing.sessions(address, cancel=cancel)}
        for session in lost:
            if session.id in here:
                before = session.name
                session.move(name, address, cancel)
                if session.label == before:
                    self._sessions.pop(before, None)
                    self._add(session, self._free(session.name))
                return session
        return None

    def attach(
        self, address: Address, entry: listing.SessionEntry, by: str, saved: str, cancel: threading.Event
    ) -> RemoteSession:
        """Take over a session that runs at that address, and have cells run there.

        Args:
            address: The machine.
            entry: The session.
            by: The cell that shows what belongs to cells of other notebooks.
            saved: What cells call it, where the notebook has no session there; the address, if that is "".
            cancel: Ends the waiting.

        Raises:
            RpycKernelError: It can't be taken over; cells run where they did.
        """
        name = str(address)
        session = self._start(name, address, {"name": entry.name}, cancel, entry.session, by)
        before = self._at(name, "")
        self._left = {label: left for label, left in self._left.items() if left.session != entry.session}
        self._add(session, before.label if before else self._free(saved or session.name))
        self._go(session)
        if before is not None and not before.used and before.id != entry.session:
            self._end(before)
        elif before is not None:
            before.close(end=False)
        return session

    def find_again(
        self,
        address: Address,
        config: dict[str, Any],
        session_id: str,
        by: str,
        cancel: threading.Event,
        *,
        named: bool,
        label: str = "",
    ) -> RemoteSession:
        """Take up the session that the kernel had before it crashed. Raises SessionGoneError or another error.

        Args:
            address: The machine.
            config: How it began.
            session_id: Its id.
            by: The cell that shows what belongs to cells of before.
            cancel: Ends the waiting.
            named: Whether the user had named the machine.
            label: What cells call the session, "" for its address.
        """
        session = self._start(str(address), address, config, cancel, session_id, by)
        self._add(session, label or session.name)
        self._go(session)
        self._default = None if named else session
        return session

    def default(self, config: dict[str, Any], cancel: threading.Event) -> None:
        """Have cells run on this machine: by the server that this user has started, or by one of our own."""
        address = Address.parse("localhost")
        if address.port and belongs_to_me(address.port):
            try:
                self._become_default(self._open(str(address), address, config, cancel, ""))
            except DialCancelledError:
                raise
            except RpycKernelError:
                pass  # whatever listens there, it is no server for us
            else:
                return
        embedded = Address(EMBEDDED_SCHEME)
        self._become_default(self._open(str(embedded), embedded, config, cancel, ""))

    def _become_default(self, session: RemoteSession) -> None:
        self._add(session, self._free(session.name))
        self._default = session
        self._go(session)

    def leave_default(self) -> None:
        """Have cells no longer run where they do only because no machine was named."""
        if self.current is self._default:
            self._go(None)

    def disconnect(self, session: RemoteSession | None = None, *, end: bool) -> Disconnected:
        """Leave a session, by default the current one. It goes on for as long as its `keep` says, or is ended too."""
        session = session or self.current
        if session is None:
            return Disconnected(Left.NOT_CONNECTED)
        if session is self.current:
            self._go(None)
        self._sessions.pop(session.label, None)
        self.several = len(self._sessions) > 1
        if session.closed:
            return Disconnected(Left.LOST, session.label)
        if end:
            return Disconnected(Left.ENDED if self._end(session) else Left.ENDS_LATER, session.label)
        session.close(end=False)
        self._left[session.label] = LeftSession(session.server, session.id)
        return Disconnected(Left.STAYS, session.label, tuple(session.warnings), session.name)

    # --- how a session begins

    def _open(
        self, name: str, address: Address, config: dict[str, Any], cancel: threading.Event, left: str
    ) -> RemoteSession:
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
        session_id: str | None,
        adopted_by: str = "",
    ) -> RemoteSession:
        self._dialling(name)
        try:
            return self._begin(name, address, config, cancel, session_id, adopted_by)
        finally:
            self._dialling("")

    def _begin(
        self,
        name: str,
        address: Address,
        config: dict[str, Any],
        cancel: threading.Event,
        session_id: str | None,
        adopted_by: str,
    ) -> RemoteSession:
        options = dict(self._session_options, title=config.get("name", ""))
        address = self._dialled(address, cancel)
        head_start, self._head_start = self._head_start, None
        early = head_start.take_session(address, config) if head_start and session_id is None else None
        session = RemoteSession(name, address, self._host, session_id or early, **options)
        session.adopt(by=adopted_by)
        try:
            session.open(config, cancel, attach=session_id is not None)
        except BaseException:
            if session.orphaned or early:
                self._on_missed(str(address), session.id)
            raise
        return session

    def _end(self, session: RemoteSession) -> bool:
        """End a session now or, where it can't be reached, once it can; return whether it was now."""
        alive = not session.closed
        ended = session.close(end=True)
        if alive and not ended:
            self._on_missed(str(session.address), session.id)
        return ended

    def _dialled(self, address: Address, cancel: threading.Event) -> Address:
        """Return what is dialled for *address*: for this machine's own Python the embedded server, which is started."""
        if address.scheme != EMBEDDED_SCHEME or address.python:
            return address
        if self._embedded is None:
            embedded = EmbeddedServer()
            embedded.wait(cancel)
            self._embedded = embedded
        return self._embedded.address

    # --- all of them

    def reached(self, address: Address, cancel: threading.Event) -> Address:
        """Return where to ask for the sessions at *address*: this machine's own server is started for that."""
        known = self._at(str(address), "")
        if known is not None and not known.closed:
            return known.address
        return self._dialled(address, cancel)

    @property
    def all(self) -> tuple[RemoteSession, ...]:
        """The notebook's sessions, in the order in which they came."""
        return tuple(self._sessions.values())

    @property
    def ids(self) -> set[str]:
        """The ids of the sessions that this notebook holds."""
        return {each.id for each in self.all if not each.closed}

    def hosts(self) -> Hosts:
        """Return the machines of this notebook."""
        return Hosts(self.all, self.current, tuple(self._left))

    def close(self, *, keep: bool) -> list[tuple[str, str]]:
        """End the sessions (with *keep* not those that the user keeps) and the embedded server: the kernel ends.

        Returns:
            Address and id of those that should have ended and couldn't be reached.
        """
        missed: list[tuple[str, str]] = []

        def close(session: RemoteSession) -> None:
            end = not (keep and session.kept)
            alive = not session.closed
            if not session.close(end=end) and end and alive:
                missed.append((session.server, session.id))

        threads = [threading.Thread(target=close, args=(each,), daemon=True) for each in [*self._sessions.values()]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CLOSE_TIMEOUT_S)
        self._sessions.clear()
        if self._head_start is not None:
            self._head_start.give_up()
        if self._embedded is not None:
            self._embedded.close()
            self._embedded = None
        return missed
