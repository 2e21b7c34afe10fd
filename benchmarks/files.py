"""Measure files: many small ones beside tar, a large one beside a bare socket, and a folder that has not changed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import venvs
from benchmarks.contest import contest
from benchmarks.servers import Server
from benchmarks.table import TIMES, Row, markdown, seconds
from rpyc_kernel.files.get import get
from rpyc_kernel.files.put import put
from rpyc_kernel.files.session import OwnSession, opened
from rpyc_kernel.files.sync import FolderSync
from rpyc_kernel.hosts.target import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.processes import Processes

COLUMN = "rpyc-kernel"
FILES, FILE_BYTES, FOLDERS = 5000, 2000, 50
LARGE_BYTES = 1_000_000_000
MOST_OF_TAR, LEAST_OF_SOCKET, MOST_UNCHANGED_S = 2.0, 0.5, 0.5
PIECE_BYTES, BARE_BYTES = 1 << 20, 4 << 20


def files(processes: Processes, rounds: int, notes: list[str]) -> str:
    """Measure all rows, and return the table.

    Args:
        processes: The run.
        rounds: How often each is measured.
        notes: Gets what to say below the table.
    """
    server = Server(processes, venvs.plain())
    folder = Path(tempfile.mkdtemp(prefix="rk-bench-"))
    try:
        with opened(find(f"127.0.0.1:{server.port}"), "bench", threading.Event()) as session:
            rows = [*_small(session, folder, rounds), *_large(session, folder, rounds, notes)]
            return markdown([COLUMN], rows)
    finally:
        shutil.rmtree(folder)


def _small(session: OwnSession, folder: Path, rounds: int) -> list[Row]:
    source = folder / "many"
    for number in range(FILES):
        path = source / str(number % FOLDERS) / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(FILE_BYTES))
    result = contest(
        {
            "tar": lambda: _fresh(folder, lambda target: _tar(source, target)),
            "put": lambda: _fresh(folder, lambda target: _copied(put, session, source, target)),
            "got": lambda: _fresh(folder, lambda target: _copied(get, session, source, target)),
        },
        rounds,
    )
    rows = []
    for way in ("put", "got"):
        ratio = result.ratio(way, "tar")
        figure = f"{seconds(result.middle(way))} ({ratio:.2f} {TIMES} {seconds(result.middle('tar'))})"
        what = f"{FILES:,} files of 2 KB {way}, beside `tar \\| socket \\| tar`"
        rows.append(Row(what, f"≤ {MOST_OF_TAR:g} {TIMES}", {COLUMN: figure}, ratio > MOST_OF_TAR))
    sync = FolderSync(str(source), str(folder / "synced"))

    def synced() -> float:
        return _took(lambda: sync.run(session, session.name, threading.Event()))

    synced()
    unchanged = contest({"sync": synced}, rounds).middle("sync")
    what = f"`%sync` of {FILES:,} files of which none has changed"
    late = unchanged > MOST_UNCHANGED_S
    return [*rows, Row(what, f"≤ {MOST_UNCHANGED_S:g} s", {COLUMN: seconds(unchanged)}, late)]


def _large(session: OwnSession, folder: Path, rounds: int, notes: list[str]) -> list[Row]:
    source = folder / "large"
    with source.open("wb") as file:
        for _ in range(LARGE_BYTES // 10_000_000):
            file.write(os.urandom(10_000_000))
    result = contest(
        {
            "socket": _bare_socket,
            "file": lambda: LARGE_BYTES / _fresh(folder, lambda target: _through_socket(source, target)),
            "put": lambda: LARGE_BYTES / _fresh(folder, lambda target: _copied(put, session, source, target)),
            "got": lambda: LARGE_BYTES / _fresh(folder, lambda target: _copied(get, session, source, target)),
        },
        rounds,
    )
    bare, through = (f"{result.middle(each) / 1e6:,.0f} MB/s" for each in ("socket", "file"))
    notes.append(
        f"A bare socket carried {bare} between two processes with the same 4 MiB again and again, and {through} from "
        "a file to a file (`sendfile`, and `recv_into` with `write`): what is between these is the writing of files."
    )
    rows = []
    for way in ("put", "got"):
        share, of_files = result.ratio(way, "socket"), result.ratio(way, "file")
        rate = f"{result.middle(way) / 1e6:,.0f} MB/s"
        figure = f"{rate} ({of_files:.2f} {TIMES}; {share:.2f} {TIMES} of memory to memory)"
        what = f"a file of 1 GB {way}, beside a bare socket from file to file"
        rows.append(Row(what, f"≥ {LEAST_OF_SOCKET} {TIMES}", {COLUMN: figure}, of_files < LEAST_OF_SOCKET))
    return rows


def _fresh(folder: Path, copy: Callable[[Path], None]) -> float:
    """Return the seconds that copying to a place takes where nothing is yet."""
    target = folder / "target"
    try:
        return _took(lambda: copy(target))
    finally:
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()


def _copied(copy: Callable[..., object], session: OwnSession, source: Path, target: Path) -> None:
    copy(session, session.name, [str(source)], str(target), threading.Event(), recursive=source.is_dir())


def _tar(source: Path, target: Path) -> None:
    target.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as there:
            here, _address = listener.accept()
            unpack = subprocess.Popen(["tar", "xf", "-", "-C", str(target)], stdin=there.fileno())
        with here:
            subprocess.run(["tar", "cf", "-", "-C", str(source), "."], stdout=here.fileno(), check=True)
            here.shutdown(socket.SHUT_WR)
        if unpack.wait():
            raise RuntimeError("tar failed")


def _through_socket(source: Path, target: Path) -> None:
    """Copy a file as directly as Python can: one thread sends it, this one writes it."""

    def send() -> None:
        there, _address = listener.accept()
        with there, source.open("rb") as file:
            there.sendfile(file)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=send)
        sender.start()
        memory = memoryview(bytearray(PIECE_BYTES))
        with socket.create_connection(listener.getsockname()) as sock, target.open("wb") as file:
            while count := sock.recv_into(memory):
                file.write(memory[:count])
        sender.join()


def _bare_socket() -> float:
    """Measure how many bytes a second a bare socket carries from another process, with nothing done with them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if not child:
            try:
                with socket.create_connection(listener.getsockname()) as sock:
                    data, left = memoryview(bytearray(BARE_BYTES)), LARGE_BYTES
                    while left:
                        left -= sock.send(data[:left])
            finally:
                os._exit(0)
        peer, _address = listener.accept()
        with peer:
            into, left = memoryview(bytearray(BARE_BYTES)), LARGE_BYTES
            started = time.perf_counter()
            while left:
                left -= peer.recv_into(into[:left])
            took = time.perf_counter() - started
        os.waitpid(child, 0)
    return LARGE_BYTES / took


def _took(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
