"""``rpyc-kernel fetch``: collects the outputs of a notebook that runs on another machine by itself."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.terminal import RefusalError, say
from rpyc_kernel.errors import SessionGoneError
from rpyc_kernel.transport.plain import aligned

if TYPE_CHECKING:
    import argparse

    from rpyc_kernel.batch.detached import DetachedRun

RUNNING_CODE = 3
MAX_TRACEBACK_CHARS = 100_000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

DESCRIPTION = """\
Writes a notebook with the outputs so far of one that `rpyc-kernel run --detach` has sent to a machine; without a
SESSION, lists these. It takes nothing away there, and can be repeated until the session has ended. Exit code: 0 if all
cells have run, 1 if one has failed, 3 as long as they run."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "fetch",
        usage="rpyc-kernel fetch [SESSION [-o FILE] [--end]]",
        help="collect the outputs of a notebook that was detached",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("session", metavar="SESSION", nargs="?", help="its name or id, or how the id begins")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="where it goes, - for stdout, if not where `run` has said"
    )
    parser.add_argument("--end", action="store_true", help="if it runs no more: end its session, and forget it here")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError."""
    from rpyc_kernel.batch import detached, unattended  # noqa: PLC0415 - the other commands need none of it
    from rpyc_kernel.batch import notebook as notebooks  # noqa: PLC0415
    from rpyc_kernel.hosts.target import Target  # noqa: PLC0415

    if options.session is None:
        if options.output is not None or options.end:
            raise RefusalError("--output and --end need a SESSION.")
        _list(detached.known())
        return 0
    chosen = detached.choose(options.session)
    try:
        look = unattended.look(chosen.where)
    except SessionGoneError as error:
        raise RefusalError(
            f"{error} What {chosen.name} has given out is lost, unless it was fetched before.", 1
        ) from None
    machine = Target(chosen.where.address, name=chosen.machine)
    found = detached.outcome(chosen, machine, look)
    target = options.output or Path(chosen.target)
    notebooks.write(found.notebook, target)
    if look.acknowledged:
        say("Some outputs are not there: a notebook that has attached to the session has got them.", error=True)
    if found.failed:
        say(_plain_lines(found.failed), error=True)
    state = "runs" if found.running else "has failed" if found.failed else "has ended"
    cells = f"{found.ended} of {found.total} cells have run"
    where = "" if target == notebooks.STDOUT else f" The outputs are in {target}."
    say(f"{chosen.name} {state} on {machine.display}: {cells}.{where}", error=not where)
    if options.end and found.running:
        raise RefusalError(f"{chosen.name} still runs, so its session stays.", RUNNING_CODE)
    if options.end:
        unattended.end(chosen.where)
        chosen.forget()
    return RUNNING_CODE if found.running else 0 if found.complete else 1


def _plain_lines(text: str) -> str:
    """Return a traceback without its colours, and without what could repaint a terminal."""
    lines = _COLOURS.sub("", text[:MAX_TRACEBACK_CHARS]).splitlines()
    return "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines)


def _list(runs: list[DetachedRun]) -> None:
    if not runs:
        say("No notebook was detached: rpyc-kernel run NOTEBOOK --on ADDRESS --detach does that.")
        return
    rows = [("name", "id", "machine", "began", "notebook")]
    for each in runs:
        began = dt.datetime.fromtimestamp(each.began).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - for whoever sits here
        rows.append((each.name, each.session[:8], each.machine, began, each.source))
    say(aligned(rows))
