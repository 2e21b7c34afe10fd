"""docs/architecture.md: the glossary is short, and each module is in the core or in a wing, whose sizes are right."""

import re

import pytest
from sources import PACKAGE, ROOT, modules

TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def rows(heading):
    """Find the rows of the tables below a heading, without each table's head."""
    section = re.split(rf"^## {heading}$", TEXT, flags=re.MULTILINE)[1].partition("\n## ")[0]
    tables = re.findall(r"^\|.*\|\n\|[-:| ]+\|\n((?:\|.*\|\n)+)", section + "\n", re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def paths(cell):
    """Find the paths in a cell of a table; ``{a,b}.py`` are two."""
    for span in re.findall(r"`(.+?)`", cell):
        before, brace, rest = span.partition("{")
        words, _, after = rest.partition("}")
        yield from (before + word + after for word in words.split(",")) if brace else [span]


ROWS = rows("Core and wings")
PARTS = {path: number for number, row in enumerate(ROWS) for path in paths(row[0])}


def part_of(file):
    """Find the row of a module: the one with the longest path that it begins with."""
    name = file.relative_to(PACKAGE).as_posix()
    fitting = [path for path in PARTS if name == path or (path.endswith("/") and name.startswith(path))]
    return PARTS[max(fitting, key=len)] if fitting else None


def size_of(part):
    files = [file for file in modules().values() if part_of(file) == part]
    return sum(len(file.read_text("utf-8").splitlines()) for file in files)


def test_the_glossary_has_at_most_15_words():
    words = rows("Words of our own")
    assert 5 <= len(words) <= 15
    assert all(word and meaning for word, meaning in words)


def test_each_module_is_in_a_part_and_each_part_is_there():
    assert [name for name, file in modules().items() if part_of(file) is None and file.stat().st_size] == []
    assert [path for path in PARTS if not (PACKAGE / path).exists()] == []
    assert len(PARTS) == sum(len(list(paths(row[0]))) for row in ROWS), "a path stands twice"


@pytest.mark.parametrize("part", range(len(ROWS)), ids=lambda part: ROWS[part][0])
def test_the_size_of_a_part_is_about_what_the_table_says(part):
    said = int(ROWS[part][1].replace(",", ""))
    assert size_of(part) == pytest.approx(said, rel=0.1, abs=60)
