"""Gives what cells define to processes that multiprocessing starts afresh (``spawn``, ``forkserver``).

Such a process finds a function by the name that it has in ``__main__``, which for a script is run again there. For a
notebook that is a file with the functions, classes, imports and constants of its cells. What else cells have done is
not done again: a variable that isn't a constant is a NameError there.
"""

from __future__ import annotations

import ast
import os
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

    Cells = Iterable[Tuple[str, str]]

_PROGRAM = '''\
"""Made by rpyc-kernel for a process that multiprocessing starts: what the cells of a notebook define."""
import __future__ as _future, ast as _ast, contextlib as _contextlib, io as _io, linecache as _linecache, sys as _sys
_features = [getattr(_future, name).compiler_flag for name in _future.all_feature_names]
_flags, _failed = 0, {}
for _name, _text, _wanted in %r:
    _linecache.cache[_name] = len(_text), None, _io.StringIO(_text + "\\n", None).readlines(), _name
    _tree = _ast.parse(_text)
    for _number in _wanted:
        _tree.body, _rest = [_tree.body[_number]], _tree.body
        try:
            _code = compile(_tree, _name, "exec", _flags, True)
            _flags |= sum(each for each in set(_features) if _code.co_flags & each)
            with _contextlib.redirect_stdout(_io.StringIO()), _contextlib.redirect_stderr(_io.StringIO()):
                exec(_code, globals())  # a decorator prints what it has printed in the notebook already
        except Exception as _error:
            _failed[getattr(_rest[_number], "name", "")] = "%%s: %%s" %% (type(_error).__name__, _error)
        _tree.body = _rest

def _make_stub(name, why):
    def stub(*_args, **_options):
        raise NameError("%%s is not known in a process of multiprocessing: %%s" %% (name, why))
    return stub

for _name in %r:
    if _name not in globals():  # without one, a pool would start processes for ever that don't find it
        globals()[_name] = _make_stub(_name, _failed.get(_name, "it has no def and no class in a cell"))
'''


def follow(spawn: Any, cells: Callable[[], Cells], folder: Optional[str]) -> None:
    """Give what the cells define to the processes that multiprocessing starts.

    Args:
        spawn: The module `multiprocessing.spawn`.
        cells: Gives file name and text of the cells that have run, as Python without magics.
        folder: Where the file may lie; None for one of the system's.
    """
    prepare = spawn.get_preparation_data

    def prepare_with_cells(name: str) -> Dict[str, Any]:
        data: Dict[str, Any] = prepare(name)
        if "init_main_from_name" not in data and "init_main_from_path" not in data:
            try:
                data["init_main_from_path"] = _write(definitions(cells(), vars(sys.modules["__main__"])), folder)
            except Exception as error:  # a pool whose thread fails here would wait for ever
                sys.stderr.write(
                    "What the cells define could not be given to a process of multiprocessing: %s\n" % error
                )
        return data

    prepare_with_cells.__doc__ = prepare.__doc__
    spawn.get_preparation_data = prepare_with_cells


def definitions(cells: Cells, namespace: Dict[str, Any]) -> str:
    """A program that defines what these cells do and the namespace still has."""
    namespace = namespace.copy()  # a pool starts its processes on a thread, while a cell adds names
    found: List[Tuple[str, str, List[int]]] = []
    for name, text in cells:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        wanted = [number for number, node in enumerate(tree.body) if _defines(node, namespace)]
        if wanted:
            found.append((name, text, wanted))
    known = (type, type(definitions))
    named = [name for name, value in namespace.items() if type(value) in known and value.__module__ == "__main__"]
    return _PROGRAM % (found, sorted(named))


def _defines(node: ast.AST, namespace: Dict[str, Any]) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name in namespace
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Try):  # an import with another to fall back on
        parts = [
            *node.body,
            *node.orelse,
            *node.finalbody,
            *(each for handler in node.handlers for each in handler.body),
        ]
        return all(isinstance(each, ast.Pass) or _defines(each, namespace) for each in parts)
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if not all(isinstance(target, ast.Name) for target in targets):
            return False
        try:
            ast.literal_eval(node.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            return False
        return True
    return False


def _write(program: str, folder: Optional[str]) -> str:
    """Put the program into a file whose name tells its content: a server of forks keeps what it has read.

    Raises:
        OSError: There is no room.
    """
    if folder is None:
        import atexit
        import shutil
        import tempfile

        folder = tempfile.mkdtemp(prefix="rpyc-kernel-")
        atexit.register(shutil.rmtree, folder, True)
    data = program.encode("utf-8", "surrogatepass")
    os.makedirs(folder, 0o700, exist_ok=True)
    path = os.path.join(folder, "cells-%08x.py" % zlib.crc32(data))
    if not os.path.exists(path):
        part = "%s.%d" % (path, os.getpid())
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, path)
    return path
