"""Carries files here: small ones many at once, large ones in blocks, links last.

What is written here lies below the folder that the user has named: `plan` has seen to the names, and no link that has
come from there is in the way, since they are made at the end.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.files import writing
from rpyc_kernel.agent.files.entries import decoded
from rpyc_kernel.agent.files.errors import FileError
from rpyc_kernel.agent.files.reading import HASH_BLOCK_BYTES, Source
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.behind import WriteBehind
from rpyc_kernel.files.blocks import alike_at_first, hashes_here, hashes_there, pieces
from rpyc_kernel.files.carrier import FileRequest
from rpyc_kernel.files.sending import BLOCK_BYTES, ENDS, FILE_WEIGHT_BYTES, FILES_AT_ONCE, MAX_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rpyc_kernel.files.carrier import Ask
    from rpyc_kernel.files.plan import Copy, Plan
    from rpyc_kernel.files.progress import Progress
    from rpyc_kernel.files.remote import RemoteFiles
    from rpyc_kernel.link.window import Window


class Fetching:
    """The files of a plan on their way to this machine.

    Args:
        remote: The files there.
        plan: What goes where.
        progress: Counts it.

    Attributes:
        failures: A sentence for each file that failed.
    """

    def __init__(self, remote: RemoteFiles, plan: Plan, progress: Progress) -> None:
        self._remote = remote
        self._plan = plan
        self._progress = progress
        self._small = dict.fromkeys(plan.small)  # those that are left, in their order
        self._large = dict.fromkeys(plan.large, 0)  # how far each is
        self._attempt = uuid.uuid4().hex
        self._begun: set[Copy] = set()  # of the large ones, those that may have a part here
        self._behind = WriteBehind(BLOCK_BYTES)
        self.failures: list[str] = []

    def run(self) -> None:
        """Carry all of it. What fails of the small files is in `failures`.

        Raises:
            TransferError: One can't be read or written; or stop was pressed.
            RpycKernelError: The link is lost for good.
        """
        try:
            for copy in self._plan.folders:
                writing.make_folder(decoded(copy.target))
            self._remote.carrier.run(self._requests)
            for copy in self._plan.links:
                writing.link(decoded(copy.target), "link", decoded(copy.entry.more))
            for copy in reversed(self._plan.folders):
                writing.set_about(decoded(copy.target), copy.entry.mode, copy.entry.time)
        except FileError as error:
            self._clean_up()
            raise TransferError(f"Here, {error}. What was there before is unchanged.") from None
        except ENDS:
            self._clean_up()
            raise
        finally:
            self._behind.close()

    def _clean_up(self) -> None:
        self._behind.close()
        for copy in self._begun:
            writing.drop(decoded(copy.target), copy.transfer)

    def _requests(self, ask: Ask, window: Window) -> Iterator[FileRequest]:
        self._behind.flush()  # what a connection that is lost has brought
        places = self._look_ahead(ask)
        return self._all(places, window)

    def _all(self, places: dict[Copy, list[tuple[int, int]]], window: Window) -> Iterator[FileRequest]:
        yield from self._batches(window)
        for copy in list(self._large):
            yield from self._blocks(copy, places[copy], window)

    # --- small ones

    def _batches(self, window: Window) -> Iterator[FileRequest]:
        batch: list[Copy] = []
        size = 0
        for copy in list(self._small):
            batch.append(copy)
            size += copy.entry.size + FILE_WEIGHT_BYTES
            if size >= window.block or len(batch) == FILES_AT_ONCE:
                yield self._fetch(batch, size)
                batch, size = [], 0
        if batch:
            yield self._fetch(batch, size)

    def _fetch(self, batch: list[Copy], size: int) -> FileRequest:
        def done(answer: dict[str, Any], contents: Sequence[memoryview]) -> None:
            told = answer.get("told")
            if not isinstance(told, list) or len(told) != len(batch) or len(contents) != 1:
                raise self._remote.unbelievable("other files than it was asked for")
            good = [copy for copy, why in zip(batch, told, strict=True) if why is None]
            if len(contents[0]) != sum(copy.entry.size for copy in good):
                raise self._remote.unbelievable("files of another length than it has said")
            place = 0
            for copy, why in zip(batch, told, strict=True):
                del self._small[copy]
                if why is not None:
                    self._fail(f"On {self._remote.name}: {str(why)[:1000]}.")
                    continue
                entry = copy.entry
                data, place = contents[0][place : place + entry.size], place + entry.size
                writing.store(decoded(copy.target), self._attempt, data, entry.mode, entry.time)
            self._progress.moved(place, len(good))

        files = [[copy.source, copy.entry.size, copy.entry.time] for copy in batch]
        return FileRequest("fetch", {"files": files}, done, size=size)

    def _fail(self, sentence: str) -> None:
        self.failures.append(sentence)
        if len(self.failures) >= MAX_FAILURES:
            raise TransferError("\n".join([*self.failures, "So many have failed that the rest was not tried."]))

    # --- large ones

    def _look_ahead(self, ask: Ask) -> dict[Copy, list[tuple[int, int]]]:
        """Return the parts of each large file that are to be fetched: without holes, and what has come before."""
        places = {}
        writing.sweep([writing.part_of(decoded(copy.target), copy.transfer) for copy in self._large])
        for copy in self._large:
            target, entry = decoded(copy.target), copy.entry
            extents = [(0, entry.size)]
            if entry.more:
                extents = self._extents(
                    ask("extents", {"path": copy.source, "of": [entry.size, entry.time]}), entry.size
                )
            start = min(writing.part_size(target, copy.transfer), entry.size)
            if start:
                there = hashes_there(ask, copy.source, start)
                with Source(writing.part_of(target, copy.transfer)) as part:
                    start = alike_at_first(hashes_here(part, len(there)), there) * HASH_BLOCK_BYTES
            start = min(start, entry.size)
            self._begun.add(copy)
            self._reach(copy, start)
            places[copy] = list(pieces(extents, start))
        return places

    def _extents(self, answer: dict[str, Any], size: int) -> list[tuple[int, int]]:
        found, before = [], 0
        told = answer.get("extents")
        for pair in told if isinstance(told, list) else [None]:
            if not isinstance(pair, list) or [type(each) for each in pair] != [int, int]:
                raise self._remote.unbelievable("parts of a file of another form")
            start, end = pair
            if not before <= start <= end <= size:
                raise self._remote.unbelievable("parts of a file that can't be true")
            found.append((start, end))
            before = end
        return found

    def _blocks(self, copy: Copy, places: list[tuple[int, int]], window: Window) -> Iterator[FileRequest]:
        of = [copy.entry.size, copy.entry.time]
        writing.write(decoded(copy.target), copy.transfer, 0, memoryview(b""))  # it is there, however empty
        for begin, end in places:
            place = begin
            while place < end:
                size = min(window.block, end - place)
                header = {"path": copy.source, "start": place, "size": size, "of": of}
                yield FileRequest("read", header, self._writer(copy, place), into=self._memory(size), size=size)
                place += size
        yield FileRequest("extents", {"path": copy.source, "of": of}, self._finisher(copy))  # it is still the same

    def _memory(self, size: int) -> Callable[[], memoryview]:
        return lambda: self._behind.memory(size)

    def _writer(self, copy: Copy, place: int) -> Callable[[object, Sequence[memoryview]], None]:
        def done(_answer: object, buffers: Sequence[memoryview]) -> None:
            (block,) = buffers
            self._behind.write(lambda: writing.write(decoded(copy.target), copy.transfer, place, block))
            self._reach(copy, place + len(block))

        return done

    def _finisher(self, copy: Copy) -> Callable[[object, object], None]:
        def done(_answer: object, _buffers: object) -> None:
            entry = copy.entry
            self._behind.flush()
            writing.finish(decoded(copy.target), copy.transfer, entry.size, entry.mode, entry.time)
            self._reach(copy, entry.size)
            del self._large[copy]
            self._begun.discard(copy)
            self._progress.moved(0, 1)

        return done

    def _reach(self, copy: Copy, place: int) -> None:
        """Count what has arrived of a large file, once."""
        before = self._large[copy]
        if place > before:
            self._large[copy] = place
            self._progress.moved(place - before)
