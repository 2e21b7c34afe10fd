"""``%%capture``. `contextlib.redirect_stdout` takes neither displays nor figures."""

from __future__ import annotations

import io
import sys

from .options import words
from .time import body_place
from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from ..shell import PlainShell
    from .usage import Outcome


class Shown:
    """One display that was captured; shows itself as it was."""

    def __init__(self, content: Dict[str, Any]) -> None:
        self.data: Dict[str, Any] = content.get("data", {})
        self.metadata: Dict[str, Any] = content.get("metadata", {})

    def __repr__(self) -> str:
        return str(self.data.get("text/plain", "<%s>" % ", ".join(self.data)))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        return self.data, self.metadata


class Captured:
    """The output of a cell: `stdout`, `stderr`, `outputs`; ``show()`` or a call shows it after all."""

    def __init__(self, shell: PlainShell, stdout: str, stderr: str, outputs: List[Shown]) -> None:
        self._shell = shell
        self.stdout = stdout
        self.stderr = stderr
        self.outputs = outputs

    def __str__(self) -> str:
        return self.stdout

    def show(self) -> None:
        """Write and show what was captured."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for each in self.outputs:
            self._shell.displays.display(each)

    __call__ = show


async def capture(shell: PlainShell, line: str, cell: str, local: Any) -> Outcome:
    """``%%capture [--no-stdout] [--no-stderr] [--no-display] [NAME]``: run the cell, and show nothing of it."""
    options = {"--no-stdout", "--no-stderr", "--no-display"}
    given = words("%capture", line)
    names = [word for word in given if not word.startswith("-")]
    unknown = [word for word in given if word.startswith("-") and word not in options]
    if unknown or len(names) > 1:
        raise MagicUsageError("%%capture takes one name and " + ", ".join(sorted(options)) + ".")
    filename, before = body_place(shell, cell)
    stdout, stderr, captured = sys.stdout, sys.stderr, shell.captured
    out, err = io.StringIO(), io.StringIO()
    shown: List[Tuple[str, Dict[str, Any]]] = []
    try:
        if "--no-stdout" not in given:
            sys.stdout = out
        if "--no-stderr" not in given:
            sys.stderr = err
        if "--no-display" not in given:
            shell.captured = shown
        outcome = await shell.run_source(cell, filename, local, "single", before)
        shell.flush_figures()
    finally:
        sys.stdout, sys.stderr, shell.captured = stdout, stderr, captured
        if names:
            kinds = ("display_data", "execute_result")
            outputs = [Shown(content) for kind, content in shown if kind in kinds]
            shell.namespace[names[0]] = Captured(shell, out.getvalue(), err.getvalue(), outputs)
    outcome.value = None
    return outcome
