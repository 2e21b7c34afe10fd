"""Measure the memory of a session on the other machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks import venvs
from benchmarks.kernels import Kernel, local, ours
from benchmarks.processes import marked, private_memory
from benchmarks.servers import Server
from benchmarks.table import Row

if TYPE_CHECKING:
    from benchmarks.processes import Processes

LIMITS_MIB = {"3.11": 13.0, "3.8": 9.0}  # by the Python of the other machine
REST_S = 1.0  # after the cell


def memory(processes: Processes, column: str, base: str) -> list[Row]:
    """Measure keeper and worker after ``1+1``, on a machine without IPython, with no asyncio in use.

    Args:
        processes: The run that they belong to.
        column: The column for them.
        base: The column for the local ipykernel.

    Returns:
        A row for each Python of the other machine.
    """
    rows = []
    for version, limit in LIMITS_MIB.items():
        row = Row(f"memory of a session, Python {version} there", f"≤ {limit:g} MiB")
        rows.append(row)
        try:
            server = Server(processes, venvs.plain(version))
        except venvs.MissingError as missing:
            row.cells[column] = str(missing)
            continue
        used = _session(processes, server)
        row.cells[column] = f"{used:.1f} MiB"
        row.missed = used > limit
        if version == venvs.HERE:
            row.cells[base] = f"{_ipykernel(processes):.1f} MiB"
    return rows


def _session(processes: Processes, server: Server) -> float:
    kernel = Kernel(processes, ours("", server))
    try:
        kernel.first("1+1")
        time.sleep(REST_S)
        pids = [pid for pid in marked(server.mark) if pid != server.process.pid]
        assert len(pids) == 3, pids  # the third is the shell that watches over the keeper
        return private_memory(pids)
    finally:
        kernel.close()


def _ipykernel(processes: Processes) -> float:
    kernel = Kernel(processes, local())
    try:
        kernel.first("1+1")
        time.sleep(REST_S)
        return private_memory([kernel.process.pid])
    finally:
        kernel.close()
