"""The files of the other machine: single questions and deeds. What is answered is checked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import AgentError, ProtocolError, TransferError
from rpyc_kernel.files.blocks import HASHED_AT_ONCE_BYTES, hashes_there
from rpyc_kernel.files.carrier import Carrier, FileRequest
from rpyc_kernel.files.entries import Entry, checked, is_name, slashed

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from rpyc_kernel.agent.wire import Bytes
    from rpyc_kernel.files.carrier import Ask
    from rpyc_kernel.files.plan import Copy
    from rpyc_kernel.link.bulk import BulkSession
    from rpyc_kernel.link.window import Window

MAX_ENTRIES = 2_000_000  # of one tree
BATCH = 500  # paths in one request
BLOCK_BYTES = 4 << 20  # of a file, in one request


class RemoteFiles:
    """The files of the machine of a session. Used by one thread.

    Names and paths are as they travel (`encoded`), with slashes between their parts, of Windows too. Relative ones
    begin in the session's folder.

    Args:
        session: The session.
        cancel: Ends whatever is done.
        name: What the machine is called in sentences.
    """

    def __init__(self, session: BulkSession, cancel: threading.Event, name: str) -> None:
        self.name = name
        self.carrier = Carrier(session, cancel)

    def look(self, names: Sequence[str], *, follow: bool = True) -> list[Entry | str]:
        """Return the entry of each path, whose name is its whole path; or the path itself where nothing is.

        Raises:
            TransferError: One can't be looked at.
        """
        found: list[Entry | str] = []
        for batch in _batches(names):
            answer, _buffers = self.carrier.call("look", {"names": batch, "follow": follow})
            told = self._list(answer, "found", len(batch))
            for each in told:
                if isinstance(each, dict):
                    error = TransferError(f"On {self.name}: {str(each.get('failed'))[:1000]}.")
                    error.code = str(each.get("code", ""))[:20]
                    raise error
                if isinstance(each, str):
                    found.append(slashed(self._name(each)))
                else:
                    entry = self._entry(each)
                    found.append(entry._replace(name=slashed(entry.name)))
        return found

    def glance(self, names: Sequence[str]) -> list[Entry | None]:
        """Return what is at each path, behind links; None where nothing is, or what can't be looked at."""
        found: list[Entry | None] = []
        for batch in _batches(names):
            answer, _buffers = self.carrier.call("look", {"names": batch})
            told = self._list(answer, "found", len(batch))
            found += [self._entry(each) if isinstance(each, list) else None for each in told]
        return found

    def writable(self, name: str) -> bool:
        """Return whether a file or folder may be written to, by its permissions."""
        answer, _buffers = self.carrier.call("writable", {"names": [name]})
        return self._list(answer, "writable", 1)[0] is True

    def match(self, pattern: str) -> list[str]:
        """Return the paths that a pattern means; without wildcards the path itself."""
        answer, _buffers = self.carrier.call("match", {"pattern": pattern})
        return [slashed(self._name(each)) for each in self._list(answer, "paths")]

    def real(self, name: str) -> str:
        """Return the path to which a name leads, behind all links."""
        answer, _buffers = self.carrier.call("real", {"name": name})
        return slashed(self._name(answer.get("path")))

    def listed(self, folder: str) -> Iterator[Entry]:
        """Give out what is in a folder."""
        return self._entries("list", {"name": folder})

    def walked(self, folder: str, left_out: Sequence[str] = ()) -> Iterator[Entry]:
        """Give out what is below a folder, but not what is in folders of the names *left_out*."""
        return self._entries("walk", {"name": folder, "left_out": list(left_out)})

    def _entries(self, op: str, header: dict[str, Any]) -> Iterator[Entry]:
        count = part = 0
        while True:
            answer, _buffers = self.carrier.call(op, header)
            for raw in self._list(answer, "entries"):
                yield self._entry(raw)
                count += 1
                if count > MAX_ENTRIES:
                    raise TransferError(f"On {self.name} there are more than {MAX_ENTRIES:,} files in that folder.")
            walk = answer.get("walk")
            if not isinstance(walk, int):
                return
            part += 1
            op, header = "more", {"walk": walk, "part": part}

    def digests(self, files: Sequence[tuple[str, int]]) -> list[list[str]]:
        """Return the hashes of the blocks of files, each given by its path and size.

        Raises:
            AgentError: One can't be read.
        """
        found: list[list[str]] = []
        batch: list[tuple[str, int]] = []
        total = 0
        for path, size in files:
            total += size
            if batch and (total > HASHED_AT_ONCE_BYTES or len(batch) == BATCH):
                found += self._digests(batch)
                batch, total = [], size
            if size > HASHED_AT_ONCE_BYTES:  # alone; what came before is asked for already
                found.append(hashes_there(lambda op, header: self.carrier.call(op, header)[0], path, size))
            else:
                batch.append((path, size))
        return found + self._digests(batch)

    def _digests(self, batch: list[tuple[str, int]]) -> list[list[str]]:
        answer, _buffers = self.carrier.call("digests", {"files": batch})
        told = self._list(answer, "digests", len(batch))
        if not all(isinstance(each, list) for each in told):
            raise self.unbelievable("hashes of another form")
        return told

    def do(self, op: str, key: str, items: Sequence[Any], **more: Any) -> list[str]:
        """Do something with each of many files; return a sentence for each that failed.

        Args:
            op: What.
            key: The name of the argument that has the files.
            items: The files.
            more: Arguments beside them.
        """
        failures: list[str] = []
        waiting = list(_batches(items))

        def requests(_ask: object, _window: Window) -> Iterator[FileRequest]:
            for batch in list(waiting):

                def done(answer: dict[str, Any], _buffers: object, batch: list[Any] = batch) -> None:
                    waiting.remove(batch)
                    failures.extend(sentence for _number, sentence in self.failed(answer, len(batch)))

                yield FileRequest(op, {key: batch, **more}, done, size=sum(len(str(each)) for each in batch))

        self.carrier.run(requests)
        return failures

    def failed(self, answer: dict[str, Any], count: int) -> list[tuple[int, str]]:
        """Return which files of a request with *count* of them failed, and why."""
        found = []
        for pair in self._list(answer, "failed"):
            if not isinstance(pair, list) or len(pair) < 2 or type(pair[0]) is not int or not 0 <= pair[0] < count:
                raise self.unbelievable("failures of another form")
            found.append((pair[0], f"On {self.name}: {str(pair[1])[:1000]}."))
        return found

    def do_one(self, op: str, key: str, path: str) -> None:
        """Do something with one file; as `do`, but raise an AgentError where it fails."""
        answer, _buffers = self.carrier.call(op, {key: [path]})
        for _number, sentence in self.failed(answer, 1):
            code = answer["failed"][0][2:]
            raise AgentError(sentence, str(code[0])[:20] if code else "")

    # --- one file, in blocks

    def read(self, path: str, of: Entry, start: int, size: int) -> memoryview:
        """Return a block of a file that is still as it was when it was looked at.

        Args:
            path: Where it is, as it travels.
            of: Its entry of then.
            start: Where the block begins.
            size: How long it is, at most `BLOCK_BYTES`.

        Raises:
            AgentError: It can't be read, or has changed.
        """
        header = {"path": path, "start": start, "size": size, "of": [of.size, of.time]}
        _answer, buffers = self.carrier.call("read", header)
        if len(buffers) != 1 or len(buffers[0]) != size:
            raise self.unbelievable("fewer bytes than it was asked for")
        return buffers[0]

    def write(self, path: str, transfer: str, start: int, data: Bytes) -> None:
        """Write bytes of a file that is not in its place yet.

        Args:
            path: Its place, whole, as it travels.
            transfer: A name for the transfer, of letters and digits.
            start: Where they go.
            data: They.
        """
        about = {"path": path, "transfer": transfer, "attempt": transfer}
        view = memoryview(data)
        for place in range(0, max(len(view), 1), BLOCK_BYTES):
            self.carrier.call("write", {**about, "start": start + place}, [view[place : place + BLOCK_BYTES]])

    def finish(self, path: str, transfer: str, size: int, mode: int) -> None:
        """Put what was written in its place, as long as *size*, with that mode and the time of now."""
        about = {"path": path, "transfer": transfer, "attempt": transfer}
        self.carrier.call("finish", {**about, "size": size, "mode": mode, "time": time.time_ns()})

    def drop(self, path: str, transfer: str) -> None:
        """Forget what was written and not put in its place."""
        self.carrier.call("drop", {"path": path, "transfer": transfer, "attempt": transfer})

    def unbelievable(self, what: str) -> ProtocolError:
        """Return the error for an answer that can't be true."""
        return ProtocolError(self.name, f"it has answered with {what}")

    def parts(self, ask: Ask, copies: Sequence[Copy]) -> list[int]:
        """Return how many bytes of each file have come in the same transfer before. *ask* makes a request."""
        found: list[int] = []
        for batch in _batches(copies):
            answer = ask("parts", {"files": [[each.target, each.transfer] for each in batch]})
            sizes = self._list(answer, "sizes", len(batch))
            found += [size if type(size) is int and size > 0 else 0 for size in sizes]
        return found

    def _entry(self, raw: object) -> Entry:
        try:
            return checked(raw)
        except ValueError as error:
            raise self.unbelievable(str(error)) from None

    def _name(self, raw: object) -> str:
        if not is_name(raw):
            raise self.unbelievable("a name that can be none")
        return str(raw)

    def _list(self, answer: dict[str, Any], key: str, count: int | None = None) -> list[Any]:
        found = answer.get(key)
        if not isinstance(found, list) or (count is not None and len(found) != count):
            raise self.unbelievable("lists of another form")
        return found


def _batches(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), BATCH):
        yield list(items[start : start + BATCH])
