"""Both shells have what `shells.protocol` says of a shell: names and arguments. mypy compares the types."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rpyc_kernel.agent.worker.shells as shells
from rpyc_kernel.agent.worker.shells.ipython.shell import IPythonShell
from rpyc_kernel.agent.worker.shells.plain.shell import PlainShell

PROTOCOLS = Path(shells.__file__).with_name("protocol.py")
SET_BY_WORKER = {"kernel"}


def protocol(name: str) -> ast.ClassDef:
    """A Protocol's definition, which is there for type checkers only."""
    tree = ast.parse(PROTOCOLS.read_text("utf-8"))
    return next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)


SHELL = protocol("Shell")
METHODS = {node.name: node for node in SHELL.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
PROPERTIES = {name for name, node in METHODS.items() if node.decorator_list}
ATTRIBUTES = {node.target.id for node in SHELL.body if isinstance(node, ast.AnnAssign)} | PROPERTIES


@pytest.mark.parametrize("kind", [PlainShell, IPythonShell])
@pytest.mark.parametrize("name", sorted(METHODS.keys() - PROPERTIES))
def test_a_method_has_the_arguments_of_the_protocol(kind, name):
    wanted, found = METHODS[name], getattr(kind, name)
    assert list(inspect.signature(found).parameters) == [argument.arg for argument in wanted.args.args]
    assert inspect.iscoroutinefunction(found) == isinstance(wanted, ast.AsyncFunctionDef)


@pytest.mark.parametrize(
    "shell",
    [
        "plain.shell import PlainShell as Shell; shell = Shell(None)",
        "ipython.shell import IPythonShell; shell = IPythonShell()",
    ],
)
def test_a_shell_has_the_attributes_of_the_protocol(shell):
    """In a process of its own, since there is one shell in a process."""
    code = (
        f"from rpyc_kernel.agent.worker.shells.{shell}\n"
        f"missing = [name for name in {sorted(ATTRIBUTES - SET_BY_WORKER)} if not hasattr(shell, name)]\n"
        "assert not missing, missing\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_protocol_names_what_the_worker_uses():
    asked = {"execute", "complete", "inspect", "is_complete", "needs_loop", "cells", "name_cells", "format"}
    assert asked == METHODS.keys() - PROPERTIES
    assert {"name", "execution_count", "in_a_hurry", "kernel", "facade"} == ATTRIBUTES
