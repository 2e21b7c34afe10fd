"""``python -m conformance [PART …] [--write]``: runs suites of others on this kernel.

``testbed``: the 27 checks of the public Kernel Testbed; ``ipykernel``: ipykernel's own tests, fetched from its source
distribution; ``kernel_test``: jupyter_kernel_test; ``reports``: cases of public bug reports. Each with cells on a stock
RPyC server. With ``--write`` the tables go into docs/conformance.md. The exit code is 1 if something failed that is not
known to.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks import machine
from conformance import reports, suites, testbed
from conformance.suites import Outcome
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance.md"
PLACES = {
    name: re.compile(rf"(<!-- {name} -->\n).*(<!-- end of {name} -->)", re.DOTALL) for name in ("suites", "reports")
}
SHELLS = {"ipython": "IPython there", "plain": "built-in shell"}


@dataclass
class Line:
    """One line of the table.

    Attributes:
        suite: The name of the suite.
        shell: The shell that runs the cells.
        outcomes: Its tests.
    """

    suite: str
    shell: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def wrong(self) -> list[Outcome]:
        return suites.unexpected(self.outcomes)

    def cells(self) -> list[str]:
        counts = Counter(each.status for each in self.outcomes)
        known = [f"`{each.name.rpartition('::')[2]}`" for each in self.outcomes if each.status == "failed"]
        skipped = f"{counts['skipped']}" if counts["skipped"] else "-"
        return [self.suite, self.shell, f"{counts['passed']} of {len(self.outcomes)}", skipped, ", ".join(known) or "-"]


def main() -> None:
    """Run the parts that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"what to run, all without it: {', '.join(PARTS)}, reports"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/conformance.md")
    options = parser.parse_args()
    if unknown := set(options.parts) - {*PARTS, "reports"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}, reports")
    if options.write and options.parts:
        parser.error("--write needs all parts")
    lines = []
    for name, part in PARTS.items():
        if name in (options.parts or PARTS):
            print(f"… {name}", file=sys.stderr, flush=True)
            lines += part()
    tables = {"suites": f"{table(lines)}\n\nThe machine: {machine.describe()}\n"} if lines else {}
    wrong = [f"{each.name}: {each.said}" for line in lines for each in line.wrong]
    if not options.parts or "reports" in options.parts:
        print("… reports", file=sys.stderr, flush=True)
        found = reports.run()
        tables["reports"] = reports.table(found) + "\n"
        wrong += reports.wrong(found)
    for name, text in tables.items():
        print(text)
        if options.write:
            page = PAGE.read_text(encoding="utf-8")
            page = PLACES[name].sub(lambda place, text=text: f"{place[1]}\n{text}\n{place[2]}", page)
            PAGE.write_text(page, encoding="utf-8")
    for each in wrong:
        print(f"failed: {each}", file=sys.stderr)
    if wrong:
        sys.exit(1)


def table(lines: list[Line]) -> str:
    """Return the table in Markdown, and below it the reasons of tests that are known not to pass."""
    rows = [["suite", "cells run in", "pass", "skip themselves", "do not pass"], ["---"] * 5]
    rows += [line.cells() for line in lines]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    failed = {each.name: each for line in lines for each in line.outcomes if each.status == "failed"}
    reasons = [f"- `{name}`: {suites.reason(failed[name]) or 'not as it should be'}." for name in sorted(failed)]
    return "\n\n".join([text, "\n".join(reasons)]) if reasons else text


def _testbed() -> Iterator[Line]:
    for kind, shell in SHELLS.items():
        line = Line("Kernel Testbed", shell)
        kernel = Kernel()
        with Remote(kind) as remote, kernel as front:
            front.good(f"%connect {remote.address}")
            for check in testbed.RUN:
                try:
                    check(kernel, front)
                except Exception as error:  # noqa: BLE001 - one check, whatever is wrong with it
                    said = f"{type(error).__name__}: {error}".strip().split("\n")[0]
                    line.outcomes.append(Outcome(check.__name__, "failed", f"on {shell}: {said}"))
                else:
                    line.outcomes.append(Outcome(check.__name__, "passed"))
        yield line


def _ipykernel() -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="rk-conformance-") as folder, Remote("ipython") as remote:
        outcomes = suites.ipykernels(Path(folder), remote)
    for name in suites.FILES:
        found = [each for each in outcomes if each.name.startswith(name)]
        yield Line(f"ipykernel {version('ipykernel')}, `{name}`", SHELLS["ipython"], found)


def _kernel_test() -> Iterator[Line]:
    outcomes = suites.kernel_test()
    for kind, shell in SHELLS.items():
        found = [each for each in outcomes if f"[{kind}-" in each.name]
        yield Line(f"jupyter_kernel_test {version('jupyter_kernel_test')}", shell, found)


PARTS: dict[str, Callable[[], Iterator[Line]]] = {
    "testbed": _testbed,
    "ipykernel": _ipykernel,
    "kernel_test": _kernel_test,
}

if __name__ == "__main__":
    main()
