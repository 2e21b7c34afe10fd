"""Measure a round trip of a live connection into a session, beside RPyC's own classic connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rpyc

import rpyc_kernel
from benchmarks.contest import contest
from benchmarks.table import TIMES, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.servers import Server

CALLS = 100  # of which one is measured together
WARM_UP_CALLS = 1000  # in which the live connection gets its shortcut, and both their caches
MOST = 3.0


def round_trip(server: Server, column: str, rounds: int) -> Row:
    """Measure `eval` of a number, by either connection to the same stock server.

    Args:
        server: The server.
        column: The column of the figure.
        rounds: How often each is measured.
    """

    def of(evaluate: Callable[[str], object]) -> Callable[[], float]:
        def measure() -> float:
            started = time.perf_counter()
            for _ in range(CALLS):
                evaluate("1")
            return (time.perf_counter() - started) / CALLS

        for _ in range(WARM_UP_CALLS // CALLS):
            measure()
        return measure

    stock = rpyc.classic.connect("127.0.0.1", server.port)
    try:
        with rpyc_kernel.connect(f"127.0.0.1:{server.port}") as remote:
            result = contest({"stock": of(stock.eval), "live": of(remote.eval)}, rounds, 5)
    finally:
        stock.close()
    ratio = result.ratio("live", "stock")
    figure = f"{result.middle('live') * 1e6:.0f} µs ({ratio:.2f} {TIMES} {result.middle('stock') * 1e6:.0f} µs)"
    return Row('a round trip of `remote`, `remote.eval("1")`', f"≤ {MOST:g} {TIMES}", {column: figure}, ratio > MOST)
