"""Measure kernels side by side on loopback: cells, printing, completion, inspection, interrupts, starting."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from benchmarks.contest import Result, contest
from benchmarks.kernels import Kernel
from benchmarks.table import TIMES, Row, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.client import Client
    from benchmarks.kernels import Contender
    from benchmarks.processes import Processes

LINES = 20_000
LINES_OF_SLOW = 200  # of the predecessor, whose figure is multiplied
TEXT_CHARACTERS = 20_000_000
LOOP = "import time\nprint('here', flush=True)\nwhile True: pass"


def one_plus_one(client: Client) -> float:
    """Run the shortest cell."""
    return client.run("1+1").end


def lines(client: Client, count: int = LINES) -> float:
    """Run a cell that prints many lines, all of which must come."""
    answer = client.run(f"for i in range({count}): print(i)")
    assert answer.printed >= sum(len(str(i)) + 1 for i in range(count)), answer
    return answer.end


def text(client: Client) -> float:
    """Run a cell that prints much at once, all of which must come."""
    answer = client.run(f"print('x' * {TEXT_CHARACTERS})")
    assert answer.printed == TEXT_CHARACTERS + 1, answer
    return answer.end


def completion(client: Client) -> float:
    """Complete, as after a Tab."""
    return client.complete("import os; os.path.j").end


def inspection(client: Client) -> float:
    """Inspect, as after a Shift-Tab."""
    return client.inspect("print").end


def interrupt(client: Client) -> float:
    """Press the stop button while Python is busy."""
    return client.interrupted(LOOP, "here", random.uniform(0.05, 0.1))


class Loopback:
    """The contenders on loopback.

    Args:
        processes: The run that they belong to.
        contenders: All of them.
        base: The one that the others are compared with.
        rounds: How often each of them is measured.
    """

    def __init__(self, processes: Processes, contenders: list[Contender], base: Contender, rounds: int) -> None:
        self._processes = processes
        self._contenders = contenders
        self._base = base
        self._rounds = rounds

    def cells(self) -> list[Row]:
        """Measure kernels that run already."""
        self._kernels = {contender.name: Kernel(self._processes, contender) for contender in self._contenders}
        try:
            for name, kernel in self._kernels.items():
                kernel.first("import os")
                self._warm_up(kernel, slow=name == "rpyc_ikernel")
            return [
                self._row("`1+1`", one_plus_one, 1.3, repeat=25),
                self._row(f"20,000 {TIMES} `print(i)`", lines, 1.2, repeat=3),
                self._row("20 MB in one `print`", text, 1.5),
                self._row("completion", completion, 1.2, repeat=10),
                self._row("inspection", inspection, 1.2, repeat=10),
                self._interrupt_row(),
            ]
        finally:
            for kernel in self._kernels.values():
                kernel.close()

    def _warm_up(self, kernel: Kernel, *, slow: bool) -> None:
        for _ in range(3):
            one_plus_one(kernel.client)
        if not slow:
            lines(kernel.client, 1000)
            completion(kernel.client)

    def _row(self, what: str, measure: Callable[[Client], float], most: float, repeat: int = 1) -> Row:
        def of(kernel: Kernel) -> Callable[[], float]:
            if kernel.contender.name == "rpyc_ikernel" and measure is lines:
                return lambda: lines(kernel.client, LINES_OF_SLOW) * LINES / LINES_OF_SLOW
            return lambda: measure(kernel.client)

        slow = "rpyc_ikernel"
        taking_part = {name: of(kernel) for name, kernel in self._kernels.items() if name != slow}
        result = contest(taking_part, self._rounds, repeat)
        row = self._compared(what, result, most)
        if slow in self._kernels and measure in (one_plus_one, lines):
            alone = contest({slow: of(self._kernels[slow])}, 1, min(repeat, 9))
            base = result.middle(self._base.name)
            about = "about " if measure is lines else ""
            row.cells[slow] = f"{about}{seconds(alone.middle(slow))} ({alone.middle(slow) / base:.1f} {TIMES})"
        return row

    def _compared(self, what: str, result: Result[str], most: float) -> Row:
        row = Row(what, f"≤ {most:g} {TIMES}")
        for name in result.rounds:
            row.cells[name] = seconds(result.middle(name))
            if name != self._base.name:
                ratio = result.ratio(name, self._base.name)
                row.cells[name] += f" ({ratio:.2f} {TIMES})"
                row.missed |= ratio > most
        return row

    def _interrupt_row(self) -> Row:
        kernels = {name: kernel for name, kernel in self._kernels.items() if name != "rpyc_ikernel"}
        result = contest({name: _interrupting(kernel) for name, kernel in kernels.items()}, self._rounds, 3)
        row = Row("interrupt of a tight loop, to its reply", "≤ 50 ms")
        for name in kernels:
            row.cells[name] = seconds(result.middle(name))
            row.missed |= name != self._base.name and result.middle(name) > 0.05
        return row

    def start(self, *, known: bool = False) -> Row:
        """Measure from the start of a kernel's process to the first result, which comes from the server with ours.

        Args:
            known: Whether our kernel is told the machine by an option; else its first cell connects.
        """
        contenders = [contender for contender in self._contenders if contender.name != "rpyc_ikernel"]
        if known:
            contenders = [contender.knowing() for contender in contenders]

        def of(contender: Contender) -> Callable[[], float]:
            def measure() -> float:
                kernel = Kernel(self._processes, contender)
                try:
                    return kernel.first("1+1")
                finally:
                    kernel.close()

            return measure

        result = contest({contender.name: of(contender) for contender in contenders}, self._rounds)
        if known:
            return self._compared("the same, where an option names the machine", result, 1.15)
        return self._compared("start of the kernel to its first result, by `%connect` in its cell", result, 1.45)


def _interrupting(kernel: Kernel) -> Callable[[], float]:
    return lambda: interrupt(kernel.client)
