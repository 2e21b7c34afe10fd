"""The package's source as text: the modules by name, what a module defines, and what a module imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "rpyc_kernel"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Find all modules of a package.

    Args:
        package: The folder of the package.

    Returns:
        Each file by the dotted name of its module, which begins with the name of the package.
    """
    return {module_name(path, package): path for path in sorted(package.rglob("*.py"))}


def module_name(path: Path, package: Path = PACKAGE) -> str:
    """Name a file as `import` does: ``…/rpyc_kernel/link/__init__.py`` is ``rpyc_kernel.link``."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a file once."""
    return ast.parse(path.read_text("utf-8"))


@cache
def defined(path: Path) -> frozenset[str]:
    """Find the names that a module defines or imports at its top, and those of its classes as ``Class.name``."""
    return frozenset(_defined(parsed(path).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _defined(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (prefix + (alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (prefix + target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined(node.body + node.orelse, prefix)


def imported(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Find the modules of the package that a module imports, wherever in it, for types only included.

    Args:
        name: The dotted name of the module.
        path: Its file.
        known: All modules of the package, as `modules` returns them.

    Returns:
        The names of those modules. ``from package import name`` imports the module ``package.name`` where there is
        one, and ``package`` otherwise.
    """
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in known else origin)
    return {each for each in found if each in known and each != name}
