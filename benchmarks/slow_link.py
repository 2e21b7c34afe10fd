"""Measure how often a cell has to cross a link of 50 ms each way."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from benchmarks.contest import contest
from benchmarks.kernels import Kernel, ours
from benchmarks.loopback import lines, one_plus_one
from benchmarks.servers import Server, SlowLink
from benchmarks.table import TIMES, Row, seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.client import Client
    from benchmarks.processes import Processes

DELAY_S = 0.05  # in each direction
TRIP = "trip"


def slow_link(processes: Processes, pythons: dict[str, Path], rounds: int) -> list[Row]:
    """Measure cells over the link.

    Args:
        processes: The run that they belong to.
        pythons: The Python of the other machine, by column.
        rounds: How often each of them is measured.
    """
    echo = SlowLink(processes, 0, DELAY_S)
    servers = {name: Server(processes, python) for name, python in pythons.items()}
    links = {name: SlowLink(processes, server.port, DELAY_S) for name, server in servers.items()}
    kernels: dict[str, Kernel] = {}
    try:
        for name, server in servers.items():
            kernels[name] = Kernel(processes, ours(name, server, links[name].port))
        with socket.create_connection(("127.0.0.1", echo.port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            trip = contest({TRIP: lambda: _trip(sock)}, rounds).middle(TRIP)
        return [
            Row("a round trip of that link itself", "", {name: seconds(trip) for name in kernels}),
            _row("`%connect` until it is done, first time", _connecting(kernels), 1),
            _row("`%connect --new` later", _connecting(kernels, " --new"), rounds),
            _row("`1+1`", _each(kernels, one_plus_one), rounds, 0.13),
            _row("`print(1); 1+1`", _each(kernels, _print_and_result), rounds, 0.13),
            _row(
                f"10,000 {TIMES} `print(i)`",
                _each(kernels, _many_lines),
                rounds,
                target="a round trip and the bandwidth",
            ),
            _row("a line of a cell that goes on, until it is seen", _each(kernels, _line_before_sleep), rounds, 0.13),
        ]
    finally:
        for kernel in kernels.values():
            kernel.close()


def _row(what: str, measures: dict[str, Callable[[], float]], rounds: int, most: float = 0, target: str = "") -> Row:
    result = contest(measures, rounds)
    row = Row(what, target or (f"≤ {most * 1000:.0f} ms" if most else ""))
    for name in measures:
        row.cells[name] = seconds(result.middle(name))
        row.missed |= bool(most) and result.middle(name) > most
    return row


def _each(kernels: dict[str, Kernel], measure: Callable[[Client], float]) -> dict[str, Callable[[], float]]:
    def of(kernel: Kernel) -> Callable[[], float]:
        return lambda: measure(kernel.client)

    return {name: of(kernel) for name, kernel in kernels.items()}


def _connecting(kernels: dict[str, Kernel], option: str = "") -> dict[str, Callable[[], float]]:
    def of(kernel: Kernel) -> Callable[[], float]:
        def measure() -> float:
            if not option:
                kernel.client.run("$exec('1')")  # until the kernel itself is there
            answer = kernel.client.run(kernel.contender.connect.strip() + option)
            assert answer.content["status"] == "ok", answer.content
            return answer.reply

        return measure

    return {name: of(kernel) for name, kernel in kernels.items()}


def _trip(sock: socket.socket) -> float:
    started = time.perf_counter()
    sock.sendall(b"x")
    sock.recv(1)
    return time.perf_counter() - started


def _print_and_result(client: Client) -> float:
    return client.run("print(1); 1+1").end


def _many_lines(client: Client) -> float:
    return lines(client, 10_000)


def _line_before_sleep(client: Client) -> float:
    answer = client.run("import time; print(1); time.sleep(1)")
    assert answer.end > 1, answer
    return answer.shown
