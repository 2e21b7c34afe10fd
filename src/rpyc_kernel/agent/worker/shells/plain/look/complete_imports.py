"""Completion in an ``import``. Nothing is imported for it: modules that aren't loaded are read."""

from __future__ import annotations

import re
import sys
import types

from .names import attribute_names, kind_of, member, signature_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    Match = Tuple[str, str, str]

_FROM = re.compile(r"\s*from\s+([\w.]+)\s+import\s+\(?(?:[^()]*,\s*)?\s*([^\W\d]\w*)?$")
_WORD_IMPORT = re.compile(r"\s*from\s+[\w.]+\s+(\w*)$")
_MODULE = re.compile(r"\s*(?:from\s+|import\s+(?:[^()]*,\s*)?)([\w.]*)$")
_NAME = re.compile(r"[^\W\d]\w*")
_BINDS = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+(\w+)|class[ \t]+(\w+)|([^\W\d]\w*)[ \t]*(?::[^=\n]+)?=(?!=)"
    r"|from[ \t]+[\w.]+[ \t]+import[ \t]+(\([^)]*\)|[^\n(#]+))",
    re.MULTILINE,
)
_MAX_SOURCE_BYTES = 1 << 20  #: bytes of a module that are read for its names

_top: Dict[Tuple[str, ...], List[str]] = {}


def complete_import(line: str) -> Optional[Tuple[int, List[Match]]]:
    """``(how much was typed, matches)`` for the text of a logical line, None if it is no import."""
    found = _FROM.match(line)
    if found:
        module, prefix = found.group(1), found.group(2) or ""
        return len(prefix), _from(module, prefix)
    found = _MODULE.match(line)
    if found:
        typed = found.group(1)
        return len(typed), [(name, "module", "") for name in modules(typed)]
    found = _WORD_IMPORT.match(line)
    if found and "import".startswith(found.group(1)):
        return len(found.group(1)), [("import", "keyword", "")]
    return None


def modules(typed: str) -> List[str]:
    """Dotted names of modules that begin with what was typed."""
    package, dot, prefix = typed.rpartition(".")
    if not dot:
        return sorted(name for name in _top_level() if name.startswith(prefix) and _wanted(name, prefix))
    if not package:
        return []  # relative: a cell has no package
    names = set(_submodules(package))
    loaded = sys.modules.get(package)
    if loaded is not None:
        names.update(name for name, value in list(loaded.__dict__.items()) if _is_submodule(package, name, value))
    return sorted(package + "." + name for name in names if _wanted(name, prefix))


def _wanted(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and (bool(prefix) or not name.startswith("_"))


def _is_submodule(package: str, name: str, value: Any) -> bool:
    return isinstance(value, types.ModuleType) and "%s.%s" % (package, name) in sys.modules


def _top_level() -> List[str]:
    key = tuple(sys.path)
    if key not in _top:
        import pkgutil

        _top.clear()
        names = {module.name for module in pkgutil.iter_modules()}
        names.update(sys.builtin_module_names)
        _top[key] = sorted(name for name in names if name.isidentifier())
    return _top[key]


def _spec(name: str) -> Any:
    """The spec of a module, without importing its package as `importlib.util.find_spec` does."""
    from importlib.machinery import PathFinder

    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__spec__", None)
    package, _, _ = name.rpartition(".")
    if not package:
        return PathFinder.find_spec(name)
    parent = _spec(package)
    places = getattr(parent, "submodule_search_locations", None)
    return PathFinder.find_spec(name, list(places)) if places else None


def _submodules(package: str) -> List[str]:
    import pkgutil

    try:
        places = getattr(_spec(package), "submodule_search_locations", None)
        return [module.name for module in pkgutil.iter_modules(list(places))] if places else []
    except Exception:
        return []


def _from(module: str, prefix: str) -> List[Match]:
    loaded = sys.modules.get(module)
    if loaded is not None:
        found = []
        for name in attribute_names(loaded):
            if _wanted(name, prefix):
                try:
                    value = member(loaded, name)
                except Exception:
                    continue
                found.append((name, kind_of(value), signature_of(value) if prefix else ""))
    else:
        found = [(name, kind, "") for name, kind in _read(module) if _wanted(name, prefix)]
    seen = {match[0] for match in found}
    found.extend((name, "module", "") for name in _submodules(module) if _wanted(name, prefix) and name not in seen)
    return sorted(found)


def _read(module: str) -> List[Tuple[str, str]]:
    """The names that a module's source seems to bind at its top level.

    A parser would know, but it also warns of what it sees, on this thread into somebody's cell.
    """
    try:
        origin = getattr(_spec(module), "origin", None)
        if not origin or not origin.endswith(".py"):
            return []
        with open(origin, "rb") as file:
            source = file.read(_MAX_SOURCE_BYTES).decode("utf-8", "replace")
    except Exception:
        return []
    found: Dict[str, str] = {}
    for match in _BINDS.finditer(source):
        function, cls, value, imported = match.groups()
        if imported:
            found.update((name, "instance") for name in _NAME.findall(re.sub(r"\w+\s+as\s+", "", imported)))
        else:
            found[function or cls or value] = "function" if function else "class" if cls else "instance"
    return sorted(found.items())
