"""``await`` outside functions on Python 3.7, whose compiler has no flag for it.

The parser does accept it there. Each statement that awaits is put into a coroutine function of its own in which all
names it binds are declared global, so that they end up in the namespace; all others are compiled as they are. So
``import *``, classes and functions mean what they mean at the top level.
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Set, Tuple


def awaits(tree: ast.AST) -> bool:
    """True if the statement or module awaits something outside the functions in it."""
    for node in _own(tree):
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
    return False


def split(body: List[ast.stmt], filename: str) -> Iterator[Tuple[List[ast.stmt], bool]]:
    """The statements that are compiled together, and whether they define a coroutine function, see `wrap`."""
    plain: List[ast.stmt] = []
    for node in body:
        if not awaits(node):
            plain.append(node)
            continue
        if plain:
            yield plain, False
            plain = []
        yield [wrap(node, filename)], True
    if plain:
        yield plain, False


def wrap(node: ast.stmt, filename: str, value: bool = False) -> ast.AsyncFunctionDef:
    """A coroutine function ``<module>`` with a statement in it; with ``value`` it returns that expression.

    Raises:
        SyntaxError: The statement returns or yields outside a function.
    """
    for inner in [each for each in _own(node) if isinstance(each, (ast.Return, ast.Yield, ast.YieldFrom))]:
        word = "return" if isinstance(inner, ast.Return) else "yield"
        raise SyntaxError("'%s' outside function" % word, (filename, inner.lineno, inner.col_offset + 1, None))
    names = sorted(_bound(node))
    inside: List[ast.stmt] = [node]
    if value:
        assert isinstance(node, ast.Expr)
        inside = [ast.copy_location(ast.Return(node.value), node)]
    if names:
        inside.insert(0, ast.copy_location(ast.Global(names), node))
    function = ast.parse("async def f(): pass").body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    function.name = "<module>"
    function.body = inside
    return ast.copy_location(function, node)


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, but not what is inside the functions and classes among them (their decorators and defaults are)."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.Lambda):
            pending.extend(_defaults(node.args))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending.extend(node.decorator_list)
            pending.extend(_defaults(node.args))
        elif isinstance(node, ast.ClassDef):
            pending.extend(node.decorator_list)
            pending.extend(node.bases)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _defaults(args: ast.arguments) -> List[ast.AST]:
    return [default for default in list(args.defaults) + list(args.kw_defaults) if default is not None]


def _bound(node: ast.AST) -> Set[str]:
    """The names that a statement binds in its own scope. Those of comprehensions do no harm: they are local there."""
    names: Set[str] = set()
    for inner in _own(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            names.add(inner.id)
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            if inner.name:
                names.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            for alias in inner.names:
                names.add(alias.asname or alias.name.split(".")[0])
        elif isinstance(inner, ast.Global):
            names.update(inner.names)
    return names - {"*"}
