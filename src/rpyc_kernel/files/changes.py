"""What makes a folder there like one here: compared by size and time, and by contents where these differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rpyc_kernel.agent.files.entries import FILE, FOLDER, LINK, SPECIAL, UNREADABLE
from rpyc_kernel.agent.files.errors import FileError
from rpyc_kernel.agent.files.reading import HASH_BLOCK_BYTES, Source
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.plan import SMALL_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpyc_kernel.files.entries import Entry
    from rpyc_kernel.files.remote import RemoteFiles

COARSE_NS = 2 * 10**9  # of the times on a FAT disk
FINE_NS = 1000  # of those on most others


class Change(NamedTuple):
    """Something that becomes otherwise there.

    Attributes:
        entry: What is here; what is there, if it is removed.
        why: A few words.
    """

    entry: Entry
    why: str


@dataclass
class Changes:
    """All that becomes otherwise.

    Attributes:
        send: Files, folders and links that go there.
        known: Names of those that are there with other contents.
        touch: What is there and has another mode or time.
        remove: What is removed there.
        left_out: A sentence for each thing that can't go there.
        same: How many files are the same.
    """

    send: list[Change] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    touch: list[Entry] = field(default_factory=list)
    remove: list[Change] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    same: int = 0

    @property
    def bytes(self) -> int:
        """The bytes of the files that go there."""
        return sum(change.entry.size for change in self.send if change.entry.kind == FILE)


def compare(here: Mapping[str, Entry], there: Mapping[str, Entry]) -> tuple[Changes, list[Entry]]:
    """Return what becomes otherwise, and the files that are as large there and have another time.

    Args:
        here: What is here, by its name.
        there: What is there, by its name.
    """
    changes, doubtful = Changes(), []
    for name, entry in here.items():
        other = there.get(name)
        if entry.kind == UNREADABLE:
            changes.left_out.append(f"{entry.shown} was left out: {entry.more}.")
        elif entry.kind == SPECIAL:
            changes.left_out.append(f"{entry.shown} was left out: it is a device, a socket or a pipe.")
        elif other is None:
            changes.send.append(Change(entry, "new"))
        elif other.kind != entry.kind:
            changes.remove.append(Change(other, "something else is here"))
            changes.send.append(Change(entry, "something else was there"))
        elif entry.kind == LINK:
            if entry.more != other.more:
                changes.send.append(Change(entry, "leads elsewhere"))
        elif entry.kind == FOLDER:
            pass  # its time changes with what is in it
        elif entry.size != other.size:
            changes.send.append(Change(entry, "another size"))
            changes.known.add(name)
        elif not _same_time(entry.time, other.time):
            doubtful.append(entry)
        else:
            changes.same += 1
            if entry.mode & 0o777 != other.mode & 0o777:
                changes.touch.append(entry)
    return changes, doubtful


def settle(changes: Changes, doubtful: list[Entry], remote: RemoteFiles, here: str, there: str) -> None:
    """Compare the contents of files of which size and time don't tell enough.

    Args:
        changes: Takes what comes out.
        doubtful: The files.
        remote: The files of the other machine.
        here: The folder here, a whole path.
        there: The folder there, as it travels.
    """
    hashes = remote.digests([(f"{there}/{entry.name}", entry.size) for entry in doubtful])
    for entry, digest in zip(doubtful, hashes, strict=True):
        if digest == _digest(f"{here}/{entry.name_here}", entry):
            changes.touch.append(entry)
            changes.same += 1
        else:
            changes.send.append(Change(entry, "other contents"))
            if entry.size > SMALL_BYTES:
                changes.known.add(entry.name)


def _digest(path: str, entry: Entry) -> list[str]:
    try:
        with Source(path) as source:
            source.expect(entry.size, entry.time)
            return source.hashes(0, entry.size, memoryview(bytearray(min(HASH_BLOCK_BYTES, entry.size))))
    except FileError as error:
        raise TransferError(f"Here, {error}.") from None


def _same_time(one: int, other: int) -> bool:
    """Tell whether two times are the same, as far as a disk may keep them."""
    difference = abs(one - other)
    return difference < FINE_NS or (difference < COARSE_NS and other % COARSE_NS == 0)
