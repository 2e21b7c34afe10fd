"""Brings the same values to several sessions: over each machine's link once, where its sessions can share what came.

To sessions on this very machine nothing travels: they adopt what this process has written into shared memory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.agent.direct.memory import check_room
from rpyc_kernel.agent.place import place
from rpyc_kernel.agent.worker.shared_memory import CannotShareError, SharedDraft
from rpyc_kernel.errors import AgentError, DialCancelledError, LinkError
from rpyc_kernel.link.bulk import BulkSession, carry
from rpyc_kernel.values import exchange
from rpyc_kernel.values.transfer import bring

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.values.exchange import Part

LEAST_BYTES = 4 << 20  # below, sharing saves nothing
MAX_TEXT_BYTES = 64 << 10  # of a value that is made as soon as it is adopted, which then takes no time
POLL_INTERVAL_S = 0.05
BLOCK_BYTES = 1 << 20  # that are written before the next look at whether to stop


class PlacedSession(BulkSession, Protocol):
    """A session that tells on which machine it seems to be."""

    @property
    def address(self) -> Address:
        """Where it is dialled."""

    @property
    def place(self) -> tuple[str, ...]:
        """What its machine calls itself and its user; two machines may call themselves the same."""


class _Group:
    """The sessions that get the same values on what seems to be one machine. The first brings them."""

    def __init__(self) -> None:
        self.members: list[PlacedSession] = []
        self.brought = threading.Event()
        self.told: dict[str, Any] = {}  # how the others adopt it, {} where they can't
        self.written: SharedDraft | None = None  # by this process, as long as somebody may adopt it


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
        buffers = [buffer for part in parts for buffer in part.buffers]
        if session is group.members[0]:
            try:
                draft = self._adopt_from_here(session, group, cancel, progress) if session.place == place() else ""
                if not draft:
                    draft = bring(session, buffers, cancel, progress, shared=True)
                    group.told = _told(session, draft, cancel)
            finally:
                group.brought.set()
            return exchange.push_content(draft, parts)
        while not group.brought.wait(POLL_INTERVAL_S):
            if cancel.is_set():
                raise DialCancelledError(session.address)
        draft = self._adopt(session, parts, group.told, cancel) if group.told else ""
        if not draft:
            return exchange.put(session, parts, cancel, progress)
        progress(sum(buffer.nbytes for buffer in buffers))
        return exchange.push_content(draft, parts)

    def _adopt_from_here(
        self, session: PlacedSession, group: _Group, cancel: threading.Event, progress: Callable[[int], None]
    ) -> str:
        """Have a session adopt what this process shares; returns the name of its draft, or "" where it can't."""
        parts = self._packed[session]
        buffers = [buffer.cast("B") for part in parts for buffer in part.buffers]
        sizes, done = [len(buffer) for buffer in buffers], 0
        try:
            check_room(sum(sizes))
            written = SharedDraft(sizes)
            for index, buffer in enumerate(buffers):
                for start in range(0, len(buffer), BLOCK_BYTES):
                    if cancel.is_set():
                        raise DialCancelledError(session.address)
                    block = buffer[start : start + BLOCK_BYTES]
                    written.write(index, start, block)
                    done += len(block)
                    progress(done)
            told = written.share()
        except (OSError, MemoryError, CannotShareError):
            return ""
        draft = self._adopt(session, parts, told, cancel)
        if draft:  # else another machine calls itself the same, or a container does
            group.written, group.told = written, told
        return draft

    def _adopt(
        self, session: PlacedSession, parts: Sequence[Part], told: dict[str, Any], cancel: threading.Event
    ) -> str:
        """Have a session adopt what another one shares; returns the name of its draft, or "" where it can't."""
        request = {**told, "sizes": [buffer.nbytes for part in parts for buffer in part.buffers]}
        if all(part.how == "value" and part.buffers[0].nbytes <= MAX_TEXT_BYTES for part in parts):
            request["make"] = exchange.push_content("", parts)["values"]
        try:
            answer = carry(session, cancel, lambda connection: connection.call("values.adopt", request), lambda: 0)
        except AgentError:
            return ""
        if answer.get("made") is True:
            self.made.add(session)
        return name if type(name := answer.get("draft")) is str else ""


def _told(session: BulkSession, draft: str, cancel: threading.Event) -> dict[str, Any]:
    """Have a session share a draft, if it can."""
    try:
        with session.direct.connection(cancel) as connection:
            told = connection.call("values.share", {"draft": draft})
    except (AgentError, LinkError):
        return {}
    sound = type(told.get("pid")) is int and type(told.get("fd")) is int and type(told.get("mark")) is str
    return {key: told[key] for key in ("pid", "fd", "mark")} if sound else {}
