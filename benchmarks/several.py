"""Measure one notebook on several machines: what each more costs, and a value that all of them get."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from benchmarks import venvs
from benchmarks.contest import contest
from benchmarks.kernels import Kernel, ours
from benchmarks.processes import private_memory
from benchmarks.servers import Server
from benchmarks.table import TIMES, Row, markdown, seconds

if TYPE_CHECKING:
    from benchmarks.processes import Processes

COLUMN = "rpyc-kernel"
MACHINES = 32
SHARERS = 8
BROADCAST_BYTES = 100_000_000
MOST_MS, MOST_MIB, MOST_OF_ONE = 5.0, 3.0, 1.3
REST_S = 1.0
REPEAT = 5


def several(processes: Processes, rounds: int, notes: list[str]) -> str:
    """Measure all rows, and return the table.

    Args:
        processes: The run.
        rounds: How often each is measured.
        notes: Gets what to say below the table.
    """
    return markdown([COLUMN], [*_cells(processes, rounds, notes), _broadcast(processes, rounds)])


def _connect(kernel: Kernel, port: int, names: list[str]) -> None:
    for name in names:
        answer = kernel.client.run(f"%connect 127.0.0.1:{port} --name {name}", reply_only=True)
        assert answer.content["status"] == "ok", answer.content


def _run(kernel: Kernel, code: str) -> float:
    answer = kernel.client.run(code)
    assert answer.content["status"] == "ok", answer.content
    return answer.end


def _cells(processes: Processes, rounds: int, notes: list[str]) -> list[Row]:
    server = Server(processes, venvs.plain())
    kernel = Kernel(processes, ours(COLUMN, server))
    names = [f"m{number}" for number in range(MACHINES)]
    try:
        _connect(kernel, server.port, names[:1])
        _run(kernel, "%%px\n1+1")
        time.sleep(REST_S)
        before = private_memory([kernel.process.pid])
        _connect(kernel, server.port, names[1:])
        _run(kernel, "%%px\n1+1")
        time.sleep(REST_S)
        each = (private_memory([kernel.process.pid]) - before) / (MACHINES - 1)
        counts = (1, 2, 8, MACHINES)
        targets = {count: ",".join(names[:count]) for count in counts}
        measures = {
            count: lambda count=count: _run(kernel, f"%%px --targets {targets[count]}\n1+1")  # type: ignore[misc]
            for count in counts
        }
        result = contest(measures, rounds, REPEAT)
    finally:
        kernel.close()
    notes.append(
        "`%%px` of `1+1`: " + ", ".join(f"{count}: {seconds(result.middle(count))}" for count in counts) + ". The "
        "machines are sessions on this one, which does their work too."
    )
    more = max((result.middle(count) - result.middle(1)) / (count - 1) for count in counts[1:]) * 1000
    return [
        Row(
            f"`%%px` of `1+1`: each machine more, up to {MACHINES}", f"≤ {MOST_MS:g} ms",
            {COLUMN: f"{more:.1f} ms"}, more > MOST_MS,
        ),
        Row(
            f"memory here, each machine more, of {MACHINES}", f"≤ {MOST_MIB:g} MiB",
            {COLUMN: f"{each:.2f} MiB"}, each > MOST_MIB,
        ),
    ]  # fmt: skip


def _broadcast(processes: Processes, rounds: int) -> Row:
    server = Server(processes, venvs.venv("values", [venvs.RPYC, "numpy", "pandas", "pyarrow"]))
    kernel = Kernel(processes, ours(COLUMN, server))
    names = [f"m{number}" for number in range(SHARERS)]
    try:
        _connect(kernel, server.port, names)
        _run(kernel, "%%px\nimport numpy")
        _run(kernel, f"%%local\nimport numpy\nbig = numpy.random.default_rng(7).random({BROADCAST_BYTES // 8})")
        most, turns = SHARERS * BROADCAST_BYTES * 2, itertools.count(1)
        middle = BROADCAST_BYTES / 8 / 2

        def push(targets: str) -> float:
            turn = next(turns)
            _run(kernel, f"%%local\nbig[0] = {turn}")
            took = _run(kernel, f"%push big --max {most} --targets {targets}")
            # all of them have it now, and all of it: this reads each byte, and is not timed
            read = f"big[0] == {turn} and abs(big[1:].sum() - {middle}) < {middle / 100}"
            _run(kernel, f"%%px --targets {targets}\nassert {read}")
            return took

        push("all")  # the first one loads what copies, at both ends
        result = contest({"one": lambda: push(names[0]), "all": lambda: push("all")}, rounds)
    finally:
        kernel.close()
    ratio = result.ratio("all", "one")
    figure = f"{seconds(result.middle('all'))} ({ratio:.2f} {TIMES} {seconds(result.middle('one'))})"
    what = f"100 MB of float64 pushed to {SHARERS} sessions on one machine, beside one"
    return Row(what, f"≤ {MOST_OF_ONE:g} {TIMES}", {COLUMN: figure}, ratio > MOST_OF_ONE)
