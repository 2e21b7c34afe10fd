"""``rpyc-kernel run``: runs a notebook on another machine, and keeps its outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError, say

if TYPE_CHECKING:
    import argparse

    from rpyc_kernel.hosts.target import Target

DESCRIPTION = """\
Runs the cells of a notebook on another machine, and writes a notebook with their outputs. It stops at the first error,
with its traceback and exit code 1; a cell tagged raises-exception may fail. Ctrl-C interrupts the cell, pressed again
within 5 s it ends the run. What has run until then is kept."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "run",
        usage="rpyc-kernel run NOTEBOOK --on ADDRESS [-o FILE] [-p NAME=VALUE ...] [OPTION ...]",
        help="run a notebook on a machine",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="the .ipynb file, which stays as it is")
    parser.add_argument(
        "--on", metavar="ADDRESS", required=True, help="the machine, as in %%connect: host, host:port …"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="where the result goes: - is stdout; without it, NOTEBOOK.out.ipynb",
    )
    parser.add_argument(
        "-p",
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the value of a variable, in a cell behind the one that is tagged parameters, as papermill does",
    )
    parser.add_argument(
        "--detach", action="store_true", help="leave it running there; `rpyc-kernel fetch` collects its outputs"
    )
    machine.declare(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError, RefusalError or OSError."""
    where = machine.machine(options.on, options)
    from rpyc_kernel.batch import notebook as notebooks  # noqa: PLC0415 - the other commands need none of it
    from rpyc_kernel.batch import run as runs  # noqa: PLC0415
    from rpyc_kernel.batch.progress import CellProgress  # noqa: PLC0415

    source: Path = options.notebook
    notebook = notebooks.read(source)
    values = dict(map(notebooks.parameter, options.parameter))
    if values and not notebooks.inject(notebook, values):
        say(f"{source} has no cell tagged parameters: their cell comes first.", error=True)
    to_file = options.output != notebooks.STDOUT
    target = _target(source, options.output) if to_file else notebooks.STDOUT

    if options.detach:
        if not to_file:
            raise RefusalError("--detach writes no outputs: `rpyc-kernel fetch SESSION -o -` does, later.")
        return _detach(where, notebook, source, target)

    def save() -> None:
        if to_file:
            notebooks.write(notebook, target)

    if not (
        to_file and target.exists() and target.samefile(source)
    ):  # which keeps its outputs until the first cell has run
        save()  # where it can't be written, nothing runs
    machine.mind_open_port(where.address)
    progress = CellProgress(sum(map(notebooks.runs, notebook.cells)))
    try:
        code = runs.run(where, notebook, source.resolve().parent, source.stem, progress, save)
    finally:
        if not to_file:
            notebooks.write(notebook, target)
    if to_file:
        say(f"The outputs are in {target}.")
    return code


def _detach(where: Target, notebook: Any, source: Path, target: Path) -> int:
    """Leave the notebook running there, and say how its outputs are collected."""
    from rpyc_kernel.batch import detached  # noqa: PLC0415

    run, warnings = detached.start(where, notebook, source, target)
    machine.mind_open_port(run.where.address)
    say(
        f"{source} runs on {where.display} by itself, as {run.name}: rpyc-kernel fetch {run.name} collects its outputs."
    )
    for warning in warnings:
        say(warning, error=True)
    return 0


def _target(source: Path, output: Path | None) -> Path:
    target = output or source.with_name(f"{source.stem}.out.ipynb")
    if target.is_dir():
        raise RefusalError(f"{target} is a folder; -o needs a file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise RefusalError(f"{target} can't be written to.", 1)
    return target
