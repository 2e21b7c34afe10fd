"""Completion: finds the names that could stand where the cursor is.

This module tells what kind of place the cursor is at; what fits there comes from `names`, `complete_imports` and
`complete_strings`. All offsets are code points. `rlcompleter` evaluates what stands before a dot, which may run code of
the user's, and it knows neither imports, files, keys, parameters nor types.
"""

from __future__ import annotations

import builtins
import keyword
import re

from ..language.scan import scan
from ..language.transform import cell_magic
from .complete_imports import complete_import
from .complete_strings import dict_keys, paths
from .names import Unknown, attribute_names, is_a, kind_of, member, resolve, signature_of, trailing_expression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from ..language.scan import Scan
    from ..magics.registry import Magics

    #: (text, type, signature)
    Match = Tuple[str, str, str]

_WORD = re.compile(r"(?:[^\W\d]\w*)?$")
_MAGIC = re.compile(r"(%{1,2})(\w*)$")
_CALLED = re.compile(r"%{1,2}(\w+)\s+")
_CODE_MAGICS = frozenset(["time", "timeit", "capture"])
_BOUND = (
    re.compile(r"^[ \t]*(?:async\s+)?def\s+\w+\s*\(([^)]*)", re.MULTILINE),
    re.compile(r"^[ \t]*((?:[^\W\d]\w*\s*,\s*)*[^\W\d]\w*)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE),
    re.compile(r"\bfor\s+([\w\s,()]+?)\s+in\b"),
    re.compile(r"\bas\s+([^\W\d]\w*)"),
    re.compile(r"^[ \t]*(?:async\s+)?(?:def|class)\s+([^\W\d]\w*)", re.MULTILINE),
    re.compile(r"^[ \t]*(?:from\s+\S+\s+)?import\s+([\w\s,]+)$", re.MULTILINE),
)
_PARAMETER = re.compile(r"(?:^|,)\s*\**([^\W\d]\w*)")
_NAME = re.compile(r"[^\W\d]\w*")
_MAX_SIGNATURES = 60


def complete(code: str, pos: int, namespace: Dict[str, Any], magics: Magics) -> Dict[str, Any]:
    """Content of a ``complete_reply`` for the cursor at `pos`."""
    pos = max(0, min(pos, len(code)))
    try:
        start, matches = _matches(code, code[:pos], namespace, magics)
    except Exception:
        start, matches = pos, []  # looking at it runs code of its class after all, and that code raises
    seen = set()
    unique = []
    for match in matches:
        if match[0] not in seen:
            seen.add(match[0])
            unique.append(match)
    return {
        "status": "ok",
        "matches": [match[0] for match in unique],
        "cursor_start": start,
        "cursor_end": pos,
        "metadata": {
            "_jupyter_types_experimental": [
                {"start": start, "end": pos, "text": text, "type": kind, "signature": signature}
                for text, kind, signature in unique
            ]
        },
    }


def _matches(code: str, text: str, namespace: Dict[str, Any], magics: Magics) -> Tuple[int, List[Match]]:
    whole = cell_magic(code)
    if whole and "\n" in text.lstrip("\n") and whole[0] not in _CODE_MAGICS:
        return _path_word(text, text.rfind("\n") + 1)
    if whole:
        # the lines below it are code: to the scan the first line is only one more magic
        first = text.find("\n", text.find("%%"))
        if first >= 0:
            start, found = _code(text[first + 1 :], code, namespace, magics)
            return first + 1 + start, found
    return _code(text, code, namespace, magics)


def _code(text: str, code: str, namespace: Dict[str, Any], magics: Magics) -> Tuple[int, List[Match]]:
    found = scan(text)
    last = found.lines[-1]
    fresh = text.endswith("\n") and not found.stack and not found.continued
    if fresh:
        return _names(text, code, found, namespace, len(text))
    if found.in_comment:
        return len(text), []
    if last.kind in ("magic", "assign"):
        return _magic(text, code, last.mark, namespace, magics)
    if found.stack and found.stack[-1].kind == "string":
        return _string(text, found, namespace)
    imported = complete_import(text[last.start :])
    if imported is not None:
        return len(text) - imported[0], imported[1]
    return _names(text, code, found, namespace, last.start)


def _magic(text: str, code: str, mark: int, namespace: Dict[str, Any], magics: Magics) -> Tuple[int, List[Match]]:
    line = text[mark:]
    if line[0] == "!":
        return _path_word(text, mark + 1)
    name = _MAGIC.match(line)
    if name:
        signs, prefix = name.groups()
        found: List[Match] = []
        at_top = not text[:mark].strip()
        if signs == "%":
            found.extend(("%" + each, "magic", "") for each in magics.names("line") if each.startswith(prefix))
        if at_top:
            found.extend(("%%" + each, "magic", "") for each in magics.names("cell") if each.startswith(prefix))
        hidden = ("%pinfo", "%pinfo2")
        return mark, [match for match in found if match[0] not in hidden]
    called = _CALLED.match(line)
    if line[0] == "?" or (called and called.group(1) in _CODE_MAGICS):
        skip = called.end() if called else len(line) - len(line.lstrip("?"))
        start, matches = _code(" " * (mark + skip) + line[skip:], code, namespace, magics)
        return start, matches
    return _path_word(text, mark + 1)


def _path_word(text: str, least: int) -> Tuple[int, List[Match]]:
    """File names for the last word of a command."""
    start = len(text)
    while start > least and (not text[start - 1].isspace() or text[start - 2 : start - 1] == "\\"):
        start -= 1
    while start < len(text) and text[start] in "'\"=<>|&;":
        start += 1
    word = text[start:].replace("\\ ", " ")
    return start, [(path.replace(" ", "\\ "), "path", "") for path in paths(word)]


def _string(text: str, found: Scan, namespace: Dict[str, Any]) -> Tuple[int, List[Match]]:
    opened = found.stack[-1]
    inside = opened.start + len(opened.quote)
    typed = text[inside:]
    outer = found.stack[-2] if len(found.stack) > 1 else None
    begin = opened.start - len(opened.prefix)
    if outer is not None and outer.kind == "[" and not text[outer.start + 1 : begin].strip():
        keys = _keys(text[: outer.start], namespace)
        matches = [key for key in keys if isinstance(key, (str, bytes))]
        texts = [key if isinstance(key, str) else key.decode("latin-1") for key in matches]
        return inside, [(key, "dict key", "") for key in sorted(texts) if key.startswith(typed)]
    if "\n" in typed:
        return len(text), []
    return inside, [(path, "path", "") for path in paths(typed)]


def _keys(before: str, namespace: Dict[str, Any]) -> List[Any]:
    expression = trailing_expression(before)
    if not expression:
        return []
    try:
        return dict_keys(resolve(expression, namespace))
    except Unknown:
        return []


def _names(text: str, code: str, found: Scan, namespace: Dict[str, Any], line_start: int) -> Tuple[int, List[Match]]:
    start = word_start(text)
    prefix = text[start:]
    before = text[:start].rstrip() if found.stack else text[:start].rstrip(" \t")
    if before.endswith("."):
        return start, _attributes(before[:-1], prefix, namespace)
    if before and before[-1].isdigit() and start == len(before):
        return len(text), []  # a number
    if re.search(r"\b(?:def|class)[ \t]+$", text[line_start:start]):
        return len(text), []  # the name of something new
    matches: List[Match] = []
    if found.stack and found.stack[-1].kind == "(" and before[-1:] in ("(", ","):
        matches.extend(_parameters(text[: found.stack[-1].start], prefix, namespace))
    if found.stack and found.stack[-1].kind == "[" and before.endswith("["):
        keys = _keys(text[: found.stack[-1].start], namespace)
        texts = sorted(repr(key) for key in keys if type(key) in (str, int, bytes))
        matches.extend((each, "dict key", "") for each in texts if each.startswith(prefix))
    matches.extend(_globals(code, prefix, namespace, start))
    return start, matches


def word_start(text: str) -> int:
    """Where the name at the end of the text begins."""
    found = _WORD.search(text)
    return found.start() if found else len(text)


def _wanted(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and (bool(prefix) or not name.startswith("_"))


def _attributes(expression: str, prefix: str, namespace: Dict[str, Any]) -> List[Match]:
    expression = trailing_expression(expression.rstrip())
    if not expression:
        return []
    try:
        value = resolve(expression, namespace)
    except Unknown:
        return []
    if is_a(value, property) and "." in expression:
        return []  # it stands for a value that only running it would give
    names = [name for name in attribute_names(value) if _wanted(name, prefix)]
    return _described(names, lambda name: member(value, name))


def _globals(code: str, prefix: str, namespace: Dict[str, Any], start: int) -> List[Match]:
    known: Dict[Any, Any] = dict(builtins.__dict__)
    known.update(namespace)
    names = sorted(name for name in known if isinstance(name, str) and _wanted(name, prefix))
    matches = _described(names, lambda name: known[name])
    seen = set(names)
    # names of this cell that nothing has run yet; what is being typed is none of them
    local = bound_names(code[:start] + "\n" + code[start + len(prefix) :])
    fresh = [(name, "statement", "") for name in sorted(local) if _wanted(name, prefix) and name not in seen]
    words = [(word, "keyword", "") for word in keyword.kwlist if _wanted(word, prefix) and word not in seen]
    return fresh + matches + words


def bound_names(code: str) -> List[str]:
    """Names that a cell seems to bind: parameters, targets of ``=`` and ``for``, functions, classes, imports."""
    found = set()
    for number, pattern in enumerate(_BOUND):
        for match in pattern.finditer(code):
            inner = _PARAMETER if number == 0 else _NAME
            found.update(inner.findall(match.group(1)))
    return [name for name in found if not keyword.iskeyword(name)]


def _described(names: List[str], look: Any) -> List[Match]:
    found: List[Match] = []
    for name in names:
        try:
            value = look(name)
        except Exception:
            found.append((name, "instance", ""))
            continue
        kind = kind_of(value)
        signature = signature_of(value) if kind == "function" and len(names) <= _MAX_SIGNATURES else ""
        found.append((name, kind, signature))
    return found


def _parameters(before: str, prefix: str, namespace: Dict[str, Any]) -> List[Match]:
    """``name=`` for the parameters of the function that is being called."""
    expression = trailing_expression(before.rstrip(" \t"))
    if not expression or re.search(r"\b(?:def|class)\s+\w+\s*$", before):
        return []
    try:
        value = resolve(expression, namespace)
    except Unknown:
        return []
    return [(name + "=", "param", "") for name in parameter_names(value) if _wanted(name, prefix)]


def parameter_names(value: Any) -> List[str]:
    """Parameters that a call may give by name."""
    if not callable(value):
        return []
    import inspect

    try:
        parameters = inspect.signature(value).parameters.values()
    except Exception:
        return []
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in by_name]
