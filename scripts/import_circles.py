"""Print which modules of the package import each other in a circle; imports for types only count too.

    python scripts/import_circles.py [FOLDER OF THE PACKAGE]

The first line has the number of modules that stand in a circle. Each further line is one knot: modules each of which
imports all the others, by way of others of the knot.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sources import PACKAGE, imported, modules


def knots(graph: dict[str, set[str]]) -> list[list[str]]:
    """Find the strongly connected components that have more than one member.

    Args:
        graph: What each module imports.

    Returns:
        The members of each component in alphabetical order; the largest component first.
    """
    reached = {name: _reachable(name, graph) for name in graph}
    found = set()
    for name in graph:
        knot = {name, *(other for other in reached[name] if name in reached[other])}
        if len(knot) > 1:
            found.add(tuple(sorted(knot)))
    return sorted(map(list, found), key=lambda knot: (-len(knot), knot))


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def circles(package: Path = PACKAGE) -> list[list[str]]:
    """Find the knots of a package's modules."""
    known = modules(package)
    return knots({name: imported(name, path, known) for name, path in known.items()})


def main() -> int:
    """Print the number and the knots."""
    found = circles(Path(sys.argv[1]).resolve() if sys.argv[1:] else PACKAGE)
    print(f"{sum(map(len, found))} modules in {len(found)} circles")
    for knot in found:
        print(" ", len(knot), " ".join(knot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
