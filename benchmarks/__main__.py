"""``python -m benchmarks [--write]``: measure, print the tables, and put them into the documents with ``--write``."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path
from statistics import median

from benchmarks import live, machine, raw, venvs
from benchmarks.kernels import Contender, local, ours, predecessor
from benchmarks.loopback import TEXT_CHARACTERS, Loopback
from benchmarks.memory import memory
from benchmarks.processes import Processes
from benchmarks.report import report, write
from benchmarks.servers import Server
from benchmarks.slow_link import slow_link
from benchmarks.table import markdown, seconds

WITH_IPYTHON, WITHOUT = "rpyc-kernel, IPython there", "rpyc-kernel, none there"
ROUNDS = 7
# Its port can't be chosen. An address of its own keeps it away from everybody who looks for a server on localhost.
OLD_HOST, OLD_PORT = "127.0.77.12", 18812
PARTS = ("cells", "live", "start", "memory", "values", "files", "several", "pictures", "link", "placing")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each measurement; {ROUNDS} without this")
    parser.add_argument("--only", choices=PARTS, help="a part of it")
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    parser.add_argument("--curve", action="store_true", help="only draw docs/values.svg, from a run of its own")
    options = parser.parse_args()
    if options.curve:
        _curve()
        return
    if options.write and options.only:
        parser.error("--write needs all parts")
    parts = [options.only] if options.only else list(PARTS)
    tables = {}
    about = machine.describe()
    notes: list[str] = []
    value_notes: list[str] = []
    file_notes: list[str] = []
    several_notes: list[str] = []
    picture_notes: list[str] = []
    with Processes() as processes:
        if {"cells", "live", "start", "memory"} & set(parts):
            tables["loopback"] = _loopback(processes, parts, options.rounds, notes)
        if "values" in parts:
            _say("values")
            from benchmarks.values import values  # late: it needs numpy and pyarrow

            tables["values"] = values(processes, options.rounds, value_notes, about if options.write else None)
        if "files" in parts:
            _say("files")
            from benchmarks.files import files  # late, as the values

            tables["files"] = files(processes, options.rounds, file_notes)
        if "several" in parts:
            _say("several machines")
            from benchmarks.several import several

            tables["several"] = several(processes, options.rounds, several_notes)
        if "pictures" in parts:
            _say("pictures")
            from benchmarks.pictures import pictures  # late: it needs playwright, and JupyterLab

            tables["pictures"] = pictures(processes, options.rounds, picture_notes)
        if "link" in parts:
            _say("slow link")
            pythons = {WITH_IPYTHON: venvs.with_ipython(), WITHOUT: venvs.plain()}
            tables["link"] = markdown([*pythons], slow_link(processes, pythons, options.rounds))
        if "placing" in parts:
            _say("placing")
            from benchmarks.placing import placing  # late: it needs distributed

            tables["placing"] = placing(options.rounds)
    said = {"loopback": notes, "values": value_notes, "files": file_notes, "several": several_notes}
    said["pictures"] = picture_notes
    text = report(tables, about, said, options.rounds)
    print(text)
    if options.write:
        write(text)


def _curve() -> None:
    from benchmarks.values import drawn

    with Processes() as processes:
        print(drawn(processes, machine.describe()))


def _loopback(processes: Processes, parts: list[str], rounds: int, notes: list[str]) -> str:
    base = local()
    bare_server = Server(processes, venvs.plain())
    contenders = [
        base,
        ours(WITH_IPYTHON, Server(processes, venvs.with_ipython())),
        ours(WITHOUT, bare_server),
    ]
    contest = Loopback(processes, contenders, base, rounds)
    rows = []
    if "cells" in parts:
        if old := _predecessor(processes, notes):
            contenders.append(old)
        _say("cells")
        rows += contest.cells()
        bare = median(raw.carry(TEXT_CHARACTERS) for _ in range(rounds))
        notes.append(f"20 MB over a bare socket of this machine: {seconds(bare)}.")
    if "live" in parts:
        _say("live")
        rows.append(live.round_trip(bare_server, WITHOUT, rounds))
    if "start" in parts:
        _say("start")
        rows.append(contest.start())
        rows.append(contest.start(known=True))
    if "memory" in parts:
        _say("memory")
        rows += memory(processes, WITHOUT, base.name)
    columns = [WITH_IPYTHON, WITHOUT, base.name]
    return markdown([*columns, *[one.name for one in contenders if one.name not in columns]], rows)


def _predecessor(processes: Processes, notes: list[str]) -> Contender | None:
    """The rpyc_ikernel, where it can be installed and its port is free."""
    try:
        python = venvs.rpyc_ikernel()
        with socket.socket() as probe:
            probe.bind((OLD_HOST, OLD_PORT))
        server = Server(processes, venvs.plain(), OLD_HOST, OLD_PORT)
    except (venvs.MissingError, OSError) as error:
        notes.append(f"rpyc_ikernel is missing in this run: {error}.")
        return None
    notes.append(
        "rpyc_ikernel is measured on its own after the others, in one round, and shows no result for `1+1`. "
        "It prints 200 lines instead of 20,000; its figure is that times 100."
    )
    return predecessor(python, server, OLD_HOST)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
