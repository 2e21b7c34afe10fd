"""``%time`` and ``%%time``. The standard library has no form for times in a text."""

from __future__ import annotations

import os
import time

from .usage import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

    from ..shell import PlainShell


async def time_line(shell: PlainShell, line: str, local: Any) -> Outcome:
    """``%time STATEMENT``: run it once and print CPU and wall time."""
    filename = shell.compiler.name("%time", line)
    return await _timed(shell, line, filename, local, 0)


async def time_cell(shell: PlainShell, line: str, cell: str, local: Any) -> Outcome:
    """``%%time``: run the cell and print CPU and wall time. Code in the first line runs before."""
    if line.strip():
        first = await shell.run_source(line, shell.compiler.name("%%time", line), local)
        if first.error is not None:
            return first
    filename, before = body_place(shell, cell)
    return await _timed(shell, cell, filename, local, before)


async def _timed(shell: PlainShell, source: str, filename: str, local: Any, before: int) -> Outcome:
    try:
        steps = shell.prepare(source, filename, "eval", before)
    except Exception as error:
        return Outcome(error=error)
    user, system = _cpu()
    start = time.perf_counter()
    outcome = await shell.run_steps(steps, local)
    wall = time.perf_counter() - start
    end_user, end_system = _cpu()
    user, system = end_user - user, end_system - system
    print("CPU times: user %s, sys: %s, total: %s" % tuple(map(format_time, (user, system, user + system))))
    print("Wall time: %s" % format_time(wall))
    return outcome


def body_place(shell: PlainShell, body: str) -> Tuple[str, int]:
    """File name for the body of a cell magic, and how many lines stand above it: errors point into the cell."""
    cell, filename = shell.cell
    if filename and cell.endswith(body):
        return filename, cell[: len(cell) - len(body)].count("\n")
    return shell.compiler.name("cell magic", body), 0


def format_time(seconds: float, precision: int = 3) -> str:
    """``1min 2s``, ``12.3 ms``, ``450 ns``."""
    if seconds >= 60:
        parts = []
        rest = int(seconds)
        for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
            count, rest = divmod(rest, length)
            if count:
                parts.append("%d%s" % (count, unit))
        return " ".join(parts)
    if seconds <= 0:
        return "0 ns"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("\xb5s", 1e-6)):
        if seconds >= size:
            return "%.*g %s" % (precision, seconds / size, unit)
    return "%.*g ns" % (precision, seconds / 1e-9)


def _cpu() -> Tuple[float, float]:
    """CPU seconds of this process, user and system."""
    try:
        import resource
    except ImportError:
        times = os.times()
        return times.user, times.system
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime
