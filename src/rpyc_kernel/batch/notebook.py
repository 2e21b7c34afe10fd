"""Notebook files: read, given parameters by papermill's convention, and written whole."""

from __future__ import annotations

import keyword
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.errors import MalformedArgumentError, NotebookFileError
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

STDOUT = Path("-")  # as the name of a file that is written
PARAMETERS = "parameters"  # the tag of the cell that has the defaults
INJECTED = "injected-parameters"  # the tag of the cell that has the values, right behind it
ERRORS_ARE_FINE = "raises-exception"


def read(path: Path) -> Any:
    """Read a notebook, and take away its outputs. Raises NotebookFileError."""
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except OSError as error:
        raise NotebookFileError(path, f"can't be read ({error.strerror})") from None
    except (ValueError, AttributeError, nbformat.ValidationError) as error:  # the second for JSON that is no object
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotebookFileError(path, f"is no notebook that can be read here ({reason})") from None
    language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
    if str(language).lower() != "python":
        raise NotebookFileError(path, f"is a notebook for {plain(str(language), 40)}, and cells run on a Python")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def write(notebook: Any, path: Path) -> None:
    """Write a notebook, whole or not at all; to stdout where *path* is `STDOUT`. Raises NotebookFileError."""
    data = nbformat.writes(notebook).encode()
    if path == STDOUT:
        sys.stdout.buffer.write(data + b"\n")
        return
    try:
        write_file(str(path), data, 0o666)
    except OSError as error:
        raise NotebookFileError(path, f"can't be written ({error.strerror})") from None


def runs(cell: Any) -> bool:
    """Return whether there is something to run in a cell."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def allows_errors(cell: Any) -> bool:
    """Return whether the cells behind this one run although it fails."""
    return ERRORS_ARE_FINE in cell.metadata.get("tags", [])


# --- parameters


def parameter(text: str) -> tuple[str, Any]:
    """Return name and value of a parameter, written ``name=value``. Raises MalformedArgumentError.

    ``True``, ``False``, ``None`` and numbers are what they are in Python; everything else is a text.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or keyword.iskeyword(name):
        raise MalformedArgumentError(f"A parameter is written name=value, with a name as Python has it: not {name!r}.")
    return name, _value(value)


def _value(text: str) -> Any:
    constants = {"True": True, "False": False, "None": None}
    if text in constants:
        return constants[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def inject(notebook: Any, values: Mapping[str, Any]) -> bool:
    """Put a cell with the values of parameters behind the one with their defaults.

    Where the notebook has such a cell already, it takes that one's place; without a cell of defaults, it comes first.

    Returns:
        Whether there was a place for it.
    """
    cell = nbformat.v4.new_code_cell(_assignments(values), metadata={"tags": [INJECTED]})
    if notebook.nbformat_minor < 5:
        del cell["id"]  # cells have one since 4.5
    injected, defaults = _tagged(notebook, INJECTED), _tagged(notebook, PARAMETERS)
    if injected is not None:
        notebook.cells[injected] = cell
    else:
        notebook.cells.insert(0 if defaults is None else defaults + 1, cell)
    notebook.metadata["papermill"] = {**notebook.metadata.get("papermill", {}), "parameters": dict(values)}
    return injected is not None or defaults is not None


def _tagged(notebook: Any, tag: str) -> int | None:
    found = (number for number, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", []))
    return next(found, None)


def _assignments(values: Mapping[str, Any]) -> str:
    return "".join(["# Parameters\n", *(f"{name} = {_literal(value)}\n" for name, value in values.items())])


def _literal(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    return repr(value)
