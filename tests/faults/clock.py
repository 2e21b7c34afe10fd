"""One scale for all that waits. `make test` takes everything ten times as fast, `make soak` as long as it is said.

A test asks for the `clock` (conftest.py) and runs twice, once for each. It speaks of what happens in the world:
``proxy.stall(clock(40))`` is a stall of 40 s, which `make test` makes 4 s. The kernel's own deadline is scaled with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

HEARTBEAT = 15.0  # seconds; what the kernel allows without an answer, where nobody says otherwise
SLACK = 30.0  # seconds more that a test waits: a shared machine stalls


@dataclass(frozen=True)
class Clock:
    """*scale*: how long a second of the world takes here."""

    scale: float

    def __call__(self, seconds: float) -> float:
        """So long, by this clock."""
        return seconds * self.scale

    def sleep(self, seconds: float) -> None:
        """Let so much time pass: only for faults that last, never to wait for something."""
        time.sleep(self(seconds))  # the fault is that it lasts

    def patience(self, seconds: float) -> float:
        """How long to wait for what has to come within that time."""
        return self(seconds) + SLACK

    def number(self, full: int, least: int = 1) -> int:
        """How many of something: lines, bytes, cuts."""
        return max(least, int(full * self.scale))

    @property
    def is_full(self) -> bool:
        """Whether everything lasts as long as it is said."""
        return self.scale == 1

    @property
    def heartbeat(self) -> float:
        return self(HEARTBEAT)

    @property
    def kernel_option(self) -> str:
        """For the kernel's command line."""
        return f"--RpycKernel.heartbeat={self.heartbeat}"


SHORT = Clock(0.1)
FULL = Clock(1.0)
