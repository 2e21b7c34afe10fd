"""What a transfer is about to do: which files go where, and what has come of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from rpyc_kernel.agent.files.entries import FILE, FOLDER, LINK, SPECIAL, UNREADABLE, decoded
from rpyc_kernel.agent.files.errors import shown
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.entries import Entry, is_part, leads_outside, unfit
from rpyc_kernel.link.listing import duration, size

MAX_TOLD = 10  # of what was left out
SMALL_BYTES = 64 << 10  # of a file that travels with others


class Copy(NamedTuple):
    """A file, folder or link that is to be copied.

    Attributes:
        source: Its path, as it travels.
        target: Where it goes, as it travels.
        entry: What it is.
        known: The target has a file of that name, whose blocks may be the same.
    """

    source: str
    target: str
    entry: Entry
    known: bool = False

    @property
    def transfer(self) -> str:
        """The name of the transfer of this very file to this very place: the same when it is done again."""
        about = f"{self.source}\0{self.target}\0{self.entry.size}\0{self.entry.time}"
        return hashlib.sha256(about.encode()).hexdigest()[:24]


@dataclass
class Plan:
    """All that is to be copied.

    Attributes:
        folders: The folders, each behind the one that it is in.
        small: The files that travel with others.
        large: The other files.
        links: The links.
        left_out: A sentence for each thing that can't be copied.
    """

    folders: list[Copy] = field(default_factory=list)
    small: list[Copy] = field(default_factory=list)
    large: list[Copy] = field(default_factory=list)
    links: list[Copy] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Copy]:
        """The files."""
        return self.small + self.large

    @property
    def bytes(self) -> int:
        """The bytes of all files."""
        return sum(each.entry.size for each in self.files)

    def add(self, copy: Copy) -> None:
        """Add something."""
        entry = copy.entry
        if entry.kind == FILE:
            large = entry.size > SMALL_BYTES or copy.known
            (self.large if large else self.small).append(copy)
        elif entry.kind == FOLDER:
            self.folders.append(copy)
        elif entry.kind == LINK:
            self.links.append(copy)
        elif entry.kind == UNREADABLE:
            self.left_out.append(f"{entry.shown} was left out: {entry.more}.")
        else:
            assert entry.kind == SPECIAL
            self.left_out.append(f"{entry.shown} was left out: it is a device, a socket or a pipe.")

    def add_tree(self, source: str, target: str, entry: Entry, *, windows: bool, suspect: bool) -> None:
        """Add something that was found in a folder.

        Args:
            source: The folder's path.
            target: The path of the folder that it becomes.
            entry: What was found, its name from the folder on.
            windows: Whether the target is on Windows.
            suspect: Whether the other machine has told it: then no link may lead out of the folder.
        """
        if is_part(entry):
            return
        why = unfit(entry.name, windows=windows)
        if not why and suspect and entry.kind == LINK and leads_outside(entry.name, entry.more):
            why = f"it is a link out of that folder, to {shown(decoded(entry.more))}"
        if why:
            self.left_out.append(f"{entry.shown} was left out: {why}.")
            return
        self.add(Copy(f"{source}/{entry.name}", f"{target}/{entry.name}", entry))

    def alike(self) -> list[tuple[Copy, Copy]]:
        """Return pairs whose names differ in upper and lower case alone."""
        found: dict[str, Copy] = {}
        pairs = []
        for copy in [*self.folders, *self.files, *self.links]:
            first = found.setdefault(copy.target.casefold(), copy)
            if first.target != copy.target:
                pairs.append((first, copy))
        return pairs

    def check_alike(self, place: str) -> None:
        """Raise TransferError if two names would be one, on a disk that ignores upper and lower case."""
        for first, second in self.alike():
            raise TransferError(
                f"{first.entry.shown} and {second.entry.shown} would be one file in {place}, whose disk ignores upper "
                "and lower case. Rename one; nothing was copied."
            )


class CopiedFiles(NamedTuple):
    """Files were copied.

    Attributes:
        files: How many.
        bytes: How large they are.
        seconds: How long it took.
        place: Where they are now.
        left_out: A sentence for each thing that was not copied.
    """

    files: int
    bytes: int
    seconds: float
    place: str
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        count = f"{self.files} file{'s' * (self.files != 1)}"
        text = f"Copied {count} ({size(self.bytes)}) to {self.place} in {duration_text(self.seconds)}."
        return "\n".join([text, *told(self.left_out)])


def told(sentences: tuple[str, ...] | list[str]) -> list[str]:
    """Return the first of many sentences, and how many more there are."""
    rest = len(sentences) - MAX_TOLD
    return [*sentences[:MAX_TOLD], *([f"{rest} more were left out."] if rest > 0 else [])]


def duration_text(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
