"""``rpyc-kernel sync``: makes a folder on another machine like one here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.copying import CopyLine, place
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order, say
from rpyc_kernel.errors import CopyStoppedError, TransferError
from rpyc_kernel.files.sizes import parse_size

if TYPE_CHECKING:
    import argparse
    import threading

    from rpyc_kernel.files.session import OwnSession
    from rpyc_kernel.files.sync import FolderSync
    from rpyc_kernel.hosts.target import Target

DESCRIPTION = """\
Makes a folder on another machine like one here: sends what has changed, by size, time and contents, without what git
ignores. HOST is a machine as in %%connect: a saved name, host, host:port, ssh://user@host. A relative folder there is
in the folder in which sessions begin; without a name, it gets that of the folder here."""
WATCH_INTERVAL_S = 1.0  # between two looks at the folder here


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "sync",
        usage="rpyc-kernel sync [--dry-run] [--delete] [--watch] [--max SIZE] [OPTION ...] FOLDER HOST:[FOLDER]",
        help="make a folder on a machine like one here",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    machine.declare(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done, why, and where")
    parser.add_argument("--delete", action="store_true", help="remove there what isn't here")
    parser.add_argument(
        "--watch", action="store_true", help="do it again whenever something changes here, until Ctrl-C"
    )
    parser.add_argument(
        "--max", metavar="SIZE", default="100M", help="leave larger files here; without it 100M; ten times that in all"
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder here")
    parser.add_argument("target", metavar="HOST:[FOLDER]", help="the machine, and the folder there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError, or RefusalError."""
    if options.watch and options.dry_run:
        raise RefusalError("--watch and --dry-run exclude each other.")
    (here, folder), (host, target) = place(options.folder), place(options.target)
    if here or not host:
        raise RefusalError(
            "sync makes a folder there like one here: FOLDER HOST:FOLDER. A folder of this machine whose name has a "
            "colon is written ./like:this."
        )
    folders = _folders(folder, target, options)
    where = machine.machine(host, options)
    from rpyc_kernel.files.session import interruptible  # noqa: PLC0415 - the other commands need none of it

    try:
        with ending_in_order():
            interruptible(lambda cancel: _sync(folders, where, options, cancel))
    except CopyStoppedError:
        raise KeyboardInterrupt from None
    return 0


def _folders(folder: str, target: str, options: argparse.Namespace) -> FolderSync:
    from rpyc_kernel.files.sync import FolderSync  # noqa: PLC0415 - as above

    try:
        max_file = parse_size(options.max)
    except ValueError as error:
        raise RefusalError(f"--max takes {error}, and not {options.max!r}.") from None
    return FolderSync(folder, target or None, delete=options.delete, max_file=max_file)


def _sync(folders: FolderSync, where: Target, options: argparse.Namespace, cancel: threading.Event) -> None:
    """Do it once, or again and again until *cancel*."""
    from rpyc_kernel.files.session import opened  # noqa: PLC0415 - as above

    with opened(where, "sync", cancel) as session:
        with CopyLine(session) as line:
            synced = folders.run(session, session.name, cancel, dry=options.dry_run, tell=line.tell)
        say(str(synced))
        failed = ""
        while options.watch and not cancel.wait(WATCH_INTERVAL_S):
            failed = _again(folders, session, cancel, failed)


def _again(folders: FolderSync, session: OwnSession, cancel: threading.Event, failed: str) -> str:
    """Do it where something has changed. Return why it can't be done, which is said unless it was so before."""
    try:
        synced = folders.refresh(session, session.name, cancel)
    except TransferError as error:
        if str(error) != failed:
            say(str(error), error=True)
        return str(error)
    if synced is not None:
        say(str(synced))
    return ""
