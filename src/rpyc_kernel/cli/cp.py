"""``rpyc-kernel cp``: copies files to another machine, or from one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Self

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order, say
from rpyc_kernel.errors import CopyStoppedError

if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Callable

    from rpyc_kernel.files.plan import CopiedFiles
    from rpyc_kernel.files.session import OwnSession

DESCRIPTION = """\
Copies files to another machine, or from one, with their modes and times. A place there is HOST:PATH, where HOST is a
machine as in %%connect: a saved name, host, host:port, ssh://user@host. Relative paths begin in the folder in which
sessions begin there. What a lost link has interrupted goes on; run again, too. A file is there whole, or not at all."""
_THERE = re.compile(
    r"""
    (?P<host> (?: [A-Za-z][\w+.-]* :// )? (?: [^@:\[\]]* @ )?  # ssh://user@host
        (?: \[[^\]]*\] | [^:\[\]]+ ) (?: :[0-9]+ (?=:) )? )    # [::1]:18812, host, a saved name
    : (?P<path> .* )""",
    re.VERBOSE | re.DOTALL,
)


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "cp",
        usage="rpyc-kernel cp [-r] [OPTION ...] FILE ... HOST:PATH | HOST:FILE ... PATH",
        help="copy files to a machine, or from one",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    machine.declare(parser)
    parser.add_argument("-r", "--recursive", action="store_true", help="copy folders too, with all that is in them")
    parser.add_argument("files", metavar="FILE", nargs="+", help="what is copied; *.csv and the like are understood")
    parser.add_argument("target", metavar="TARGET", help="a folder, or the copy's new name")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError, or RefusalError."""
    sources, target = [place(text) for text in options.files], place(options.target)
    hosts = {host for host, _path in [*sources, target]} - {""}
    if len(hosts) != 1 or len({host for host, _path in sources}) > 1 or (sources[0][0] and target[0]):
        raise RefusalError(
            "cp copies between this machine and one other: FILE ... HOST:PATH, or HOST:FILE ... PATH. Files of this "
            "machine whose names have a colon are written ./like:this."
        )
    where = machine.machine(hosts.pop(), options)
    paths = [path or "." for _host, path in sources]
    from rpyc_kernel.files.get import get  # noqa: PLC0415 - the other commands need none of it
    from rpyc_kernel.files.put import put  # noqa: PLC0415
    from rpyc_kernel.files.session import interruptible, opened  # noqa: PLC0415

    copy: Callable[..., CopiedFiles] = put if target[0] else get

    def work(cancel: threading.Event) -> CopiedFiles:
        with opened(where, "cp", cancel) as session, _Line(session) as line:
            goal = target[1] or "."
            return copy(session, session.name, paths, goal, cancel, recursive=options.recursive, tell=line.tell)

    try:
        with ending_in_order():
            say(str(interruptible(work)))
    except CopyStoppedError:
        raise KeyboardInterrupt from None
    return 0


def place(text: str) -> tuple[str, str]:
    """Return the machine and the path that *text* names; the machine is "" for this one."""
    drive = os.name == "nt" and re.match(r"[A-Za-z]:", text)
    if drive or text.startswith(("/", ".", "~")) or not (found := _THERE.fullmatch(text)):
        return "", text
    return found["host"], found["path"]


class _Line:
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
