"""The files of this machine, for the kernel: the operations of the family ``files`` on direct connections.

Names travel as `..files.entries` says. Where an operation concerns several files, those that fail are told as
``failed``, each by its number, a sentence and the name of the system's error, and the others are done all the same.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading

from ..files import entries, reading, writing
from ..files.entries import decoded, encoded
from ..files.errors import FileError, refusal
from .direct import DirectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

    from ..files.entries import Entry
    from ..wire import Bytes, Json

MAX_BLOCK_BYTES = 4 << 20  #: of one request
MAX_FETCHED_BYTES = 16 << 20  #: of all files of one request
ENTRIES_IN_ANSWER = 5000
MAX_ENDED = 1000  #: transfers of which it is known that they have ended
MAX_WALKS = 4  #: that go on; the oldest ones are forgotten


class _Walk:
    """A list that is given out in parts.

    Attributes:
        part: The number of the part that was given out last.
        more: Whether another one follows.
    """

    def __init__(self, found: Iterator[Entry]) -> None:
        self._found = found
        self._read()
        self.part = 0

    def _read(self) -> None:
        self._entries = list(itertools.islice(self._found, ENTRIES_IN_ANSWER))
        self.more = len(self._entries) == ENTRIES_IN_ANSWER

    def answer(self, number: int, part: int) -> Json:
        """Return the last part again, or the next one."""
        if part > self.part:
            self._read()
            self.part = part
        return {"entries": self._entries, "walk": number if self.more else None}


class Files:
    """`Operations` of direct connections. Each connection has a thread, and a block of memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the next three
        self._walks: Dict[int, _Walk] = {}
        self._numbers = itertools.count(1)
        self._ended: Dict[Tuple[str, str], None] = {}  # transfers of an attempt, to which nothing is written any more
        self._memory = threading.local()

    def room(self, name: str, _header: Json, sizes: Sequence[int]) -> Optional[Sequence[memoryview]]:
        """Have the block of a ``write`` land in this thread's memory."""
        return [self._block(sizes[0])] if name == "write" and len(sizes) == 1 else None

    def do(self, name: str, header: Json, buffers: Sequence[memoryview]) -> Tuple[Json, Sequence[Bytes]]:
        """Do one operation."""
        operation: Optional[Callable[..., Tuple[Json, Sequence[Bytes]]]] = getattr(self, "do_" + name, None)
        if operation is None:
            raise DirectError("no operation files.%.40s" % name)
        arguments = {key: value for key, value in header.items() if key != "op"}
        try:
            return operation(*buffers, **arguments)
        except FileError as error:
            raise DirectError(str(error), error.code) from None
        except OSError as error:
            failure = refusal(error, str(error.filename or "a file"))
            raise DirectError(str(failure), failure.code) from None

    # --- what is there

    def do_look(self, names: List[str], follow: bool = True) -> Tuple[Json, Sequence[Bytes]]:
        """Tell of each name the entry, whose name is its whole path; None where nothing is, a text where it fails."""
        found: List[Any] = []
        for name in names:
            try:
                path = entries.resolved(decoded(name))
                found.append(entries.looked_at(path, follow=follow) or encoded(path))
            except FileError as error:
                found.append({"failed": str(error), "code": error.code})
        return {"found": found}, ()

    def do_match(self, pattern: str) -> Tuple[Json, Sequence[Bytes]]:
        """Tell which paths a pattern means."""
        return {"paths": [encoded(path) for path in entries.matching(decoded(pattern))]}, ()

    def do_real(self, name: str) -> Tuple[Json, Sequence[Bytes]]:
        """Tell the path to which a name leads, behind all links."""
        return {"path": encoded(os.path.realpath(entries.resolved(decoded(name))))}, ()

    def do_writable(self, names: List[str]) -> Tuple[Json, Sequence[Bytes]]:
        """Tell of each name whether it may be written to, by its permissions."""
        return {"writable": [os.access(entries.resolved(decoded(name)), os.W_OK) for name in names]}, ()

    def do_disk(self, folder: str) -> Tuple[Json, Sequence[Bytes]]:
        """Tell what names may be on a folder's disk: whether it ignores case, and is on Windows."""
        return {"ignores_case": writing.ignores_case(decoded(folder)), "windows": os.name == "nt"}, ()

    def do_list(self, name: str) -> Tuple[Json, Sequence[Bytes]]:
        """Tell what is in a folder, and not in those below."""
        return self._next(iter(entries.listed(entries.resolved(decoded(name)))))

    def do_walk(self, name: str, left_out: Sequence[str] = ()) -> Tuple[Json, Sequence[Bytes]]:
        """Tell what is below a folder."""
        return self._next(entries.walked(entries.resolved(decoded(name)), left_out))

    def do_more(self, walk: int, part: int) -> Tuple[Json, Sequence[Bytes]]:
        """Go on with a list whose end was not told yet. The last part may be asked for again, as after a cut."""
        with self._lock:
            found = self._walks.get(walk)
            if found is None or not found.part <= part <= found.part + 1:
                raise DirectError("the list of files was given up, since others were asked for")
            return found.answer(walk, part), ()

    def _next(self, entries: Iterator[Entry]) -> Tuple[Json, Sequence[Bytes]]:
        found = _Walk(entries)
        if not found.more:
            return found.answer(0, 0), ()
        with self._lock:
            number = next(self._numbers)
            self._walks[number] = found
            while len(self._walks) > MAX_WALKS:
                del self._walks[next(iter(self._walks))]
        return found.answer(number, 0), ()

    # --- what is in them

    def do_read(self, path: str, start: int, size: int, of: List[int]) -> Tuple[Json, Sequence[Bytes]]:
        """Give a block of a file, which is still as large and as old as it was."""
        with reading.Source(decoded(path)) as source:
            source.expect(*of)
            block = self._block(size)
            source.read_into(start, block)
            source.check()
        return {}, [block]

    def do_fetch(self, files: List[List[Any]]) -> Tuple[Json, Sequence[Bytes]]:
        """Give small files of that size and time, one behind the other; tell of each why it can't be given, or None."""
        if sum(size for _path, size, _time in files) > MAX_FETCHED_BYTES:
            raise DirectError("too many bytes in one request")
        told: List[Any] = []
        contents = []
        for path, size, time in files:
            try:
                contents.append(reading.whole(decoded(path), size, time))
                told.append(None)
            except FileError as error:
                told.append(str(error))
        return {"told": told}, [b"".join(contents)]

    def do_extents(self, path: str, of: List[int]) -> Tuple[Json, Sequence[Bytes]]:
        """Tell where a file has no holes."""
        with reading.Source(decoded(path)) as source:
            source.expect(*of)
            return {"extents": source.extents()}, ()

    def do_hashes(
        self, path: str, start: int, end: int, transfer: Optional[str] = None
    ) -> Tuple[Json, Sequence[Bytes]]:
        """Tell the hashes of a file's blocks, or of the part of a *transfer*, and how large it is."""
        name = decoded(path)
        if end - start > MAX_FETCHED_BYTES or start % reading.HASH_BLOCK_BYTES:
            raise DirectError("too many bytes in one request")
        try:
            with reading.Source(name if transfer is None else writing.part_of(name, transfer)) as source:
                memory = self._block(reading.HASH_BLOCK_BYTES)
                return {"size": source.size, "hashes": source.hashes(start, min(end, source.size), memory)}, ()
        except FileError as error:
            if transfer is None or os.path.lexists(writing.part_of(name, transfer)):
                raise
            return {"size": 0, "hashes": [], "why": str(error)}, ()

    def do_digests(self, files: List[List[Any]]) -> Tuple[Json, Sequence[Bytes]]:
        """Tell the hashes of the blocks of whole files, each a path and its size."""
        if sum(size for _path, size in files) > MAX_FETCHED_BYTES:
            raise DirectError("too many bytes in one request")
        found = []
        memory = self._block(min(reading.HASH_BLOCK_BYTES, max([size for _path, size in files] or [0])))
        for path, size in files:
            with reading.Source(decoded(path)) as source:
                found.append(source.hashes(0, min(size, source.size), memory))
        return {"digests": found}, ()

    # --- what comes to be

    def do_write(
        self, data: memoryview, path: str, transfer: str, attempt: str, start: int
    ) -> Tuple[Json, Sequence[Bytes]]:
        """Write a block of a part. What a connection that was given up still brings comes too late."""
        self._unless_ended(path, transfer, attempt, lambda name: writing.write(name, transfer, start, data))
        return {}, ()

    def do_copy(
        self, path: str, transfer: str, attempt: str, start: int, size: int, sha256: str
    ) -> Tuple[Json, Sequence[Bytes]]:
        """Copy a block of a file as it is now into its part."""
        block = self._block(size)
        self._unless_ended(
            path, transfer, attempt, lambda name: writing.copy_within(name, transfer, start, block, sha256)
        )
        return {}, ()

    def _unless_ended(self, path: str, transfer: str, attempt: str, write: Callable[[str], None]) -> None:
        name, key = decoded(path), (transfer, attempt)
        if key not in self._ended:
            write(name)
            if key in self._ended:  # meanwhile, on another connection
                writing.drop(name, transfer)

    def _end(self, transfer: str, attempt: str) -> None:
        with self._lock:
            self._ended[transfer, attempt] = None
            while len(self._ended) > MAX_ENDED:
                del self._ended[next(iter(self._ended))]

    def do_finish(
        self, path: str, transfer: str, attempt: str, size: int, mode: int, time: int
    ) -> Tuple[Json, Sequence[Bytes]]:
        """Put a part in its place."""
        writing.finish(decoded(path), transfer, size, mode, time)
        self._end(transfer, attempt)
        return {}, ()

    def do_parts(self, files: List[List[str]]) -> Tuple[Json, Sequence[Bytes]]:
        """Tell how large the part of each file and transfer is, 0 where there is none; old ones of others go."""
        named = [(decoded(path), transfer) for path, transfer in files]
        writing.sweep([writing.part_of(path, transfer) for path, transfer in named])
        return {"sizes": [writing.part_size(path, transfer) for path, transfer in named]}, ()

    def do_drop(self, path: str, transfer: str, attempt: str) -> Tuple[Json, Sequence[Bytes]]:
        """Remove a part."""
        self._end(transfer, attempt)
        writing.drop(decoded(path), transfer)
        return {}, ()

    def do_store(self, contents: memoryview, files: List[List[Any]], transfer: str) -> Tuple[Json, Sequence[Bytes]]:
        """Write small files, each a path, a mode, a time and a size; their contents are one behind the other."""
        place = 0

        def store(path: str, mode: int, time: int, size: int) -> None:
            nonlocal place
            data, place = contents[place : place + size], place + size
            if len(data) != size:
                raise FileError("files without contents")
            writing.store(decoded(path), transfer, data, mode, time)

        return _each(store, files)

    def do_folders(self, paths: List[str]) -> Tuple[Json, Sequence[Bytes]]:
        """Make folders."""
        return _each(writing.make_folder, ((decoded(path),) for path in paths))

    def do_links(self, links: List[List[str]], transfer: str) -> Tuple[Json, Sequence[Bytes]]:
        """Make links, each a path and where it leads."""
        return _each(writing.link, ((decoded(path), transfer, decoded(leads)) for path, leads in links))

    def do_about(self, files: List[List[Any]]) -> Tuple[Json, Sequence[Bytes]]:
        """Set modes and times, of each path."""
        return _each(writing.set_about, ((decoded(path), mode, time) for path, mode, time in files))

    def do_remove(self, paths: List[str]) -> Tuple[Json, Sequence[Bytes]]:
        """Remove files, links and empty folders."""
        return _each(writing.remove, ((decoded(path),) for path in paths))

    def do_rename(self, path: str, target: str) -> Tuple[Json, Sequence[Bytes]]:
        """Move one."""
        writing.rename(decoded(path), decoded(target))
        return {}, ()

    def do_importable(self, path: str) -> Tuple[Json, Sequence[Bytes]]:
        """Have imports find the modules in a folder, also those that have come since the last import."""
        import importlib

        folder = decoded(path)
        if folder not in sys.path:
            sys.path.insert(1 if sys.path[:1] == [""] else 0, folder)
        importlib.invalidate_caches()
        return {}, ()

    def _block(self, size: int) -> memoryview:
        """Return so much of this thread's memory."""
        if not 0 <= size <= MAX_BLOCK_BYTES:
            raise DirectError("a block of %r bytes" % size)
        block: memoryview = getattr(self._memory, "block", memoryview(b""))
        if len(block) < size:
            block = self._memory.block = memoryview(bytearray(size))
        return block[:size]


def _each(deed: Callable[..., None], items: Iterable[Sequence[Any]]) -> Tuple[Json, Sequence[Bytes]]:
    failed = []
    for number, item in enumerate(items):
        try:
            deed(*item)
        except FileError as error:
            failed.append([number, str(error), error.code])
    return {"failed": failed}, ()
