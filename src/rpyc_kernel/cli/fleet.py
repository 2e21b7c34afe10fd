"""``rpyc-kernel fleet``: the same on many machines at once, with a table of how far each of them is."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.exec_ import program_of
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order, say
from rpyc_kernel.transport.plain import WholeLines, aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.batch.fleet import Board, Fleet

DESCRIPTION = """\
Does the same on many machines at once, and shows how far each of them is. FILE is like the file of saved machines: for
each a table [NAME] with address = "…", and if need be python, cwd and env. Ctrl-C stops it on all of them."""
TITLE = "fleet"
MAX_LINE_CHARACTERS = 1 << 16  # of an unfinished line that is held until its end


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "fleet",
        usage="rpyc-kernel fleet [--only NAME,NAME] [--at-once N] FILE "
        "(status | run PROGRAM [ARG ...] | sync FOLDER [FOLDER] | end NAME ... | end --all)",
        help="do the same on many machines at once",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("--only", metavar="NAME,NAME", help="on these of them")
    parser.add_argument("--at-once", metavar="N", type=int, default=128, help="on how many at once; 128 without it")
    parser.add_argument("file", metavar="FILE", help="the machines, like boards.toml")
    actions = parser.add_subparsers(title="what is done", metavar="ACTION", required=True)
    actions.add_parser("status", help="ask all of them how they are").set_defaults(work=_status)
    run_ = actions.add_parser(
        "run",
        help="run a program: -c CODE, or a FILE of this machine, each in a session of its own",
        prefix_chars="\0",  # what begins with - is the program's, -c too
        add_help=False,
    )
    run_.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM", help="and its arguments")
    run_.set_defaults(work=_run)
    sync = actions.add_parser("sync", help="make a folder there like one here")
    sync.add_argument("folder", metavar="FOLDER", help="the folder here")
    sync.add_argument("target", nargs="?", metavar="FOLDER", help="the folder there; without it, one of that name")
    sync.add_argument("--delete", action="store_true", help="remove there what isn't here")
    sync.set_defaults(work=_sync)
    end = actions.add_parser("end", help="end sessions of yours")
    end.add_argument("names", nargs="*", metavar="NAME", help="the sessions of these names")
    end.add_argument("--all", action="store_true", help="all of your sessions on these machines")
    end.set_defaults(work=_end)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it; return 0 if it went well on all of them, else 1. Raises a RpycKernelError, or RefusalError."""
    from rpyc_kernel.batch.fleet import Fleet  # noqa: PLC0415 - the other commands need none of it
    from rpyc_kernel.hosts import file  # noqa: PLC0415

    if options.at_once < 1:
        raise RefusalError("--at-once takes a number from 1 on.")
    hosts = file.read(Path(options.file))
    if not hosts:
        raise RefusalError(f"{options.file} names no machine yet.")
    names = list(hosts) if options.only is None else [name.strip().lower() for name in options.only.split(",")]
    if unknown := [name for name in names if name not in hosts]:
        raise RefusalError(f"{options.file} has no machine {unknown[0]}; it has {', '.join(hosts)}.")
    fleet = Fleet.of(hosts[name] for name in dict.fromkeys(names))
    with ending_in_order(), shown(fleet) as (write, changed):
        work = options.work(options, write)
        return 0 if fleet.run(work, changed, options.at_once) else 1


# --- what is done on each


def _status(_options: argparse.Namespace, _write: WriteLine) -> Callable[[Board, threading.Event], bool]:
    from rpyc_kernel.hosts import ask  # noqa: PLC0415 - as above

    def status(board: Board, cancel: threading.Event) -> bool:
        (state,) = ask.ask([board.host], cancel)
        if not state.reachable:
            board.tell(state.error)
            return False
        ipython = " with IPython" if state.ipython else ""
        sessions = "1 session" if state.sessions == 1 else f"{state.sessions} sessions"
        board.tell(f"{(state.round_trip or 0.0) * 1000:.1f} ms away, Python {state.python}{ipython}, {sessions}")
        return True

    return status


def _run(options: argparse.Namespace, write: WriteLine) -> Callable[[Board, threading.Event], bool]:
    from rpyc_kernel import program  # noqa: PLC0415 - as above

    source, argv = program_of(options.program, "run")

    def run(board: Board, cancel: threading.Event) -> bool:
        lines = BoardLines(board, write)
        code = program.run(board.target, source, argv, TITLE, lines, cancel, asks=False)
        lines.end()
        if code:
            board.tell(f"exit code {code}" + (f": {board.tells}" if board.tells else ""))
        return code == 0

    return run


def _sync(options: argparse.Namespace, _write: WriteLine) -> Callable[[Board, threading.Event], bool]:
    from rpyc_kernel.files.session import opened  # noqa: PLC0415 - as above
    from rpyc_kernel.files.sync import FolderSync  # noqa: PLC0415

    def sync(board: Board, cancel: threading.Event) -> bool:
        folder = FolderSync(options.folder, options.target, delete=options.delete)
        with opened(board.target, TITLE, cancel) as session:
            board.tell(str(folder.run(session, session.name, cancel, tell=board.tell)))
        return True

    return sync


def _end(options: argparse.Namespace, _write: WriteLine) -> Callable[[Board, threading.Event], bool]:
    from rpyc_kernel.link import listing  # noqa: PLC0415 - as above

    if bool(options.names) == options.all:
        raise RefusalError("end takes the names of sessions, or --all.")

    def end(board: Board, cancel: threading.Event) -> bool:
        address = board.target.address
        entries = listing.sessions(address, cancel=cancel)
        wanted = [entry for entry in entries if options.all or entry.name in options.names]
        for entry in wanted:
            listing.end(address, entry, cancel=cancel)
        board.tell(f"ended {', '.join(entry.name for entry in wanted)}" if wanted else "no such session")
        return True

    return end


# --- what is shown


class WriteLine:
    """Writes a line of a machine."""

    def __init__(self, write: Callable[[str, bool], None]) -> None:
        self._write = write
        self._lock = threading.Lock()

    def __call__(self, line: str, *, error: bool = False) -> None:
        """WriteLine it, with no line of another machine in its midst."""
        with self._lock:
            self._write(line, error)


class BoardLines:
    """Takes what a program prints, and writes it line by line, with the name of the machine."""

    def __init__(self, board: Board, write: WriteLine) -> None:
        self._board = board
        self._write = write
        self._streams = {error: WholeLines(MAX_LINE_CHARACTERS) for error in (False, True)}

    def __call__(self, text: str, *, error: bool = False) -> None:
        """Take a text of stdout or, with *error*, of stderr."""
        self._write_all(self._streams[error].feed(text), error=error)

    def end(self) -> None:
        """WriteLine the lines that have no end."""
        for error, lines in self._streams.items():
            self._write_all(lines.end(), error=error)

    def _write_all(self, lines: list[str], *, error: bool) -> None:
        for line in lines:
            self._board.tell(line)
            self._write(f"[{self._board.name}] {line}", error=error)


@contextlib.contextmanager
def shown(fleet: Fleet) -> Iterator[tuple[WriteLine, Callable[[], None]]]:
    """Within it the table is shown: on a terminal at once, and as it changes; else at the end.

    Yields:
        What writes a line above it, and what brings it up to date.
    """
    if not sys.stdout.isatty():
        yield WriteLine(lambda line, error: say(line, error=error)), lambda: None
        say(aligned([HEAD, *map(_row, fleet.boards)]))
        return
    from rich.console import Console  # noqa: PLC0415 - on a terminal only
    from rich.live import Live  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def table() -> Table:
        shown = Table(*HEAD, box=None, pad_edge=False)
        for board in fleet.boards:
            shown.add_row(*map(Text, _row(board)))
        return shown

    console = Console()
    with Live(table(), console=console, auto_refresh=False) as live:

        def write(line: str, error: bool) -> None:
            console.print(Text.from_ansi(line, style="red" if error else ""))

        yield WriteLine(write), lambda: live.update(table(), refresh=True)


HEAD = ("machine", "state", "seconds", "last")


def _row(board: Board) -> tuple[str, ...]:
    seconds = "" if board.seconds is None else f"{board.seconds:.1f}"
    return board.name, board.progress.value, seconds, board.tells
