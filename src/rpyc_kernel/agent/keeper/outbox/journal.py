"""The worker's messages, numbered, until the kernel has acknowledged them. A plain object; only the spill does I/O.

Every message that is given out gets the next sequence number (from 1), keeps it for ever, and is kept until
`Journal.acknowledge` names it or a later one. Text for the same stream of the same cell joins the message before it, as
long as that wasn't given out, so that a million prints are a few hundred messages.

While somebody listens, a worker that fills the journal has to wait. While nobody does, messages for which memory has no
room go to the `Spill`, then the oldest text of streams is dropped, and of one display_id only the newest update is
kept. Results, errors, replies and questions are never dropped: where only such are left, the worker waits.

Pictures of ``show`` differ: a newer picture always takes the place of the older one of its display, as long as that
wasn't given out; and while a picture is under way for long, no other is given out, but together with a message that
somebody waits for. So a slow link carries the newest picture, and no picture is seen later than the link needs for one.

The messages stand in three queues: those that were given out, the `Spill`, and the `Tail`.
"""

from __future__ import annotations

from collections import deque

from ... import wire
from .entries import CHUNK_BYTES, OVERHEAD_BYTES, UPDATE, JournalEntry, Tail, display_id, likely_display_id
from .retention import KEPT_BYTES, KEPT_SHARE, Retention
from .room import give_back_memory, memory_bytes
from .spill import CAP_BYTES, Spill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, Iterator, List, Optional, Tuple, Union

    from ...wire import Bytes

LIMIT_BYTES = 8 << 20  #: above that the worker is held back while somebody listens
PARTS_LIMIT_BYTES = 512 << 10  #: the same of cut messages: a message between their parts waits behind so much
MEMORY_BYTES = 32 << 20  #: in memory while nobody listens, or
MEMORY_SHARE = 8  #: the machine's memory divided by this, if that is less
WINDOW_BYTES = 8 << 20  #: given out and not acknowledged; above that no more is given out
CROWD_BYTES = 4 << 20  #: a journal that was larger gives memory back once it is empty
PASSED_BYTES = 64 << 10  #: so much may wait until the retention gets it
MAX_TRACKED_UPDATES = 4096  #: of so many display_ids the newest update is known


class Journal:
    """The messages that were not acknowledged yet, oldest first.

    Args:
        limit: Bytes above which `full` is true while somebody listens.
        memory: Bytes that it has in memory while nobody listens.
        spill: Takes the messages for which memory has no room.
        retention: Gets the messages that were acknowledged, once they are many or somebody asks for them.
    """

    def __init__(
        self,
        limit: int = LIMIT_BYTES,
        memory: int = MEMORY_BYTES,
        spill: Optional[Spill] = None,
        retention: Optional[Retention] = None,
    ) -> None:
        self.limit = limit
        self.memory = memory
        self.spill = spill or Spill(None)
        self._retention = retention or Retention()
        # for the retention: msg_id and number of cells that have begun, and messages that were acknowledged
        self._passed: List[Union[Tuple[str, int], JournalEntry]] = []
        self._passed_bytes = 0
        self.acknowledged = 0  # the sequence number of the last one that was
        self.moved = 0  # how often one was dropped that wasn't given out: those behind it get other numbers
        self._listening = True
        self._crowded = False  # whether there is memory to give back once it is empty
        self._given: Deque[JournalEntry] = deque()  # were given out
        self._given_bytes = 0
        self._sent = 0  # how many of these on this link; of the others, which are given out again:
        self._again_urgent = self._again_bytes = 0
        self._pictures = 0  # among those that were sent
        self.picture_sent = False  # whether one was in the last answer
        self.ahead = 0  # bytes that may be under way when another picture is given out
        self._tail = Tail()
        self._updates: Dict[str, JournalEntry] = {}  # by display_id: the newest one, if it wasn't given out

    # how much there is

    @property
    def unread(self) -> int:
        """How many messages were not acknowledged."""
        return len(self._given) + self.spill.count + len(self._tail)

    @property
    def unread_bytes(self) -> int:
        """Bytes of data of the messages that were not acknowledged."""
        return self._given_bytes + self.spill.bytes + self._tail.bytes

    @property
    def size(self) -> int:
        """The same with the overhead of each message."""
        return self.unread_bytes + OVERHEAD_BYTES * self.unread

    @property
    def last(self) -> int:
        """The number of the newest message, which it gets when it is given out, if nothing is dropped until then."""
        return self.acknowledged + self.unread

    @property
    def unsent(self) -> int:
        """How many messages were not given out on this link."""
        return self.unread - self._sent

    @property
    def unsent_bytes(self) -> int:
        """Bytes of data of the messages that were not given out on this link."""
        return self._again_bytes + self.spill.bytes + self._tail.bytes

    @property
    def urgent(self) -> int:
        """How many of the messages that were not given out on this link are urgent."""
        return self._again_urgent + self.spill.urgent + self._tail.urgent

    @property
    def sent_bytes(self) -> int:
        """Bytes of data under way: given out on this link, and not acknowledged."""
        return self._given_bytes - self._again_bytes

    @property
    def held(self) -> bool:
        """Whether the next message is a picture that has to wait until the one before has arrived."""
        return bool(self._pictures and self.sent_bytes > self.ahead and not self.urgent and self.picture_next)

    @property
    def picture_next(self) -> bool:
        """Whether the next message is a picture."""
        return bool(
            self._sent == len(self._given) and not self.spill.count and self._tail and self._tail.oldest.picture
        )

    @property
    def in_memory(self) -> int:
        """Bytes of memory, about."""
        return self._given_bytes + OVERHEAD_BYTES * len(self._given) + self.spill.in_memory + self._tail.in_memory

    @property
    def full(self) -> bool:
        """Whether the worker should be held back."""
        if self._listening:
            return self.size >= self.limit or self._tail.parts >= PARTS_LIMIT_BYTES
        return self.in_memory >= self.memory

    @property
    def listening(self) -> bool:
        """Whether a link is open by which messages can go out."""
        return self._listening

    @listening.setter
    def listening(self, listening: bool) -> None:
        if self._listening and not listening:
            for entry in list(self._tail):
                self._replace_update(entry)
        self._listening = listening
        self._make_room()

    # in

    def add_text(self, name: str, parent: str, data: Bytes) -> None:
        """Append UTF-8 text of a stream, ``name`` being ``stdout`` or ``stderr``."""
        if not self._tail.join(name, parent, data):
            for piece in wire.text_pieces(data, CHUNK_BYTES):
                self._tail.append(JournalEntry(name, parent, piece))
        self._make_room()

    def add_packet(self, packet: bytes, urgent: bool) -> None:
        """Append a finished message; an urgent one is given out without waiting for more."""
        entry = JournalEntry("", "", packet, urgent)
        if not self._listening:
            self._replace_update(entry)
        self._tail.append(entry)
        self._make_room()

    def add_picture(self, packet: bytes) -> None:
        """Append a picture of ``show``, in the place of the one before of its display if that wasn't given out."""
        display = likely_display_id(packet) if wire.about(packet)[0] == UPDATE else ""
        before = self._updates.get(display)
        if before is not None and before.picture and not before.place:
            self._tail.exchange(before, packet)  # at the end, it would wait for ever behind what others print
        else:
            entry = JournalEntry("", "", packet)
            entry.picture = True
            self._replace_update(entry)
            self._tail.append(entry)
        self._make_room()

    def _replace_update(self, entry: JournalEntry) -> None:
        """Drop an older update of the same display_id, as long as that wasn't given out: the newest is enough."""
        if entry.name or entry.urgent or entry.display or wire.about(entry.data)[0] != UPDATE:
            return
        entry.display = display_id(entry.data)
        if not entry.display:
            return
        before = self._updates.pop(entry.display, None)
        self._updates[entry.display] = entry
        if len(self._updates) > MAX_TRACKED_UPDATES:
            oldest = self._updates.pop(next(iter(self._updates)))
            oldest.display = ""
            if oldest.place:
                oldest.place[0].leave(oldest)
        self.moved += before is not None
        if before is not None and before.place:
            self.spill.forget(before)
        elif before is not None:
            self._tail.kill(before)

    # making room

    def _make_room(self) -> None:
        """If memory is used up and nobody listens, move the oldest to the disk, or else drop the oldest text.

        Some memory is freed ahead by moving to the disk, but nothing dropped for that.
        """
        if self._listening or self.in_memory < self.memory:
            return
        goal = self.memory - self.memory // 4
        to_thin = 2 * (self.in_memory - goal)  # not all: maybe others take what we free
        while self.in_memory > goal and self._tail and self._tail.oldest.cost <= self.spill.cap:
            if not self._spill_oldest(self.in_memory - goal):
                freed = self.spill.thin() if to_thin > 0 and self.in_memory >= self.memory else 0
                to_thin -= freed
                self.moved += 1
                if not freed:
                    break
        if self.in_memory >= self.memory:
            others = self.in_memory - self._tail.in_memory
            self.moved += 1
            self._tail.thin(self.in_memory - goal, self.memory - others)

    def _spill_oldest(self, size: int) -> int:
        """Move the oldest messages, about ``size`` bytes, to the disk; returns how many that were."""
        batch: List[JournalEntry] = []
        while size > 0 and self._tail:
            batch.append(self._tail.take())
            size -= batch[-1].cost
        done = self.spill.append(batch)
        self._tail.put_back(batch[done:])
        return done

    # out

    def take(self, max_bytes: int) -> Tuple[int, List[Bytes]]:
        """The next messages that were not given out, up to about ``max_bytes``, and the number of the first."""
        first = self.acknowledged + self._sent + 1
        packets: List[Bytes] = []
        hold = self._pictures > 0 and self.sent_bytes > self.ahead and not self.urgent  # else several may go at once
        total = 0
        self.picture_sent = False
        while not packets or total < max_bytes:
            if self._sent == len(self._given) and ((hold and self.held) or not self._give_out(max_bytes - total)):
                break
            entry = self._given[self._sent]
            packet = entry.packet()
            packets.append(packet)
            total += len(packet)
            self._sent += 1
            self._again_urgent -= entry.urgent
            self._again_bytes -= len(entry.data)
            self._pictures += entry.picture
            self.picture_sent = self.picture_sent or entry.picture
        return first, packets

    def _give_out(self, wanted: int) -> bool:
        """Number the next messages, about ``wanted`` bytes; False if there are none, or enough are under way."""
        if self._given_bytes >= WINDOW_BYTES:
            return False
        entries = self.spill.take(wanted) if self.spill.count else [self._tail.take()] if self._tail else []
        for entry in entries:
            if entry.display and self._updates.get(entry.display) is entry:
                del self._updates[entry.display]
            self._given.append(entry)
            entry.number = self.acknowledged + len(self._given)
            self._given_bytes += len(entry.data)
            self._again_urgent += entry.urgent
            self._again_bytes += len(entry.data)
        return bool(entries)

    def acknowledge(self, number: int) -> None:
        """Forget everything up to ``number``, which the kernel has."""
        self._crowded = self._crowded or self.unread_bytes > CROWD_BYTES
        while self._sent and self.acknowledged < number:
            entry = self._given.popleft()
            self._given_bytes -= len(entry.data)
            self._sent -= 1
            self._pictures -= entry.picture
            self.acknowledged += 1
            self._passed.append(entry)
            self._passed_bytes += entry.cost
        if self._passed_bytes > PASSED_BYTES:
            self._pass_on()
        if self._crowded and not self.unread:
            self._crowded = False
            give_back_memory()

    def begin_cell(self, parent: str, count: int) -> None:
        """A cell with that msg_id and execution_count begins to run: its outputs are kept."""
        self._passed.append((parent, count))
        self._passed_bytes += OVERHEAD_BYTES

    @property
    def retention(self) -> Retention:
        """The outputs of the last cells that were acknowledged."""
        self._pass_on()
        return self._retention

    def _pass_on(self) -> None:
        passed, self._passed, self._passed_bytes = self._passed, [], 0
        for each in passed:
            if isinstance(each, JournalEntry):
                self._retention.add(each)
            else:
                self._retention.begin(*each)

    def rewind(self) -> None:
        """Give out again everything that was not acknowledged: a new link has come."""
        self._sent = self._pictures = 0
        self.picture_sent = False
        self._again_urgent = sum(entry.urgent for entry in self._given)
        self._again_bytes = self._given_bytes

    def look(self, start: int) -> Iterator[Tuple[int, JournalEntry]]:
        """The messages that were not acknowledged, from a number on, each with its own; they aren't given out."""
        number = self.acknowledged
        for entry in self._given:
            number += 1
            if number >= start:
                yield number, entry
        skip = max(0, start - number - 1)
        for index, entry in enumerate(self.spill.scan(skip), skip + 1):
            yield number + index, entry
        number += self.spill.count
        for index, entry in enumerate(self._tail, 1):
            if number + index >= start:
                yield number + index, entry

    def close(self) -> None:
        """Forget everything, and close all files: in a forked process, which has inherited them."""
        self.spill.close()
        self._passed.clear()
        self._retention.close()
        self._given.clear()
        self._tail.clear()
        self._updates.clear()


def open_journal(config: Dict[str, Any]) -> Journal:
    """Make the journal of a session.

    Args:
        config: ``scratch``, the session's own folder, and for tests ``journal_limit``, ``journal_memory``,
            ``journal_spill`` and ``journal_margin`` (bytes; see `Journal` and `Spill`), ``retention`` (bytes).
    """
    machine = memory_bytes()
    memory = config.get("journal_memory", min(MEMORY_BYTES, machine // MEMORY_SHARE))
    limit = config.get("journal_limit", min(LIMIT_BYTES, machine // MEMORY_SHARE))
    spill = Spill(config.get("scratch"), config.get("journal_spill", CAP_BYTES), config.get("journal_margin"))
    journal = Journal(limit, memory, spill, Retention(config.get("retention", min(KEPT_BYTES, machine // KEPT_SHARE))))
    journal.listening = False
    return journal
