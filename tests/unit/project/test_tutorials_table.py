"""docs/from-the-tutorials.md: no empty cell, and every test that it names is one."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "from-the-tutorials.md"
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def rows() -> list[tuple[str, list[str]]]:
    """The rows of all tables, each with the heading above it."""
    found, heading = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
            if not set("".join(cells)) <= set("-: ") and cells[-1] != "held by":
                found.append((heading, cells))
    return found


@lru_cache(maxsize=256)
def named_in(path: str) -> frozenset[str]:
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_there_is_a_section_for_each_document() -> None:
    headings = list(dict.fromkeys(heading for heading, _cells in rows()))
    assert len(headings) == 5
    assert len(rows()) > 120


def test_every_row_is_whole_and_its_tests_are_there() -> None:
    for _heading, cells in rows():
        assert len(cells) == 3, cells
        assert all(cells), f"an empty cell: {cells}"
        named = TEST.findall(cells[2])
        assert named, f"no test: {cells[2]}"
        assert TEST.sub("", cells[2]).replace("<br>", "").strip() == ""
        missing = [f"{path}::{name}" for path, name in named if name[:5] != "test_" or name not in named_in(path)]
        assert not missing, missing


def test_what_it_links_to_is_there() -> None:
    links = LINK.findall(PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
