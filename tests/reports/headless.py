"""A notebook that nbclient executes, as papermill and `jupyter execute` do, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests import nursery
from tests.kernel.kernels import COMMAND, private_environment, write_kernelspec

PROGRAM = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
try:
    NotebookClient(notebook, timeout=100, kernel_name="rpyc").execute()
except Exception as error:
    print(type(error).__name__, error)
nbformat.write(notebook, sys.argv[1])
"""


def run(cells: list[str], folder: Path, options: list[str], command: list[str] | None = None) -> tuple[str, str]:
    """Execute a notebook of these cells; returns the error that ended it, or nothing, and the saved file's text."""
    write_kernelspec(folder / "share", [*(command or COMMAND), *options])
    env = private_environment(folder, JUPYTER_PATH=str(folder / "share"))
    path = folder / "notebook.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(each) for each in cells]), path)
    done = nursery.run(["-c", PROGRAM, str(path)], env=env, kernels=1)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, path.read_text()
