"""Brings the same values to several sessions: over each machine's link once, where its sessions can share what came.

To sessions on this very machine nothing travels: they adopt what this process writes into shared memory, and map it
while it is still written.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpyc_kernel.agent.place import place
from rpyc_kernel.agent.worker.shared_memory import CannotShareError
from rpyc_kernel.errors import AgentError, LinkError
from rpyc_kernel.link.bulk import BulkSession, carry
from rpyc_kernel.values import exchange
from rpyc_kernel.values.at_once import ask_kept
from rpyc_kernel.values.transfer import bring
from rpyc_kernel.values.writing import Writing, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from rpyc_kernel.link.direct import DirectConnection
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.values.exchange import Part

LEAST_BYTES = 4 << 20  # below, sharing saves nothing
MAX_TEXT_BYTES = 64 << 10  # of a value that is made as soon as it is adopted, which then takes no time


class PlacedSession(BulkSession, Protocol):
    """A session that tells on which machine it seems to be."""

    @property
    def address(self) -> Address:
        """Where it is dialled."""

    @property
    def place(self) -> tuple[str, ...]:
        """What its machine calls itself and its user; two machines may call themselves the same."""


S = TypeVar("S", bound=PlacedSession)


class _Group:
    """The sessions that get the same values on what seems to be one machine. The first brings them."""

    def __init__(self) -> None:
        self.members: list[PlacedSession] = []
        self.brought = threading.Event()
        self.told: dict[str, Any] = {}  # how the others adopt it, {} where they can't
        self.writing: Writing | None = None  # what they adopt, where this process writes it


class Sharing:
    """Brings values to sessions, each on a thread of its own.

    Args:
        packed: The values of each session; those that are the same are the same list.

    Attributes:
        made: The sessions that have made their values already, and only have to assign them.
    """

    def __init__(self, packed: Mapping[PlacedSession, Sequence[Part]]) -> None:
        self._packed = packed
        self.made: set[PlacedSession] = set()
        groups: dict[Hashable, _Group] = {}
        for session, parts in packed.items():
            if session.place and sum(part.nbytes for part in parts) >= LEAST_BYTES:
                groups.setdefault((session.place, id(parts)), _Group()).members.append(session)
        self._groups = {each: group for group in groups.values() if len(group.members) > 1 for each in group.members}

    def put(self, session: PlacedSession, cancel: threading.Event, progress: Callable[[int], None]) -> dict[str, Any]:
        """Bring its values to a session. Each is to be called for at the same time.

        Args:
            session: The session.
            cancel: Ends it.
            progress: Gets the bytes that have arrived so far.

        Returns:
            The content of the ``push_request`` that assigns them there.

        Raises:
            RpycKernelError: They can't be brought.
        """
        parts, group = self._packed[session], self._groups.get(session)
        if group is None:
            return exchange.put(session, parts, cancel, progress)
        buffers = _buffers(parts)
        if session is group.members[0]:
            try:
                draft = self._adopt_from_here(session, group, cancel, progress) if session.place == place() else ""
                if not draft:  # another machine calls itself the same, or a container does; or there is no room
                    group.writing = None
                    draft = bring(session, buffers, cancel, progress, shared=True)
                    group.told = _told(session, draft, cancel)
            finally:
                group.brought.set()
            return exchange.push_content(draft, parts)
        wait_for(group.brought, cancel, session.address)
        draft = self._adopt(session, group, cancel) if group.told else ""
        if not draft:
            return exchange.put(session, parts, cancel, progress)
        progress(sum(buffer.nbytes for buffer in buffers))
        return exchange.push_content(draft, parts)

    def _adopt_from_here(
        self, session: PlacedSession, group: _Group, cancel: threading.Event, progress: Callable[[int], None]
    ) -> str:
        """Have a session adopt what this process writes; returns the name of its draft, or "" where it can't.

        The others of the group are told of it as soon as this one has mapped it.
        """
        try:
            writing = group.writing = Writing(_buffers(self._packed[session]), progress)
        except CannotShareError:
            return ""

        def mapped() -> None:
            group.told = writing.told
            group.brought.set()

        with writing:
            return self._adopt(session, group, cancel, writing.told, mapped)

    def _adopt(
        self,
        session: PlacedSession,
        group: _Group,
        cancel: threading.Event,
        told: dict[str, Any] | None = None,
        mapped: Callable[[], None] = lambda: None,
    ) -> str:
        """Have a session adopt what is shared; returns the name of its draft, or "" where it can't.

        Args:
            session: The session.
            group: Its group.
            cancel: Ends it.
            told: What it is told; the group's without it.
            mapped: Called as soon as it has mapped it, which may be long before all is written.
        """
        parts, writing = self._packed[session], group.writing
        request = {**(told or group.told), "sizes": [buffer.nbytes for buffer in _buffers(parts)]}
        make: dict[str, Any] = {}
        if all(part.how == "value" and part.buffers[0].nbytes <= MAX_TEXT_BYTES for part in parts):
            make = {"make": exchange.push_content("", parts)["values"]}
        drafts: list[str] = []

        def adopt(connection: DirectConnection) -> bool:
            answer = connection.call("values.adopt", {**request, **make})
            drafts.append(str(answer.get("draft")))
            mapped()
            if answer.get("sealed") is not True:
                if writing is None or not writing.wait(cancel, session.address):
                    raise CannotShareError
                answer = connection.call("values.sealed", {"draft": drafts[-1], **make})
            return answer.get("made") is True

        draft = ""
        try:
            if carry(session, cancel, adopt, lambda: 0):
                self.made.add(session)
            draft = drafts[-1]
        except (AgentError, CannotShareError):
            pass
        finally:
            for each in drafts:
                if each != draft:
                    exchange.forget(session, each)
        return draft


def assign_made(drafts: Mapping[S, str], cancel: threading.Event) -> set[S]:
    """Have sessions assign what they have made already, all at once.

    Args:
        drafts: Of what each has made it.
        cancel: Ends the waiting.

    Returns:
        Those that have done so. The others are to be asked by a ``push_request``, which does no harm where they have:
        a cell may run there, or the connection be lost.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    answers = ask_kept("values.assign", {session: {"draft": draft} for session, draft in drafts.items()}, cancel)
    return {session for session, answer in answers.items() if answer.get("assigned") is True}


def _buffers(parts: Sequence[Part]) -> list[memoryview]:
    return [buffer for part in parts for buffer in part.buffers]


def _told(session: BulkSession, draft: str, cancel: threading.Event) -> dict[str, Any]:
    """Have a session share a draft, if it can."""
    try:
        with session.direct.connection(cancel) as connection:
            told = connection.call("values.share", {"draft": draft})
    except (AgentError, LinkError):
        return {}
    sound = type(told.get("pid")) is int and type(told.get("fd")) is int and type(told.get("mark")) is str
    return {key: told[key] for key in ("pid", "fd", "mark")} if sound else {}
