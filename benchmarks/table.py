"""Make a Markdown table of figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = "-"
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass
class Row:
    """A line of the table.

    Attributes:
        what: What was measured.
        target: What is to be reached; "" where nothing is.
        cells: The text for each contender that took part, by column.
        missed: Whether the target was missed.
    """

    what: str
    target: str
    cells: dict[str, str] = field(default_factory=dict)
    missed: bool = False


def markdown(columns: list[str], rows: Iterable[Row]) -> str:
    """Make the table. A target that was missed is set in bold."""
    lines = [["", *columns, "to reach"], ["---"] + ["---:"] * len(columns) + ["---"]]
    for row in rows:
        target = f"**{row.target}: missed**" if row.missed else row.target
        lines.append([row.what, *[row.cells.get(column, NOTHING) for column in columns], target])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(value: float) -> str:
    """Write a time in seconds, or in ms where it is below a second."""
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.{0 if value >= 0.1 else 1}f} ms"
