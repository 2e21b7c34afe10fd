"""More output than anybody reads: bounded memory, nothing lost uncounted, and nothing at all while one reads."""

from __future__ import annotations

import errno
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpyc_kernel.agent.wire import Message
from tests.faults.clock import Clock
from tests.faults.processes import WORKER_AND_KEEPER, pids
from tests.faults.proxy import Proxy
from tests.faults.volumes import BLOCK, LINE, MIB, Gaps, Sum, Volume, printing, private_memory, wait_idle
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import Message as Shown
from tests.servers.sessions import Session

ALL, LESS = 2000 * MIB, 80 * MIB  # what is printed, and what in `make test`
SHOWS = 20
MEMORY, SPILL = 32 * MIB, 256 * MIB  # what the keeper takes while nobody listens, unless told
LIMIT = 8 * MIB  # and while somebody does
FREE = 24 * MIB  # bytes of a keeper's memory that are not its journal, at the most

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
def sizes(clock: Clock) -> dict[str, int]:
    """For a session: smaller limits where less is printed."""
    if clock.is_full:
        return {}
    return {"journal_memory": clock.number(MEMORY), "journal_spill": clock.number(SPILL)}


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


def begin(session: Session, code: str, into: Volume) -> str:
    """Start a cell, and take what comes until it prints."""
    cell = session.start(code)
    for message in session.until("stream", cell):
        into.take(message)
    return cell


def finish(session: Session, cell: str, into: Volume, timeout: float) -> None:
    """Take what comes of it until its reply."""
    deadline = time.monotonic() + timeout
    while not into.reply:
        message = session.messages.get(timeout=max(0.01, deadline - time.monotonic()))
        if message.parent == cell:
            into.take(message)


def test_2_gb_while_nobody_listens(remote: Remote, proxy: Proxy, clock: Clock, sizes: dict[str, int]) -> None:
    """The oldest text is dropped and counted; displays, the result and the reply are all there, and so is the end."""
    size = ALL if clock.is_full else LESS
    with Session(proxy.address, **sizes) as session:
        _worker, keeper = pids(session.run(WORKER_AND_KEEPER)[0])
        found = Gaps()
        cell = begin(session, printing(size, SHOWS), found)
        proxy.refuse(3600)
        wait_idle(remote.address, session.link.session, clock.patience(600))
        assert private_memory(keeper) < sizes.get("journal_memory", MEMORY) + FREE
        proxy.refuse(0)
        finish(session, cell, found, clock.patience(600))
        counted(found, size)
        assert found.lines * LINE > sizes.get("journal_spill", SPILL) // 2
        assert session.run("1 + 1")[0] == "2"
        assert private_memory(keeper) < FREE


def test_200_mb_while_nobody_listens_are_all_kept(
    remote: Remote, proxy: Proxy, clock: Clock, sizes: dict[str, int]
) -> None:
    """What memory has no room for waits on the disk."""
    size = clock.number(200 * MIB)
    with Session(proxy.address, **sizes) as session:
        found = Sum()
        cell = begin(session, printing(size, SHOWS), found)
        proxy.refuse(3600)
        waiting = wait_idle(remote.address, session.link.session, clock.patience(600))
        assert waiting.unread_bytes > 2 * sizes.get("journal_memory", MEMORY)
        proxy.refuse(0)
        finish(session, cell, found, clock.patience(600))
        complete(found, size)


@pytest.mark.needs("tmpfs")
def test_a_disk_that_fills_up_while_nobody_listens(clock: Clock, sizes: dict[str, int]) -> None:
    """Somebody else's file takes the room in the middle: what is kept is less, and what is dropped is counted."""
    size = 600 * MIB if clock.is_full else LESS
    with small_disk("bare", clock.number(120 * MIB, 20 * MIB)) as remote, Proxy(remote.port) as proxy:
        with Session(proxy.address, **sizes, journal_margin=0) as session:
            found = Gaps()
            cell = begin(session, printing(size, SHOWS), found)
            proxy.refuse(3600)
            fill(remote.home)
            waiting = wait_idle(remote.address, session.link.session, clock.patience(600))
            assert waiting.unread_bytes < clock.number(120 * MIB, 20 * MIB) + sizes.get("journal_memory", MEMORY)
            proxy.refuse(0)
            finish(session, cell, found, clock.patience(600))
            counted(found, size)
            assert session.run("1 + 1")[0] == "2"


@contextmanager
def small_disk(kind: str, size: int) -> Iterator[Remote]:
    """A machine whose home is on a disk of that size."""
    remote = Remote(kind)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(remote.home)], check=True)
    try:
        with remote:
            yield remote
            remote.stop()
            subprocess.run(["umount", "-l", str(remote.home)], check=True)
    except BaseException:
        subprocess.run(["umount", "-l", str(remote.home)], check=False, capture_output=True)
        raise


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for _ in range(1 << 20):
            try:
                file.write(bytes(64 << 10))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return


def counted(found: Gaps, size: int) -> None:
    """Nothing is missing that isn't counted, and only text."""
    blocks = size // (LINE * BLOCK)
    assert found.markers
    assert found.lines + found.dropped == blocks * BLOCK
    assert max(found.last.values()) == blocks * BLOCK - 1
    assert found.shown == list(range(0, blocks, blocks // SHOWS))
    assert found.reply["status"] == "ok"
    assert found.value


def complete(found: Sum, size: int) -> None:
    blocks = size // (LINE * BLOCK)
    assert found.bytes == blocks * LINE * BLOCK
    assert found.complete
    assert found.shown == list(range(0, blocks, blocks // SHOWS))
    assert found.reply["status"] == "ok"


class Pausing(Session):
    """Once it is told to, pauses at the next text until it may go on."""

    pausing = False

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.paused, self.go_on = threading.Event(), threading.Event()

    def on_message(self, message: Message, backlog: bool) -> None:
        if self.pausing and message.type == "stream" and not self.paused.is_set():
            self.paused.set()
            self.go_on.wait()
        super().on_message(message, backlog)


def test_2_gb_to_a_reader_that_pauses(remote: Remote, clock: Clock, tmp_path: Path) -> None:
    """The worker is held back meanwhile, and nothing is lost."""
    size = ALL if clock.is_full else LESS
    progress = tmp_path / "progress"
    with Pausing(remote.address) as session:
        found, paused, go_on = Sum(), session.paused, session.go_on
        _worker, keeper = pids(session.run(WORKER_AND_KEEPER)[0])
        session.pausing = True
        cell = session.start(printing(size, SHOWS, progress=progress))
        assert paused.wait(30)
        held = settled(progress)
        assert held * LINE * BLOCK < size // 2, "the worker was not held back"
        clock.sleep(10)
        assert progress.stat().st_size == held
        assert private_memory(keeper) < 4 * LIMIT + FREE
        go_on.set()
        finish(session, cell, found, clock.patience(600))
        complete(found, size)


def test_a_front_end_that_pauses(remote: Remote, clock: Clock, tmp_path: Path) -> None:
    """The same through a kernel, whose messages ZeroMQ would drop when its queues are full."""
    size = (400 if clock.is_full else 200) * MIB
    progress = tmp_path / "progress"
    kernel = Kernel(clock.kernel_option)
    with kernel as first:
        client = Client(kernel.manager.connection_file, kernel.alive, room=1000)
        try:
            client.ready()
            kernel.dismiss(first)
            client.good(f"%connect {remote.address}")
            cell = client.start(printing(size, SHOWS, progress=progress))
            client.wait_for(lambda: cell.messages)
            held = settled(progress)
            assert held * LINE * BLOCK < size, "the worker was not held back"
            client.finish(cell, clock.patience(600))
            found = Sum()
            for message in cell.messages:
                found.take(wire_message(message))
            found.reply = cell.reply or {}
            complete(found, size)
            client.good("%disconnect --end")
        finally:
            client.close()


def wire_message(shown: Shown) -> Message:
    return Message(shown.kind, shown.content)


def settled(progress: Path) -> int:
    """How far the worker has come, once it stands."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        size = progress.stat().st_size
        time.sleep(0.5)
        if progress.stat().st_size == size:
            return size
    raise AssertionError("the worker went on for 30 s")


def test_a_reader_a_hundred_times_slower_than_the_worker(
    remote: Remote, proxy: Proxy, clock: Clock, tmp_path: Path
) -> None:
    """All of it comes, and the worker is held back at the limit of the journal."""
    size = clock.number(400 * MIB, 40 * MIB)
    with Session(remote.address) as session:
        found = Sum()
        started = time.monotonic()
        finish(session, begin(session, printing(size, SHOWS), found), found, clock.patience(600))
        fast = size / (time.monotonic() - started)
    size = int(max(fast * 0.01 * clock(30), MIB))
    with Session(proxy.address, journal_limit=size // 8) as session:
        _worker, keeper = pids(session.run(WORKER_AND_KEEPER)[0])
        found = Sum()
        proxy.rate = fast / 100
        started = time.monotonic()
        cell = begin(session, printing(size, SHOWS, progress=tmp_path / "progress"), found)
        finish(session, cell, found, clock.patience(600))
        complete(found, size)
        assert size / (time.monotonic() - started) < fast / 20
        assert private_memory(keeper) < FREE
