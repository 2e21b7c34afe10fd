"""Cells that print a great deal, and what checks at the other end that all of it came."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address

LINE = 40  # bytes
BLOCK = 1000  # lines that are written at once
MIB = 1 << 20
DROPPED = re.compile(r"\[([\d,]+) lines? .*dropped here")


def printing(size: int, shows: int, *, progress: Path | None = None) -> str:
    """A cell that prints so many bytes of numbered lines, and shows something so many times between.

    Its value is the SHA-256 of what it has printed to each stream. Each fifth block goes to stderr. *progress*: a file
    that has as many bytes as blocks were printed.
    """
    blocks = size // (LINE * BLOCK)
    return (
        "import hashlib, os, sys\n"
        "sums = {'stdout': hashlib.sha256(), 'stderr': hashlib.sha256()}\n"
        f"done = os.open({str(progress or '/dev/null')!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        f"for k in range({blocks}):\n"
        f"    text = ''.join('%0{LINE - 1}d\\n' % i for i in range(k * {BLOCK}, (k + 1) * {BLOCK}))\n"
        "    name = 'stderr' if k % 5 == 4 else 'stdout'\n"
        "    getattr(sys, name).write(text)\n"
        "    sums[name].update(text.encode())\n"
        "    os.write(done, b'.')\n"
        f"    if k % {max(1, blocks // shows)} == 0: display(k)\n"
        "os.close(done)\n"
        "' '.join(each.hexdigest() for each in sums.values())"
    )


class Volume:
    """Takes what comes of one such cell; of the text it keeps nothing but what a subclass does."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.value = ""
        self.reply: dict[str, Any] = {}
        self.others: list[Message] = []

    def take(self, message: Message) -> None:
        content = message.content
        if message.type == "stream":
            self._print(content["name"], content["text"])
        elif message.type == "display_data":
            self.shown.append(int(content["data"]["text/plain"]))
        elif message.type == "execute_result":
            self.value = content["data"]["text/plain"].strip("'")
        elif message.type == "execute_reply":
            self.reply = content
        else:
            self.others.append(message)

    def _print(self, name: str, text: str) -> None:
        raise NotImplementedError


class Sum(Volume):
    """Adds up the text."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}
        self.bytes = 0

    def _print(self, name: str, text: str) -> None:
        data = text.encode()
        self.sums[name].update(data)
        self.bytes += len(data)

    @property
    def complete(self) -> bool:
        """Whether the streams are what the cell says that they are."""
        return self.value == " ".join(each.hexdigest() for each in self.sums.values())


class Gaps(Volume):
    """Where text was dropped: what is left of the numbered lines, in order, and what the markers count."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0
        self.dropped = 0
        self.markers = 0
        self.last = {"stdout": -1, "stderr": -1}
        self._begun = {"stdout": "", "stderr": ""}

    def _print(self, name: str, text: str) -> None:
        *lines, self._begun[name] = (self._begun[name] + text).split("\n")
        for line in lines:
            self._line(name, line)

    def _line(self, name: str, line: str) -> None:
        if "dropped here" in line:
            found = DROPPED.search(line)
            assert found, f"a marker that counts no lines: {line!r}"
            self.dropped += int(found[1].replace(",", ""))
            self.markers += 1
            return
        assert re.fullmatch(r"\d{39}", line), f"no whole line: {line!r}"
        assert int(line) > self.last[name], f"line {int(line)} of {name} after {self.last[name]}"
        self.last[name] = int(line)
        self.lines += 1


def wait_idle(address: str, session: str, timeout: float) -> listing.SessionEntry:
    """Until no cell runs in that session any more, asked by a connection of its own. Returns how it is then."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            found = {each.session: each for each in listing.sessions(Address.parse(address))}
        except RpycKernelError:
            continue
        if session in found and found[session].answers and not found[session].busy:
            return found[session]
        time.sleep(0.05)
    raise AssertionError(f"the cell did not end within {timeout} s")


def private_memory(pid: int) -> int:
    """Bytes that only this process has."""
    sizes = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(sizes[name].split()[0]) << 10 for name in ("Private_Clean", "Private_Dirty"))
