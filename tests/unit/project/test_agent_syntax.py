"""The agent runs on Python 3.7, on a machine that has nothing but Python and rpyc, under a package name of the day."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs

AGENT = Path(__file__).resolve().parents[3] / "src" / "rpyc_kernel" / "agent"
SOURCES = sorted(AGENT.rglob("*.py"))
OLDEST = (3, 7)
NEWER_THAN_OLDEST = {"graphlib", "tomllib", "zoneinfo"}
STDLIB = {*sys.stdlib_module_names, "_sha2"}  # of any Python
# Used where the other machine has them.
OPTIONAL = {
    "IPython",
    "PIL",
    "cloudpickle",
    "comm",
    "debugpy",
    "ipywidgets",
    "matplotlib",
    "matplotlib_inline",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "rpyc",
    "torch",
    "tornado",
    "traitlets",
}
# Files that only these packages load, or that are loaded where these are.
LOADED_BY = {
    "worker/shells/plain/display/backend.py": ("matplotlib",),
    "worker/netrefs/service.py": ("rpyc",),
    "worker/transfers.py": ("cloudpickle",),
    "worker/shells/ipython/shell.py": ("IPython", "traitlets"),
    "worker/shells/ipython/magics.py": ("IPython",),
    "worker/shells/ipython/processes.py": ("IPython",),
    "worker/shells/ipython/database.py": ("IPython",),
    "worker/shells/ipython/profile.py": ("IPython", "traitlets"),
    "worker/shells/ipython/publisher.py": ("IPython",),
}


def test_there_is_an_agent():
    assert SOURCES


def test_its_syntax_is_old_enough():
    for path in SOURCES:
        ast.parse(path.read_text("utf-8"), str(path), feature_version=OLDEST)


@pytest.mark.parametrize("version", ["python3.7", "python3.8"])
def test_an_old_python_compiles_it(version):
    code = "import pathlib, sys\nfor path in sys.argv[1:]:\n    compile(pathlib.Path(path).read_bytes(), path, 'exec')"
    done = subprocess.run(
        [needs(version), "-W", "error", "-c", code, *map(str, SOURCES)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""


def only_imported_when_there(tree):
    """The import statements that are inside a function, or in a `try` with an `except ImportError` or wider."""
    found = set()
    for node in ast.walk(tree):
        guarded = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if isinstance(node, ast.Try):
            types = [handler.type for handler in node.handlers if handler.type]
            caught = {name.id for each in types for name in ast.walk(each) if isinstance(name, ast.Name)}
            guarded = bool(caught & {"ImportError", "Exception", "BaseException"})
        if guarded:
            found.update(inner for inner in ast.walk(node) if isinstance(inner, (ast.Import, ast.ImportFrom)))
    return found


def test_it_imports_the_standard_library_and_itself():
    assert [f"{path}, {found}" for path in SOURCES for found in imports_of_others(path)] == []


def imports_of_others(path):
    """Yield the imports of a file that another machine may lack."""
    tree = ast.parse(path.read_text("utf-8"))
    depth = len(path.relative_to(AGENT).parts)
    guarded = only_imported_when_there(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level > depth:
                yield f"line {node.lineno}: climbs out of the agent"
            continue
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        else:
            continue
        for name in names:
            if name in OPTIONAL and (node in guarded or name in LOADED_BY.get(path.relative_to(AGENT).as_posix(), ())):
                continue
            if name not in STDLIB or (name in NEWER_THAN_OLDEST and node not in guarded):
                yield f"line {node.lineno}: imports {name}"
