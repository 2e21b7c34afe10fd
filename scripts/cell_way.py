"""`make way`: list the modules of ours that the cell `1+1` runs through, from `do_execute` to the shell and back.

    python scripts/cell_way.py

A kernel and a stock RPyC server are started, each with `profiled/sitecustomize.py`, which the keeper and the worker
inherit. The cell runs several times. A module that is called in each of these times belongs to the way; the modules
stand in the order of their first calls in the shortest run. The first line has their number; then comes one line for
each process and module: the process, the file, and the functions. Another version is measured where PYTHONPATH names
its `src` folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager
from stock_server import stock_server

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = "1+1"
TIMES = 5  # what comes by the clock is in some of them only
TIMEOUT_S = 60.0
BEGIN = "RpycKernel.do_execute"
# A process is named by a module that runs in no other while a cell does.
PROCESSES = {
    "kernel.kernel": "kernel",
    "agent.broker": "server",
    "agent.keeper.loop": "keeper",
    "agent.worker.cells": "worker",
}


@dataclass(frozen=True)
class Call:
    """A function of ours that was called, or left."""

    time_ns: int
    process: int
    event: str
    module: str  #: without ``rpyc_kernel.``
    function: str


@dataclass(frozen=True)
class Hop:
    """What one process runs of one module."""

    process: str
    module: str
    functions: tuple[str, ...]

    @property
    def file(self) -> str:
        """The module's file, relative to the package."""
        return self.module.replace(".", "/") + ".py"


def way() -> list[Hop]:
    """Run the cell, and find what it runs through.

    Returns:
        One hop for each process and module, in the order of their first calls.

    Raises:
        RuntimeError: The cell didn't give 2.
    """
    with tempfile.TemporaryDirectory(prefix="rpyc-kernel-way-") as folder:
        log = Path(folder, "calls")
        log.touch(0o600)
        with profiled(log), stock_server(Path(folder, "server.log"), preferred=0) as port:
            times = run(f"127.0.0.1:{port}")
        calls = [parse(line) for line in log.read_text("utf-8").splitlines()]
    runs = [of_cell(calls, began, ended) for began, ended in times]
    names = {call.process: PROCESSES[call.module] for run in runs for call in run if call.module in PROCESSES}
    always = set.intersection(*({(call.process, call.module) for call in run} for run in runs))
    hops: dict[tuple[str, str], dict[str, None]] = {}
    for call in min(runs, key=len):  # the others have more that comes by the clock
        if (call.process, call.module) in always and call.process in names:  # another one compiles for the cache
            hops.setdefault((names[call.process], call.module), {})[call.function] = None
    return [Hop(process, module, tuple(functions)) for (process, module), functions in hops.items()]


@contextmanager
def profiled(log: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile write their calls into a file."""
    before = dict(os.environ)
    folders = [str(Path(__file__).with_name("profiled")), *filter(None, [before.get("PYTHONPATH")])]
    os.environ.update(
        PYTHONPATH=os.pathsep.join(folders),
        RPYC_KERNEL_CALLS=str(log),
        JUPYTER_PREFER_ENV_PATH="1",  # the kernelspec beside this Python
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(address: str) -> list[tuple[int, int]]:
    """Run the cell in a kernel on a server; the cell that connects runs before.

    Args:
        address: Where the server listens.

    Returns:
        For each of the `TIMES`, when it was sent and when all of its answer was there, in nanoseconds of the
        monotonic clock.
    """
    manager = KernelManager(kernel_name="rpyc", transport_encryption="auto")
    manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT_S)
        ask(client, f"%connect {address}")
        return [ask(client, CODE, "2") for _ in range(TIMES)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def ask(client: Any, code: str, result: str = "") -> tuple[int, int]:
    """Run a cell, and check its result."""
    shown: list[str] = []

    def show(message: dict[str, Any]) -> None:
        if message["msg_type"] == "execute_result":
            shown.append(message["content"]["data"]["text/plain"])

    began = time.monotonic_ns()
    reply = client.execute_interactive(code, timeout=TIMEOUT_S, output_hook=show)["content"]
    if reply["status"] != "ok" or "".join(shown) != result:
        raise RuntimeError(f"{code} gave {shown} and {reply}")
    return began, time.monotonic_ns()


def parse(line: str) -> Call:
    """Read a line of `profiled/sitecustomize.py`."""
    time_ns, process, event, module, function = line.split(" ", 4)
    return Call(int(time_ns), int(process), event, module.partition(".")[2] or "__init__", function)


def of_cell(calls: list[Call], began: int, ended: int) -> list[Call]:
    """Choose the calls from the first entry into `do_execute` to its last return, within a time."""
    calls = sorted((call for call in calls if began <= call.time_ns <= ended), key=lambda call: call.time_ns)
    moments = [call.time_ns for call in calls if call.function == BEGIN]
    return [call for call in calls if call.event == "call" and moments[0] <= call.time_ns <= moments[-1]]


def main() -> int:
    """Print the way."""
    hops = way()
    print(f"{len({hop.module for hop in hops})} modules on the way of {CODE}")
    for hop in hops:
        print(f"{hop.process:8}{hop.file:45}{' '.join(hop.functions)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
