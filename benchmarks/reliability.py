"""``python -m benchmarks.reliability [PART …] [--write]``: the figures of docs/reliability.md.

``cuts``: links that are cut at random bytes; ``back``: how soon they are back; ``replay``: unread lines on a real
Jupyter server; ``memory`` and ``journal``: what a keeper costs. With ``--write`` the table goes into the page.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import keeper, machine, venvs
from benchmarks.processes import Processes
from benchmarks.replay import LINES, replays
from benchmarks.table import TIMES, Row, markdown
from tests.faults.cuts import random_cuts, returns

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
FIGURES = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)
COLUMN, COMMAND = "measured", "command"
RUN = "python -m benchmarks.reliability"

CUTS = 10_000
SESSIONS = 4
RETURNS = 200  # cuts after which the time to be back is measured
REFUSALS = 20  # outages in which nobody answers
REPLAYS = 3
MEMORY_OF = ("3.11", "3.8")
ROUNDS = 9
PARTS = ("cuts", "back", "replay", "memory", "journal")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog=RUN, description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure, all without it: {', '.join(PARTS)}")
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"how many; {CUTS} without this")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of the cuts")
    parser.add_argument("--write", action="store_true", help="put the result into docs/reliability.md")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.write and options.parts:
        parser.error("--write needs all parts")
    parts = options.parts or list(PARTS)
    about = machine.describe()
    with Processes() as processes:
        rows = [row for part in PARTS if part in parts for row in _measure(part, processes, options)]
    text = f"{markdown([COLUMN, COMMAND], rows)}\n\nThe machine: {about}\n"
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(FIGURES.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", page), encoding="utf-8")
    if any(row.missed for row in rows):
        sys.exit(1)


def _measure(part: str, processes: Processes, options: argparse.Namespace) -> Iterator[Row]:
    print(f"… {part}", file=sys.stderr, flush=True)
    measures = {"cuts": _cuts, "back": _back, "replay": _replay, "memory": _memory, "journal": _journal}
    for row in measures[part](processes, options):
        row.cells[COMMAND] = f"`{RUN} {part}`"
        yield row


def _cuts(_processes: Processes, options: argparse.Namespace) -> Iterator[Row]:
    found = random_cuts(options.cuts, options.seed, sessions=SESSIONS, say=lambda text: print(text, file=sys.stderr))
    print(found, file=sys.stderr)
    yield Row(
        f"messages lost, doubled or out of order in {found.cuts:,} random cuts",
        f"0 in {CUTS:,}",
        {COLUMN: f"{found.lost}, {found.doubled}, {found.reordered} of {found.messages:,} (seed {options.seed})"},
        missed=found.wrong > 0 or found.cuts < CUTS,
    )


def _back(_processes: Processes, options: argparse.Namespace) -> Iterator[Row]:
    found = returns(RETURNS, REFUSALS, options.seed)
    for what, times in (
        (f"a cut ({RETURNS})", found.after_cut),
        (f"up to 3 s without a server ({REFUSALS})", found.after_refusal),
    ):
        text = f"{median(times) * 1000:.0f} ms, at worst {max(times) * 1000:.0f} ms"
        yield Row(f"output again after {what}", "≤ 1 s", {COLUMN: text}, missed=max(times) > 1)


def _replay(processes: Processes, _options: argparse.Namespace) -> Iterator[Row]:
    found = list(replays(processes, venvs.plain(), REPLAYS))
    wrong = sum(each.lost + each.doubled + each.reordered + each.complaints for each in found)
    seconds = [each.seconds for each in found]
    text = f"{median(seconds):.1f} s, at worst {max(seconds):.1f} s; {sum(each.lost for each in found)} lost"
    what = f"{LINES:,} unread lines of 40 bytes, from `%attach` to the last on the page"
    yield Row(what, "≤ 6 s, 0 lost", {COLUMN: text}, missed=wrong > 0 or max(seconds) > 6)


def _memory(processes: Processes, _options: argparse.Namespace) -> Iterator[Row]:
    for version in MEMORY_OF:
        row = Row(f"a keeper's own memory, its journal empty, Python {version}", "≤ 6 MiB")
        try:
            used = keeper.memory(processes, version)
        except venvs.MissingError as missing:
            row.cells[COLUMN] = str(missing)
        else:
            row.cells[COLUMN], row.missed = f"{used:.1f} MiB", used > 6
        yield row


def _journal(processes: Processes, _options: argparse.Namespace) -> Iterator[Row]:
    for what, cost in keeper.journalling(processes, ROUNDS).items():
        text = (
            f"{cost.ratio:.2f} {TIMES} the time ({cost.seconds:.2f} s), {cost.cpu_ratio:.2f} {TIMES} the keeper's CPU"
        )
        yield Row(f"journalling: {what}", f"≤ 1.1 {TIMES} the time", {COLUMN: text}, missed=cost.ratio > 1.1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
