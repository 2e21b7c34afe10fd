"""Tells on stderr how far a notebook is: a bar on a terminal, a line for each cell in a log."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

MAX_LINE_CHARS = 60


class CellProgress:
    """How far a notebook is.

    Args:
        total: How many cells will run.
    """

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._total = total
        self._number = 0
        self._line = ""
        self._began = 0.0
        columns = MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=total)

    def shown(self) -> AbstractContextManager[object]:
        """Within it, the bar is shown, where there is a terminal."""
        return self._bar if self._console.is_terminal else nullcontext()

    def begin(self, source: str) -> None:
        """A cell begins to run."""
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        line = next((each for each in lines if not each.startswith("#")), lines[0])
        self._line = "".join(each if each.isprintable() else " " for each in line[:MAX_LINE_CHARS])
        self._number += 1
        self._began = time.monotonic()
        self._bar.update(self._task, description=self._line)

    def end(self, outcome: str) -> None:
        """The cell has ended; *outcome*: ``ok``, ``raised``, ``failed`` or ``stopped``."""
        seconds = time.monotonic() - self._began
        self._bar.advance(self._task)
        style = {"ok": "green", "failed": "red"}.get(outcome, "yellow")
        line = Text(f"[{self._number}/{self._total}] ")
        line.append(f"{outcome:<7}", style).append(f" {seconds:6.1f} s  {self._line}")
        self._console.print(line)

    def say(self, text: str) -> None:
        """Print a text of ours, or a traceback with its colours where the terminal has some."""
        self._console.print(Text.from_ansi(text))
