"""The hosts that the user's configuration of ssh names (ssh_config(5)): those without a wildcard, in their order.

Nothing of what it says of a host is looked at: ``ssh`` itself does that, once the host is connected to.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.errors import SourceError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery.found import MAX_FOUND, FoundMachine, usable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.transport.deadline import Deadline

MAX_FILES = 64
MAX_DEPTH = 16  # of files that include others, as OpenSSH has it
MAX_FILE_BYTES = 1 << 20
_LINE = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)")
_WORD = re.compile(r'"([^"]*)"|(\S+)')


def hosts(deadline: Deadline) -> list[FoundMachine]:
    """Return the hosts that can be written as an address. Raises SourceError where the file can't be read."""
    found = []
    for name in names(Path("~/.ssh").expanduser(), deadline):
        address = usable(f"ssh://{name}")
        if address and Address.parse(address).host == name:  # as it stands there, or ssh doesn't find it
            found.append(FoundMachine("ssh config", name, address))
    return found


def names(folder: Path, deadline: Deadline | None = None) -> list[str]:
    """Return the names of hosts in the file ``config`` of *folder*, and in the files that it includes, each once."""
    found: dict[str, None] = {}
    try:
        for name in _names(folder / "config", folder, [], 0):
            found[name] = None
            if len(found) >= MAX_FOUND or (deadline is not None and (deadline.expired or deadline.cancelled)):
                break
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SourceError("ssh config", f"{error.filename}: {error.strerror or error}") from None
    return [*found]


def _names(path: Path, folder: Path, seen: list[Path], depth: int) -> Iterator[str]:
    if len(seen) >= MAX_FILES or depth > MAX_DEPTH:
        return
    seen.append(path)
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        words = [quoted or bare for quoted, bare in _words(match[2])]
        if match[1].lower() == "host":
            yield from (word for word in words if word and not re.search(r"[*?!]", word))
        elif match[1].lower() == "include":
            for pattern in words:
                for included in sorted(glob.glob(os.path.join(folder, os.path.expanduser(pattern))))[:MAX_FILES]:  # noqa: PTH111, PTH118, PTH207 - a pattern, which may be absolute
                    try:
                        yield from _names(Path(included), folder, seen, depth + 1)
                    except OSError:
                        continue  # as ssh does with what isn't there


def _words(text: str) -> Iterator[tuple[str, str]]:
    for quoted, bare in _WORD.findall(text):
        if bare.startswith("#"):
            return
        yield quoted, bare
