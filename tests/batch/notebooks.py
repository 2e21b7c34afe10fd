"""Notebooks for tests: written for a command, and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def write(folder: Path, *cells: str | tuple[str, ...]) -> Path:
    """Write a notebook; a cell is its source, or that and its tags."""
    made = []
    for each in cells:
        source, *tags = (each,) if isinstance(each, str) else each
        made.append(new_code_cell(source, metadata={"tags": tags}, outputs=[], execution_count=99))
    path = folder / "walk.ipynb"
    spec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(new_notebook(cells=made, metadata={"kernelspec": spec}), path)
    return path


def texts(cell: Any) -> list[str]:
    """What a cell gave out, one text for each output."""
    found = []
    for each in cell.outputs:
        match each.output_type:
            case "stream":
                found.append(each.text)
            case "error":
                found.append(each.ename)
            case _:
                found.append(each.data["text/plain"])
    return found


def results(path: Path) -> list[list[str]]:
    return [texts(cell) for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
