"""``rpyc-kernel cp``: copies files to another machine, or from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.copying import CopyLine, place
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order, say
from rpyc_kernel.errors import CopyStoppedError

if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Callable

    from rpyc_kernel.files.plan import CopiedFiles

DESCRIPTION = """\
Copies files to another machine, or from one, with their modes and times. A place there is HOST:PATH, where HOST is a
machine as in %%connect: a saved name, host, host:port, ssh://user@host. Relative paths begin in the folder in which
sessions begin there. What a lost link has interrupted goes on; run again, too. A file is there whole, or not at all."""


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
        with opened(where, "cp", cancel) as session, CopyLine(session) as line:
            goal = target[1] or "."
            return copy(session, session.name, paths, goal, cancel, recursive=options.recursive, tell=line.tell)

    try:
        with ending_in_order():
            say(str(interruptible(work)))
    except CopyStoppedError:
        raise KeyboardInterrupt from None
    return 0
