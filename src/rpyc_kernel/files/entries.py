"""Entries of folders, and their names, of either machine. Those from the other one are checked here."""

from __future__ import annotations

import posixpath
import re
from typing import Any, NamedTuple

from rpyc_kernel.agent.files import entries
from rpyc_kernel.agent.files.entries import FILE, FOLDER, LINK, SPECIAL, UNREADABLE
from rpyc_kernel.agent.files.errors import shown
from rpyc_kernel.agent.files.writing import PART_PREFIX, PART_SUFFIX

KINDS = (FILE, FOLDER, LINK, SPECIAL, UNREADABLE)
MAX_NAME_CHARS = 32 << 10  # of a path
MAX_DEPTH = 200  # of folders in folders
_SUSPECT = re.compile(r"(?:^|/)(?:\.|/|$)")  # parts that are empty or begin with a dot
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_WINDOWS_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


class Entry(NamedTuple):
    """What lies somewhere, in the form of `agent.files.entries`.

    Attributes:
        name: Its name as it travels, `name_here` gives it as it is here. Of a tree: from the tree's folder on.
        kind: One of `KINDS`.
        size: In bytes.
        time: Of its last change, in nanoseconds since 1970.
        mode: Its permissions.
        more: Of a link, where it leads, as it travels; of a file, whether it has holes; of what can't be read, why.
    """

    name: str
    kind: str
    size: int
    time: int
    mode: int
    more: Any = None

    @property
    def name_here(self) -> str:
        """The name for a path of this machine."""
        return entries.decoded(self.name)

    @property
    def shown(self) -> str:
        """The name for a sentence."""
        return shown(self.name_here)


def checked(raw: object) -> Entry:
    """Return the entry that came from the other machine.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(raw, list) or len(raw) != 6:
        raise ValueError("an entry of another form")
    name, kind, size, time, mode, more = raw
    numbers = all(type(each) is int for each in (size, time, mode))
    if not numbers or not 0 <= size < 1 << 62 or not -(1 << 62) < time < 1 << 62 or not 0 <= mode <= 0o7777:
        raise ValueError("an entry whose numbers can't be true")
    if kind not in KINDS or not is_name(name) or (kind in (LINK, UNREADABLE) and not isinstance(more, str)):
        raise ValueError("an entry whose name or kind can't be true")
    return Entry(name, kind, size, time, mode, more[:MAX_NAME_CHARS] if isinstance(more, str) else bool(more))


def is_name(name: object) -> bool:
    """Tell whether that can be a name as it travels."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or "\0" in name:
        return False
    return name.isascii() or max(map(ord, name)) < 256


def slashed(path: str) -> str:
    """Return a whole path with slashes between its parts, which Windows takes as well as its own."""
    return path.replace("\\", "/") if _DRIVE.match(path) else path


def is_part(entry: Entry) -> bool:
    """Tell whether an entry is what a transfer has not finished yet."""
    return entry.name.endswith(PART_SUFFIX) and posixpath.basename(entry.name).startswith(PART_PREFIX)


def unfit(name: str, *, windows: bool) -> str:
    """Say why the name of something in a tree can't be one of a file below a folder; "" where it can.

    Args:
        name: The name from the tree's folder on, as it travels.
        windows: Whether the file is to be on Windows.
    """
    if name.count("/") >= MAX_DEPTH:
        return f"it is in more than {MAX_DEPTH} folders"
    if not windows and not _SUSPECT.search(name):
        return ""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its name leads elsewhere"
    if windows and any(
        _WINDOWS_FORBIDDEN.search(part) or part[-1] in ". " or _WINDOWS_DEVICES.fullmatch(part) for part in parts
    ):
        return "Windows has no such names"
    return ""


def leads_outside(name: str, leads: str) -> bool:
    """Tell whether a link in a tree leads out of the tree.

    Args:
        name: The link's name from the tree's folder on, as it travels.
        leads: Where it leads, as it travels.
    """
    if leads.startswith("/") or "\\" in leads or ":" in leads or not leads:
        return True
    depth = name.count("/")
    for part in leads.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
