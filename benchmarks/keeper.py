"""Measure what a keeper costs: its memory, and the time that its journal takes from a cell that prints.

The time is compared between sessions of two agents, in turns on one server. One agent is ours. The other one's journal
passes messages on and keeps none, so that it has no numbers and acknowledgements to look after, and nothing for a new
link, for ``%replay`` and for the disk. It joins text as ours does, since it would be slower otherwise.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import venvs
from benchmarks.contest import contest
from benchmarks.servers import Server
from rpyc_kernel.transport import broker_client
from tests.servers.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.processes import Processes

JOURNAL = "keeper/outbox/journal.py"
FORWARDER = '''

class Forwarder(Journal):
    """Passes on, and keeps nothing."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.waiting = deque()
        self.number = 0
        self.waiting_bytes = self.waiting_urgent = 0

    unread = unsent = property(lambda self: len(self.waiting))
    unread_bytes = unsent_bytes = size = property(lambda self: self.waiting_bytes)
    urgent = property(lambda self: self.waiting_urgent)
    last = property(lambda self: self.number + len(self.waiting))
    full = property(lambda self: self.waiting_bytes >= self.limit)
    listening = property(lambda self: True, lambda self, listening: None)

    def add_text(self, name, parent, data):
        self.waiting_bytes += len(data)
        if self.waiting:
            last = self.waiting[-1]
            if last[0] == name and last[1] == parent and len(last[2]) + len(data) <= CHUNK_BYTES:
                last[2].extend(data)
                return
        for piece in wire.text_pieces(data, CHUNK_BYTES):
            self.waiting.append((name, parent, bytearray(piece)))

    def add_packet(self, packet, urgent):
        self.waiting.append(("", urgent, packet))
        self.waiting_bytes += len(packet)
        self.waiting_urgent += urgent

    def take(self, max_bytes):
        first, packets, total = self.number + 1, [], 0
        while self.waiting and (not packets or total < max_bytes):
            name, parent, data = self.waiting.popleft()
            self.number += 1
            self.waiting_bytes -= len(data)
            if not name:
                self.waiting_urgent -= parent
            packets.append(wire.stream_packet(name, parent, data) if name else data)
            total += len(data)
        return first, packets

    def acknowledge(self, number):
        self.acknowledged = max(self.acknowledged, number)

    def rewind(self):
        pass


Journal = Forwarder
'''

OURS, ABLATED = "with the journal", "without"
LINES = "for i in range(200_000): print(i)"
TEXT = "for i in range(10): print('x' * 10_000_000)"
MIXED = (
    "import sys\nfor i in range(20_000):\n    print('line', i)\n"
    "    if i % 10 == 0: print('noise', i, file=sys.stderr)\n"
    "    if i % 100 == 0: display({'text/plain': 'shown %d' % i, 'text/html': '<b>' + 'x' * 2000}, raw=True)"
)
WORK = {"200,000 lines": LINES, "100 MB of text": TEXT, "20,000 lines, noise and displays": MIXED}
REST_S = 1.0  # after the cell, before the memory is measured


def memory(processes: Processes, version: str) -> float:
    """Measure a keeper's own memory after ``1+1``, with an empty journal.

    Args:
        processes: The run that it belongs to.
        version: The Python of the other machine, as ``"3.8"``.

    Returns:
        MiB that no other process shares (USS).
    """
    server = Server(processes, venvs.plain(version))
    with Session(f"127.0.0.1:{server.port}") as session:
        session.run("1+1")
        time.sleep(REST_S)
        rollup = Path(f"/proc/{_keeper_of(session)}/smaps_rollup").read_text()
    kilobytes = [
        int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Private_Clean", "Private_Dirty"))
    ]
    assert len(kilobytes) == 2, rollup
    return sum(kilobytes) / 1024


class Cost:
    """What the journal costs with one kind of output.

    Attributes:
        seconds: The time with the journal.
        ratio: The time with the journal, divided by the time without.
        cpu_ratio: The same of the keeper's CPU time.
    """

    def __init__(self, seconds: float, ratio: float, cpu_ratio: float) -> None:
        self.seconds = seconds
        self.ratio = ratio
        self.cpu_ratio = cpu_ratio


def journalling(processes: Processes, rounds: int) -> dict[str, Cost]:
    """Let cells print with and without a journal in turns, over a link that reads as fast as it can."""
    server = Server(processes, venvs.plain())
    address = f"127.0.0.1:{server.port}"
    costs = {}
    with Session(address) as ours, ablated(), Session(address) as without:
        sessions = {OURS: ours, ABLATED: without}
        for session in sessions.values():
            session.run(MIXED)  # warm
        for what, code in WORK.items():
            cpu: dict[str, list[float]] = {name: [] for name in sessions}

            def of(name: str, code: str = code, cpu: dict[str, list[float]] = cpu) -> Callable[[], float]:
                return lambda: _run(sessions[name], code, cpu[name])

            result = contest({name: of(name) for name in sessions}, rounds)
            cpu_ratio = median(one / other for one, other in zip(cpu[OURS], cpu[ABLATED], strict=True))
            costs[what] = Cost(result.middle(OURS), result.ratio(OURS, ABLATED), cpu_ratio)
    return costs


def _run(session: Session, code: str, cpu: list[float]) -> float:
    keeper = _keeper_of(session)
    before, began = _cpu(keeper), time.perf_counter()
    _text, reply = session.run(code)
    seconds = time.perf_counter() - began
    assert reply["status"] == "ok", reply
    cpu.append(_cpu(keeper) - before)
    return seconds


@contextmanager
def ablated() -> Iterator[None]:
    """Give the sessions that begin meanwhile a keeper without a journal."""
    before = broker_client.agent_text
    sources = json.loads(before()[1])
    sources[JOURNAL] += FORWARDER
    text = json.dumps(sources, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    broker_client.agent_text = lambda: (digest, text)  # type: ignore[assignment]
    try:
        yield
    finally:
        broker_client.agent_text = before


def _keeper_of(session: Session) -> int:
    """Find the process that has forked the worker."""
    stat = Path(f"/proc/{session.info['pid']}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def _cpu(pid: int) -> float:
    """Tell for how many seconds a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
