"""Compiling cells: names for their source, ``__future__`` statements that last, and ``await`` outside functions."""

from __future__ import annotations

import __future__  # isort: skip
import _ast as ast  # all that is needed of ast, without what else is in it
import re
import warnings

from ....import_hooks import when_imported
from ....source_lines import source_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Callable, Dict, List, Optional, Tuple

CO_COROUTINE = 0x80  #: inspect.CO_COROUTINE, without importing inspect
TOP_LEVEL_AWAIT = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)  #: missing on 3.7
DONT_IMPLY_DEDENT = 0x200  #: codeop.PyCF_DONT_IMPLY_DEDENT: a block needs its last line break
_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag
_MAY_AWAIT = re.compile(r"\b(?:await|async)\b")


class Step:
    """One code object of a cell, and how to run it.

    Attributes:
        value: Whether it is the last expression of a cell.
        wrapped: Whether, on 3.7, it defines a coroutine function ``<module>`` that has to be called and awaited.
    """

    __slots__ = ("code", "value", "wrapped")

    def __init__(self, code: CodeType, value: bool = False, wrapped: bool = False) -> None:
        self.code = code
        self.value = value
        self.wrapped = wrapped

    @property
    def awaits(self) -> bool:
        return self.wrapped or bool(self.code.co_flags & CO_COROUTINE)


class Compiler:
    """Compiles the cells of one session and remembers their source.

    Source is kept under names like ``<Cell In[3]>`` in `linecache`, where tracebacks, ``inspect.getsource``, ``pdb``
    and warnings find it. That module is not imported before somebody looks. The angle brackets keep ``pdb`` from making
    a path of the name.
    """

    def __init__(self) -> None:
        self.flags = 0
        self.sources: Dict[str, str] = {}
        self.named: Optional[Callable[[str, str], None]] = None  #: is told each name and text, for a debugger
        self._linecache: Any = None
        when_imported("linecache", self._show_sources)

    def _show_sources(self, linecache: Any) -> None:
        self._linecache = linecache
        for name, source in list(self.sources.items()):  # a thread may import it while a cell is compiled
            self._show_source(name, source)

    def _show_source(self, name: str, source: str) -> None:
        self._linecache.cache[name] = (len(source), None, source_lines(source), name)

    def name(self, label: str, source: str) -> str:
        """A file name for this source that no other source has: ``<Cell In[3]>``, or ``<Cell In[3] (2)>``."""
        name, tries = "<%s>" % label, 1
        while self.sources.get(name, source) != source:
            tries += 1
            name = "<%s (%d)>" % (label, tries)
        self.sources[name] = source
        if self._linecache is not None:
            self._show_source(name, source)
        if self.named is not None:
            self.named(name, source)
        return name

    def forget(self, name: str) -> None:
        """Drop a source that nothing can refer to any more."""
        self.sources.pop(name, None)
        if self._linecache is not None:
            self._linecache.cache.pop(name, None)

    def parse(self, source: str, filename: str) -> ast.Module:
        """Parse source text of Python.

        Raises:
            SyntaxError: It isn't Python.
            ValueError: It has null bytes; a parser may raise other errors too.
        """
        flags = ast.PyCF_ONLY_AST | self.flags | TOP_LEVEL_AWAIT | DONT_IMPLY_DEDENT
        tree = compile(source if source.endswith("\n") else source + "\n", filename, "exec", flags, True)
        assert isinstance(tree, ast.Module)
        return tree

    def steps(self, tree: ast.Module, filename: str, value: str = "single") -> List[Step]:
        """Compile a parsed cell.

        Args:
            tree: The tree of the cell.
            filename: The name under which tracebacks show it.
            value: What becomes of a last expression: ``single`` gives it to `sys.displayhook`, ``eval`` makes it the
                value of the last step.
        """
        body = tree.body
        last: Optional[ast.Expr] = None
        if body and isinstance(body[-1], ast.Expr):
            last = body[-1]
            body = body[:-1]
        found = [Step(self.code(module(body), filename, "exec"))] if body and TOP_LEVEL_AWAIT else []
        if not TOP_LEVEL_AWAIT:
            from . import await37

            for part, wrapped in await37.split(body, filename):
                found.append(Step(self.code(module(part), filename, "exec"), wrapped=wrapped))
            if last is not None and await37.awaits(last):
                code = self.code(module([await37.wrap(last, filename, value=True)]), filename, "exec")
                return [*found, Step(code, True, wrapped=True)]
        if last is None:
            return found
        if value == "single":
            return [*found, Step(self.code(ast.Interactive([last]), filename, "single"), True)]
        return [*found, Step(self.code(ast.Expression(last.value), filename, "eval"), True)]

    def code(self, tree: Any, filename: str, mode: str) -> CodeType:
        """A code object, its ``__future__`` statements kept for what is compiled later."""
        code: CodeType = compile(tree, filename, mode, self.flags | TOP_LEVEL_AWAIT, True)
        self.flags |= code.co_flags & _FUTURE
        return code

    def awaits(self, source: str) -> bool:
        """True if the source has an ``await`` of its own, outside functions. False if it doesn't compile."""
        if not _MAY_AWAIT.search(source):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they come when it runs
                tree = self.parse(source, "<cell>")
                if not TOP_LEVEL_AWAIT:
                    from .await37 import awaits

                    return awaits(tree)
                code = compile(tree, "<cell>", "exec", self.flags | TOP_LEVEL_AWAIT, True)
        except Exception:
            return False
        return bool(code.co_flags & CO_COROUTINE)


def module(body: List[ast.stmt]) -> ast.Module:
    """An `ast.Module` on any version: since 3.8 it has a second field."""
    tree = compile("", "", "exec", ast.PyCF_ONLY_AST)
    assert isinstance(tree, ast.Module)
    tree.body = body
    return tree


def cell_of(filename: str) -> Optional[Tuple[str, str]]:
    """``("Cell In[3]", "<Cell In[3] (2)>")`` for the file name of a cell's code, None for any other."""
    if filename.startswith("<Cell In[") and filename.endswith(">"):
        return filename[1 : filename.index("]") + 1], filename
    return None
