"""What ``cp`` and ``sync`` share: places on machines, and the line that says how far it is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rpyc_kernel.files.session import OwnSession

_THERE = re.compile(
    r"""
    (?P<host> (?: [A-Za-z][\w+.-]* :// )? (?: [^@:\[\]]* @ )?  # ssh://user@host
        (?: \[[^\]]*\] | [^:\[\]]+ ) (?: :[0-9]+ (?=:) )? )    # [::1]:18812, host, a saved name
    : (?P<path> .* )""",
    re.VERBOSE | re.DOTALL,
)


def place(text: str) -> tuple[str, str]:
    """Return the machine and the path that *text* names; the machine is "" for this one."""
    drive = os.name == "nt" and re.match(r"[A-Za-z]:", text)
    if drive or text.startswith(("/", ".", "~")) or not (found := _THERE.fullmatch(text)):
        return "", text
    return found["host"], found["path"]


class CopyLine:
    """How far it is, in one line of a terminal that is updated in place; nothing in a log."""

    def __init__(self, session: OwnSession) -> None:
        from rich.console import Console  # noqa: PLC0415 - as above
        from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False)
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(session.name)

    def tell(self, text: str) -> None:
        """Show that line."""
        self._bar.update(self._task, description=text)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()
