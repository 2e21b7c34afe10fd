"""A notebook under faults, and cells that show whether anything was lost."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.faults.clock import Clock
from tests.faults.compare import assert_same
from tests.faults.processes import WORKER_AND_KEEPER, pids
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.results import Request

_numbers = itertools.count(1)
PAUSE = re.compile(r"time\.sleep\(.*\)")


def counting(lines: int, *, every: int = 10, pause: float = 0.0, together: int = 1, also: str = "pass") -> str:
    """A cell that prints so many numbered lines to both streams, with displays between, and ends with a value.

    *pause*: seconds after every *every* lines, where it displays something too. *also*: a line of code that runs there.
    *together*: how many lines go to one stream before as many go to the other. Otherwise each line is a message, and
    thousands at once are more than ZMQ keeps for a reader that is busy.
    """
    return (
        "import os, sys, time\n"
        f"for i in range({lines}):\n"
        "    print('line', i)\n"
        f"    if i % {together} == {together - 1}:\n"
        f"        for j in range(i - {together - 1}, i + 1): print('noise', j, file=sys.stderr)\n"
        f"    if i % {every} == {every - 1}:\n"
        "        display({'text/plain': 'shown %d' % i, 'text/html': '<b>%d</b>' % i}, raw=True)\n"
        f"        time.sleep({pause})\n"
        f"        {also}\n"
        "handle = display(0, display_id='one')\n"
        "handle.update('updated')\n"
        "'last value'"
    )


class Notebook:
    """A kernel with the deadline of that clock, and its front end. A context manager."""

    def __init__(self, clock: Clock, *options: str, **kernel: Any) -> None:
        self.clock = clock
        self.options = options, kernel
        self.kernel: Kernel | None = None
        self.worker = self.keeper = 0  # the process numbers of those that `survives` runs on
        self._other: Kernel | None = None
        self._undisturbed: dict[str, Request] = {}

    def prepare(self) -> None:
        if self.kernel is None:
            self.kernel = Kernel(self.clock.kernel_option, *self.options[0], **self.options[1])
            self.kernel.__enter__()

    @property
    def client(self) -> Client:
        assert self.kernel is not None
        return self.kernel.first

    def undisturbed(self, address: str, code: str) -> Request:
        """What that cell shows where nothing goes wrong; run once, without its pauses."""
        code = PAUSE.sub("pass", code)
        if code not in self._undisturbed:
            self.client.good(f"%connect {address} --new")
            self._undisturbed[code] = self.client.good(code, self.clock.patience(60))
            self.client.good("%disconnect --end")
        return self._undisturbed[code]

    def know(self, code: str, undisturbed: Request) -> None:
        """What that cell shows where nothing goes wrong, as another notebook has seen it."""
        self._undisturbed[PAUSE.sub("pass", code)] = undisturbed

    def survives(
        self, proxy_address: str, address: str, code: str, fault: Callable[[Request], None], *, seconds: float = 60.0
    ) -> Request:
        """Run a cell through a proxy, and *fault* once it has begun to print; it must show what it shows without one.

        Cells queued meanwhile run afterwards, once each and in order, the variables are still there, and another
        notebook can take the session over. *fault* gets the running cell, and returns when the fault is over or goes
        on by itself.
        """
        before = self.undisturbed(address, code)
        client = self.client
        name = f"session{next(_numbers)}"
        client.good(f"%connect {proxy_address} --new --name {name}\nran = []")
        self.worker, self.keeper = pids(client.good(WORKER_AND_KEEPER).stdout)
        cell = client.start(code)
        client.wait_output(cell, "line 0\n")
        fault(cell)
        queued = [client.start(f"ran.append({number})") for number in range(3)]
        patience = self.clock.patience(seconds)
        for each in (cell, *queued):
            client.finish(each, patience)
        assert_same(before, cell)
        assert [each.status for each in queued] == ["ok"] * 3
        assert client.good("ran", patience).text == "[0, 1, 2]"
        self.is_found_by_another(address, name)
        return cell

    def prepare_another(self) -> None:
        """A second kernel like the first, for whoever takes over."""
        if self._other is None:
            self._other = Kernel(self.clock.kernel_option, **self.options[1])
            self._other.__enter__()

    def is_found_by_another(self, address: str, name: str) -> None:
        """Another notebook takes the session over: everything is there."""
        self.prepare_another()
        assert self._other is not None
        client = self._other.first
        shown = client.good(f"%attach {name} {address}\nran", self.clock.patience(30)).of("execute_result")
        assert shown[-1].content["data"]["text/plain"] == "[0, 1, 2]"  # before it, what wasn't acknowledged yet
        client.good("%disconnect --end")

    def clear(self) -> None:
        """After each test: what it broke must not fail the next one."""
        if self.kernel is None:
            return
        idle = all(each.done for each in self.client.requests.values() if each.kind == "execute_request")
        if not idle or not self.kernel.alive() or self.client.run("%disconnect --end", 20).status != "ok":
            self.close()
            return
        self.client.requests.clear()
        self.client.stray.clear()

    def close(self) -> None:
        kernel, self.kernel = self.kernel, None
        for each in (kernel, self._other):
            if each is not None:
                each.__exit__(None, None, None)
        self._other = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
