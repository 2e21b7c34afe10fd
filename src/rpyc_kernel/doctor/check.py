"""One check of the doctor, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rpyc_kernel.transport.plain import plain

MAX_CHARS = 1000


class State(Enum):
    """How a check has ended."""

    OK = "ok"
    WARNING = "warning"  # it works, and may not for long, or for others too
    WRONG = "wrong"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What was looked at.
        state: How it is.
        text: What was found, or what is wrong.
        mend: The command, or the step, that mends it; "" where nothing is to be done, or nothing is known to help.
    """

    name: str
    state: State
    text: str
    mend: str = ""


def lines(check: Check) -> str:
    """Show a check, and on a second line what mends it."""
    text = f"{check.state.value:<7}  {check.name:<11}  {plain(check.text, MAX_CHARS)}"
    return f"{text}\n{'':<22}{plain(check.mend, MAX_CHARS)}" if check.mend else text
