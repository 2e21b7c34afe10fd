"""Take over a session with a hundred thousand unread lines, in a notebook on a real Jupyter server."""

from __future__ import annotations

import json
import sys
import time
import uuid
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.jupyter import JupyterServer
from benchmarks.servers import Server
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.servers.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.jupyter import Page
    from benchmarks.processes import Processes

LINES = 100_000
LINE = "{:<39}\n"  # 40 bytes
PRINT_TIMEOUT_S = 60.0
EXCEEDED = "rate exceeded"


@dataclass
class Replay:
    """What the page got.

    Attributes:
        seconds: From the cell with ``%attach`` to the last line.
        lost: Lines that didn't come.
        doubled: Lines that came again.
        reordered: Lines that came before an earlier one.
        complaints: Messages of Jupyter about its rate limits.
        errors: The texts of errors that the cell has shown.
        unread_bytes: What the session had kept before.
    """

    seconds: float
    lost: int
    doubled: int
    reordered: int
    complaints: int
    errors: list[str]
    unread_bytes: int


def replays(processes: Processes, python: Path, rounds: int, lines: int = LINES) -> Iterator[Replay]:
    """Print in a session whose notebook is gone, attach to it from another notebook, and count what comes.

    Args:
        processes: The run that they belong to.
        python: The Python of the other machine.
        rounds: How often.
        lines: How many lines.
    """
    server = Server(processes, python)
    address = f"127.0.0.1:{server.port}"
    spec = {
        "argv": [sys.executable, "-m", "rpyc_kernel", "-f", "{connection_file}"],
        "display_name": "",
        "language": "python",
    }
    folder = processes.folder / "share" / "kernels" / "rpyc"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({**spec, "interrupt_mode": "message"}))
    jupyter = JupyterServer(processes, folder.parents[1])
    for _ in range(rounds):
        name = uuid.uuid4().hex
        session = Session(address, name=name, keep=3600.0)
        session.__enter__()
        session.start(f"import time; time.sleep(0.5)\nfor i in range({lines}): print(f'{{i:<39}}')")
        time.sleep(0.2)  # it runs
        session.link.close(end=False)  # and the laptop is closed
        entry = _printed(address, name)
        with jupyter.page("rpyc") as page:
            page.messages(page.start("$exec('1')"))  # until the kernel itself is there
            yield _attach(page, name, address, lines, entry.unread_bytes)
        listing.end(Address.parse(address), entry)


def _printed(address: str, name: str) -> listing.SessionEntry:
    """Wait until the cell has ended on the other machine."""
    end = time.monotonic() + PRINT_TIMEOUT_S
    while time.monotonic() < end:
        entry = listing.choose(listing.sessions(Address.parse(address)), name)
        if not entry.busy:
            return entry
        time.sleep(0.2)
    raise TimeoutError(f"the cell did not end within {PRINT_TIMEOUT_S:g} s: {entry}")


def _attach(page: Page, name: str, address: str, lines: int, unread: int) -> Replay:
    began = time.perf_counter()
    came = page.messages(page.start(f"%attach {name} {address}"))
    streams = [(at, message["content"]) for at, message in came if message["msg_type"] == "stream"]
    text = "".join(content["text"] for _at, content in streams if content["name"] == "stdout")
    numbers = [int(line) for line in text.splitlines() if line.strip().isdigit()]
    last = max((at for at, content in streams if content["name"] == "stdout"), default=began)
    return Replay(
        seconds=last - began,
        lost=lines - len(set(numbers)),
        doubled=len(numbers) - len(set(numbers)),
        reordered=sum(one > other for one, other in pairwise(numbers)),
        complaints=sum(EXCEEDED in content["text"] for _at, content in streams),
        errors=[message["content"]["evalue"] for _at, message in came if message["msg_type"] == "error"],
        unread_bytes=unread,
    )
