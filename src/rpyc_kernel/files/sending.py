"""Carries files there: folders, small files many at once, large ones in blocks, links."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.files.entries import decoded
from rpyc_kernel.agent.files.errors import ChangedError, FileError
from rpyc_kernel.agent.files.reading import HASH_BLOCK_BYTES, Source, whole
from rpyc_kernel.errors import AgentError, CopyStoppedError, ProtocolError, RpycKernelError, TransferError
from rpyc_kernel.files.blocks import alike_at_first, hashes_here, hashes_there, pieces
from rpyc_kernel.files.carrier import Carrier, FileRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.files.carrier import Ask
    from rpyc_kernel.files.plan import Copy, Plan
    from rpyc_kernel.files.progress import Progress
    from rpyc_kernel.files.remote import RemoteFiles
    from rpyc_kernel.link.bulk import BulkSession
    from rpyc_kernel.link.window import Window

FILES_AT_ONCE = 200  # in one request
FILE_WEIGHT_BYTES = 512  # that a file counts, however small it is
BLOCK_BYTES = 4 << 20
MAX_FAILURES = 20  # after which the rest isn't tried
CLEANUP_TIMEOUT_S = 3.0
# After another error, what has come stays there for when it is done again.
ENDS = (AgentError, CopyStoppedError, ProtocolError, TransferError)


class Sending:
    """The files of a plan on their way to the other machine.

    Args:
        session: The session there.
        remote: Its files.
        plan: What goes where.
        progress: Counts it.

    Attributes:
        failures: A sentence for each file that failed.
    """

    def __init__(self, session: BulkSession, remote: RemoteFiles, plan: Plan, progress: Progress) -> None:
        self._session = session
        self._remote = remote
        self._plan = plan
        self._progress = progress
        self._small = dict.fromkeys(plan.small)  # those that are left, in their order
        self._large = dict.fromkeys(plan.large, 0)  # how far each is
        self._attempt = uuid.uuid4().hex
        self._begun: set[Copy] = set()  # of the large ones, those that may have a part there
        self._same: dict[Copy, list[str | None]] = {}  # of each block its hash, if it is there already
        self._memory = memoryview(bytearray(BLOCK_BYTES if plan.large else 0))
        self.failures: list[str] = []

    def run(self) -> None:
        """Carry all of it. What fails of the small files is in `failures`.

        Raises:
            TransferError: A large one can't be read or written; or stop was pressed.
            RpycKernelError: The link is lost for good.
        """
        try:
            self.failures += self._remote.do("folders", "paths", [each.target for each in self._plan.folders])
            self._remote.carrier.run(self._requests)
            links = [[each.target, each.entry.more] for each in self._plan.links]
            self.failures += self._remote.do("links", "links", links, transfer="link")
            about = [[each.target, each.entry.mode, each.entry.time] for each in reversed(self._plan.folders)]
            self.failures += self._remote.do("about", "files", about)
        except FileError as error:
            self._clean_up()
            raise TransferError(f"Here, {error}. What was there before is unchanged.") from None
        except ENDS:
            self._clean_up()
            raise

    def _requests(self, ask: Ask, window: Window) -> Iterator[FileRequest]:
        starts = self._look_ahead(ask)
        return self._all(starts, window)

    def _all(self, starts: dict[Copy, int], window: Window) -> Iterator[FileRequest]:
        yield from self._batches(window)
        for copy in list(self._large):
            yield from self._blocks(copy, starts.get(copy, 0), window)

    # --- small ones

    def _batches(self, window: Window) -> Iterator[FileRequest]:
        batch: list[tuple[Copy, bytes]] = []
        size = 0
        for copy in list(self._small):
            try:
                batch.append((copy, whole(decoded(copy.source), copy.entry.size, copy.entry.time)))
            except FileError as error:
                self._fail(copy, f"Here, {error}.")
                continue
            size += len(batch[-1][1]) + FILE_WEIGHT_BYTES
            if size >= window.block or len(batch) == FILES_AT_ONCE:
                yield self._store(batch, size)
                batch, size = [], 0
        if batch:
            yield self._store(batch, size)

    def _store(self, batch: list[tuple[Copy, bytes]], size: int) -> FileRequest:
        def done(answer: dict[str, Any], _buffers: object) -> None:
            failed = dict(self._remote.failed(answer, len(batch)))
            good = [len(data) for number, (_copy, data) in enumerate(batch) if number not in failed]
            self._progress.moved(sum(good), len(good))
            for number, (copy, _data) in enumerate(batch):
                if number in failed:
                    self._fail(copy, failed[number])
                else:
                    del self._small[copy]

        files = [[copy.target, copy.entry.mode, copy.entry.time, len(data)] for copy, data in batch]
        contents = b"".join(data for _copy, data in batch)
        return FileRequest("store", {"files": files, "transfer": self._attempt}, done, [contents], size=size)

    def _fail(self, copy: Copy, sentence: str) -> None:
        self._small.pop(copy, None)
        self.failures.append(sentence)
        if len(self.failures) >= MAX_FAILURES:
            raise TransferError("\n".join([*self.failures, "So many have failed that the rest was not tried."]))

    # --- large ones

    def _look_ahead(self, ask: Ask) -> dict[Copy, int]:
        """Return from where on large files are to be sent: some have come there before, or are there in part."""
        starts: dict[Copy, int] = {}
        large = list(self._large)
        for copy, size in zip(large, self._remote.parts(ask, large), strict=True):
            if size:
                there = hashes_there(ask, copy.target, min(size, copy.entry.size), copy.transfer)
                with _source(copy) as source:
                    alike = alike_at_first(hashes_here(source, len(there)), there)
                starts[copy] = min(alike * HASH_BLOCK_BYTES, copy.entry.size)
                self._begun.add(copy)
            elif copy.known and copy not in self._same:
                there = hashes_there(ask, copy.target, copy.entry.size)
                with _source(copy) as source:
                    here = hashes_here(source, len(there))
                self._same[copy] = [one if one == other else None for one, other in zip(here, there, strict=False)]
        return starts

    def _blocks(self, copy: Copy, start: int, window: Window) -> Iterator[FileRequest]:
        about = self._about(copy)
        self._begun.add(copy)
        self._reach(copy, start)
        with _source(copy) as source:
            yield FileRequest("write", {**about, "start": start}, _nothing, [b""])  # it is there, however empty
            for begin, end in pieces(source.extents(), start):
                place = begin
                while place < end:
                    sha256 = self._hash_there(copy, place)
                    limit = HASH_BLOCK_BYTES - place % HASH_BLOCK_BYTES if copy in self._same else window.block
                    size = min(limit, end - place)
                    done = self._reacher(copy, place + size)
                    if sha256 and size == min(HASH_BLOCK_BYTES, copy.entry.size - place):
                        yield FileRequest("copy", {**about, "start": place, "size": size, "sha256": sha256}, done)
                    else:
                        block = self._memory[:size]
                        source.read_into(place, block)
                        yield FileRequest("write", {**about, "start": place}, done, [block], size=size)
                    place += size
            source.check()

        def finished(_answer: object, _buffers: object) -> None:
            self._reach(copy, copy.entry.size)
            del self._large[copy]
            self._begun.discard(copy)
            self._progress.moved(0, 1)

        entry = copy.entry
        header = {**about, "size": entry.size, "mode": entry.mode, "time": entry.time}
        yield FileRequest("finish", header, finished)

    def _about(self, copy: Copy) -> dict[str, Any]:
        return {"path": copy.target, "transfer": copy.transfer, "attempt": self._attempt}

    def _hash_there(self, copy: Copy, place: int) -> str | None:
        number, rest = divmod(place, HASH_BLOCK_BYTES)
        same = self._same.get(copy, [])
        return same[number] if not rest and number < len(same) else None

    def _reacher(self, copy: Copy, place: int) -> Callable[[object, object], None]:
        return lambda _answer, _buffers: self._reach(copy, place)

    def _reach(self, copy: Copy, place: int) -> None:
        """Count what has arrived of a large file, once."""
        before = self._large[copy]
        if place > before:
            self._large[copy] = place
            self._progress.moved(place - before)

    def _clean_up(self) -> None:
        """Remove what is there of files that won't be finished, if that can be done soon."""
        if not self._begun:
            return
        cancel = threading.Event()
        timer = threading.Timer(CLEANUP_TIMEOUT_S, cancel.set)
        timer.daemon = True
        timer.start()
        with contextlib.suppress(RpycKernelError):
            carrier = Carrier(self._session, cancel)
            for copy in self._begun:
                carrier.call("drop", self._about(copy))
        timer.cancel()


def _nothing(_answer: object, _buffers: object) -> None:
    pass


def _source(copy: Copy) -> Source:
    source = Source(decoded(copy.source))
    try:
        source.expect(copy.entry.size, copy.entry.time)
    except ChangedError:
        source.close()
        raise
    return source
