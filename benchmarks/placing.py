"""Measure a session that a Dask cluster places, beside one that is started on this machine without it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.contest import contest
from benchmarks.table import TIMES, Row, markdown, seconds
from rpyc_kernel.transport import program
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.ways import dask
from tests.servers.dask_clusters import DaskCluster
from tests.servers.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN, PLACED = "`local:`", "`dask://`"
MOST = 1.5


def placing(rounds: int) -> str:
    """Measure from nothing to the reply of the first cell, and return the table.

    Args:
        rounds: How often each is measured; one more before, in which Dask is imported and the agent is sent.
    """
    with DaskCluster() as cluster:

        def plain() -> float:
            program._end_all()
            program._programs.clear()
            return _took(lambda: Address.parse("local:"))

        def placed() -> float:
            dask._latest.clear()
            return _took(lambda: Address.parse(cluster.address).locate()[0])

        measures = {PLAIN: plain, PLACED: placed}
        for measure in measures.values():
            measure()
        result = contest(measures, rounds)
    ratio = result.ratio(PLACED, PLAIN)
    cells = {PLAIN: seconds(result.middle(PLAIN)), PLACED: f"{seconds(result.middle(PLACED))} ({ratio:.2f} {TIMES})"}
    return markdown([PLAIN, PLACED], [Row("connect and `1+1`", f"≤ {MOST} {TIMES}", cells, ratio > MOST)])


def _took(find: Callable[[], Address]) -> float:
    begun = time.perf_counter()
    with Session(str(find())) as session:
        session.run("1+1")
        return time.perf_counter() - begun
