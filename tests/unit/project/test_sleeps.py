"""Tests wait for conditions: a sleep polls for one in a loop, or its line says why there is nothing to wait for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


def sleeps(node: ast.AST, polls: bool = False) -> Iterator[tuple[int, bool]]:
    """The line of each call of a sleep or a drain, and whether it is in a loop that looks for something."""
    for child in ast.iter_child_nodes(node):
        in_loop = polls or isinstance(child, ast.While)
        if isinstance(child, ast.FunctionDef):
            in_loop = False
        called = ast.unparse(child.func) if isinstance(child, ast.Call) else ""
        if called == "time.sleep" or called.endswith(".drain"):
            yield child.lineno, in_loop
        yield from sleeps(child, in_loop)


def test_no_test_sleeps_without_a_reason() -> None:
    bare = []
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        bare += [
            f"{path.relative_to(TESTS)}:{number}: {lines[number - 1].strip()}"
            for number, polls in sleeps(ast.parse(text))
            if not polls and "  # " not in lines[number - 1]
        ]
    assert bare == []
