"""Measure copies of values: beside a bare socket, beside RPyC's own ``obtain``, and beside Arrow's own format."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import rpyc

import rpyc_kernel
from benchmarks import curve, venvs
from benchmarks.contest import contest, took
from benchmarks.kernels import Kernel, ours
from benchmarks.servers import Server
from benchmarks.table import TIMES, Row, markdown, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Processes
    from rpyc_kernel.live.remote import Remote

COLUMN = "rpyc-kernel"
LARGE_BYTES = 200_000_000
OBTAINED_BYTES = 5_000_000  # by RPyC: its time grows with the square of the size
LARGEST_BYTES = 10**9
MOST_BESIDE_S = 0.1
ROWS = 1_000_000
LEAST_OF_SOCKET, LEAST_OF_OBTAIN, MOST_OF_ARROW, MOST_MEMORY_MIB = 0.5, 40.0, 3.0, 64
_PEAK = """
def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
"""
_TABLE = """
import numpy, pandas
def table(rows):
    random = numpy.random.default_rng(7)
    return pandas.DataFrame({
        "whole": random.integers(0, 10**9, rows),
        "real": random.random(rows),
        "when": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(random.integers(0, 10**7, rows), unit="s"),
        "name": random.integers(0, 10**6, rows).astype(str),
        "kind": pandas.Categorical.from_codes(random.integers(0, 4, rows), ["a", "b", "c", "d"]),
    })
"""


def values(processes: Processes, rounds: int, notes: list[str], about: str | None) -> str:
    """Measure all rows, and return the table.

    Args:
        processes: The run.
        rounds: How often each is measured.
        notes: Gets what to say below the table.
        about: The machine, where docs/values.svg is to be drawn.
    """
    with _connected(processes) as (remote, server):
        rows = [*_speed(remote, server, rounds, notes), *_memory(remote), _table(remote, rounds)]
        rows.append(_sizes(remote, about))
    rows.append(_beside(processes, server))
    return markdown([COLUMN], rows)


def _speed(remote: Remote, server: Server, rounds: int, notes: list[str]) -> list[Row]:
    remote.execute(f"array = numpy.random.default_rng(7).random({LARGE_BYTES // 8})")
    array = remote.value("array")
    result = contest(
        {
            "socket": lambda: socket_rate(LARGE_BYTES),
            "pulled": lambda: LARGE_BYTES / took(lambda: remote.value("array")),
            "pushed": lambda: LARGE_BYTES / took(lambda: remote.push(array=array)),
        },
        rounds,
    )
    stock = rpyc.classic.connect("127.0.0.1", server.port)
    try:
        stock.execute(f"import numpy; array = numpy.random.default_rng(7).random({OBTAINED_BYTES // 8})")
        obtained = OBTAINED_BYTES / took(lambda: rpyc.classic.obtain(stock.namespace["array"]))
    finally:
        stock.close()
    notes.append(
        f"A bare socket's `recv_into` carried {result.middle('socket') / 1e6:,.0f} MB/s in the same run. "
        f"`rpyc.classic.obtain` is measured with {OBTAINED_BYTES / 1e6:g} MB, since its time grows with the square."
    )
    rows = []
    for way in ("pulled", "pushed"):
        share = result.ratio(way, "socket")
        figure = f"{result.middle(way) / 1e6:,.0f} MB/s ({share:.2f} {TIMES})"
        what = f"200 MB of float64 {way}, beside a bare socket"
        rows.append(Row(what, f"≥ {LEAST_OF_SOCKET} {TIMES}", {COLUMN: figure}, share < LEAST_OF_SOCKET))
    factor = result.middle("pulled") / obtained
    what = f"the same pulled, beside `rpyc.classic.obtain` ({obtained / 1e6:,.1f} MB/s)"
    rows.append(
        Row(what, f"≥ {LEAST_OF_OBTAIN:g} {TIMES}", {COLUMN: f"{factor:,.0f} {TIMES}"}, factor < LEAST_OF_OBTAIN)
    )
    return rows


def _memory(remote: Remote) -> list[Row]:
    """Measure by how much more than the value either end grows while it travels."""
    remote.execute(_PEAK)
    mine: dict[str, Any] = {}
    exec(_PEAK, mine)
    rows = []
    for way in ("pulled", "pushed"):
        value = None if way == "pulled" else np.random.default_rng(7).random(LARGE_BYTES // 8)
        remote.execute("pushed = None")
        mine["reset"](), remote.eval("reset()")
        before = mine["status"]("VmRSS"), remote.eval("status('VmRSS')")
        kept = remote.value("array") if way == "pulled" else remote.push(pushed=value)
        peak = mine["status"]("VmHWM"), remote.eval("status('VmHWM')")
        del kept
        grown = [(high - low) / 1024 for high, low in zip(peak, before, strict=True)]
        grown[0 if way == "pulled" else 1] -= LARGE_BYTES / 2**20  # the copy itself
        what = f"memory above the value, at its peak, 200 MB {way}: here, there"
        figure = ", ".join(f"{max(each, 0):.1f} MiB" for each in grown)
        rows.append(Row(what, f"≤ {MOST_MEMORY_MIB} MiB", {COLUMN: figure}, max(grown) > MOST_MEMORY_MIB))
    return rows


def _table(remote: Remote, rounds: int) -> Row:
    """Measure a table of a million rows beside the writing and reading of Arrow's own format, on one machine."""
    import pyarrow as pa

    remote.execute(_TABLE + f"df = table({ROWS})")
    frame = remote.value("df")

    def arrow() -> float:
        sink = pa.BufferOutputStream()
        started = time.perf_counter()
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        pa.ipc.open_stream(sink.getvalue()).read_pandas()
        return time.perf_counter() - started

    result = contest({"arrow": arrow, "copy": lambda: took(lambda: remote.value("df"))}, rounds)
    ratio = result.ratio("copy", "arrow")
    figure = f"{seconds(result.middle('copy'))} ({ratio:.2f} {TIMES} {seconds(result.middle('arrow'))})"
    what = "a DataFrame of a million rows pulled, beside Arrow IPC written and read"
    return Row(what, f"≤ {MOST_OF_ARROW:g} {TIMES}", {COLUMN: figure}, ratio > MOST_OF_ARROW)


def _sizes(remote: Remote, about: str | None) -> Row:
    points = curve.measure(remote)
    if about is not None:
        curve.draw(points, about)
    figure = ", ".join(seconds(point.pulled) for point in points)
    return Row("1 kB, 10 kB, … 1 GB of float64 pulled", "linear", {COLUMN: figure})


def drawn(processes: Processes, about: str) -> str:
    """Measure how the time grows with the size, draw docs/values.svg, and return the row."""
    with _connected(processes) as (remote, _server):
        return markdown([COLUMN], [_sizes(remote, about)])


@contextmanager
def _connected(processes: Processes) -> Iterator[tuple[Remote, Server]]:
    server = Server(processes, venvs.venv("values", [venvs.RPYC, "numpy", "pandas", "pyarrow"]))
    with rpyc_kernel.connect(f"127.0.0.1:{server.port}") as remote:
        remote.execute("import numpy")
        yield remote, server


def _beside(processes: Processes, server: Server) -> Row:
    """Measure how long a completion takes in a notebook to which a GB is moving."""
    kernel = Kernel(processes, ours(COLUMN, server))
    try:
        kernel.first(f"big = bytes({LARGEST_BYTES})")
        kernel.client.complete("bi")  # the first one loads what completes
        other = kernel.front_end()
        other.run("%pull x=1")  # the first one loads what copies, at both ends
        moving = threading.Thread(target=other.run, args=(f"%pull big --max {2 * LARGEST_BYTES}",))
        moving.start()
        took = []
        while moving.is_alive():
            took.append(kernel.client.complete("bi").end)
        moving.join()
        other.close()
    finally:
        kernel.close()
    figure = f"{seconds(median(took))}, at most {seconds(max(took))}"
    what = f"a completion in that notebook while 1 GB is moving ({len(took)} of them)"
    return Row(what, f"≤ {seconds(MOST_BESIDE_S)}", {COLUMN: figure}, max(took) > MOST_BESIDE_S)


def socket_rate(size: int) -> float:
    """Measure how many bytes a second a bare socket of this machine carries into memory, from another process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if not child:
            try:
                with socket.create_connection(listener.getsockname()) as sock:
                    data = memoryview(np.ones(size, np.uint8))
                    sock.recv(1)
                    sock.sendall(data)
                    sock.recv(1)
            finally:
                os._exit(0)
        peer, _address = listener.accept()
        with peer:
            into = memoryview(np.empty(size, np.uint8))
            time.sleep(0.2)  # until the other side has its data
            peer.sendall(b"!")
            started, filled = time.perf_counter(), 0
            while filled < size:
                filled += peer.recv_into(into[filled:])
            took = time.perf_counter() - started
        os.waitpid(child, 0)
    return size / took
