"""The text about an object for ``obj?``, ``obj??`` and Shift-Tab.

`inspect` finds signatures, documentation and sources. `pydoc` would show all members of a class, and import to find a
name.
"""

from __future__ import annotations

import builtins
import keyword
import re
import types

from ..language.scan import scan
from .names import Unknown, attribute_names, is_a, kind_of, member, resolve, signature_of, trailing_expression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Container, Dict, List, Optional, Tuple

    from ..magics.registry import Magics

_RED, _RESET = "\x1b[31m", "\x1b[0m"
_MAGIC = re.compile(r"(%{1,2})([^\W\d]\w*)$")
_PLAIN = (int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, type(None), range)
_MAX_TEXT_CHARS = 200


def inspect_at(
    code: str, pos: int, namespace: Dict[str, Any], magics: Magics, detail: int = 0, omit: Container[str] = ()
) -> Dict[str, Any]:
    """Content of an ``inspect_reply``; `detail` 1 adds the source, sections named in `omit` are left out."""
    pos = max(0, min(pos, len(code)))
    for name in _candidates(code, pos):
        try:
            text = describe_name(name, namespace, magics, detail, omit)
        except Exception:
            continue  # looking at it runs code of its class after all, and that code raises
        if text is not None:
            return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}
    return {"status": "ok", "found": False, "data": {}, "metadata": {}}


def describe_name(
    name: str, namespace: Dict[str, Any], magics: Magics, detail: int = 0, omit: Container[str] = ()
) -> Optional[str]:
    """The text about what a name stands for; None if it stands for nothing."""
    magic = _MAGIC.match(name)
    if magic:
        return _describe_magic(magics, "cell" if magic.group(1) == "%%" else "line", magic.group(2))
    try:
        value = resolve(name, namespace)
    except Unknown:
        if name.isidentifier() and not keyword.iskeyword(name):
            return _describe_magic(magics, "line", name)
        return None
    return describe(value, detail, omit)


def describe(value: Any, detail: int = 0, omit: Container[str] = ()) -> str:
    """Signature, documentation or source, file and type of an object, under red titles."""
    sections: List[Tuple[str, str]] = []
    kind = kind_of(value)
    name = _name(value) if kind in ("function", "class") else ""
    signature = signature_of(value)
    if signature and kind == "class":
        sections.append(("Init signature", name + signature))
    elif signature:
        sections.append(("Signature", name + signature))
    elif callable(value) and kind == "instance":
        call = signature_of(type(value).__call__)
        if call:
            sections.append(("Call signature", re.sub(r"^\(self(, )?", "(", call)))
    source = source_of(value) if detail else ""
    documentation = doc_of(value)
    about: List[Tuple[str, str]] = []
    if kind not in ("function", "class", "module"):
        about.append(("Type", type(value).__name__))
        text = _string_form(value)
        if text:
            about.append(("String form", text))
        if type(value) in _PLAIN and hasattr(value, "__len__"):
            about.append(("Length", str(len(value))))
    file = file_of(value)
    if file:
        about.append(("File", file))
    if kind in ("function", "class", "module"):
        about.append(("Type", type(value).__name__))
    content = [("Source", source)] if source else [("Docstring", documentation or "<no docstring>")]
    if kind in ("function", "class", "module"):
        sections.extend(content + about)
        if kind == "class":
            sections.append(("Subclasses", ", ".join(_name(cls) for cls in type.__subclasses__(value)[:10])))
    else:
        sections.extend(about + content)
    return "\n".join(_section(title, text) for title, text in sections if text and title.lower() not in omit)


def _name(value: Any) -> str:
    try:
        return str(value.__name__)
    except Exception:
        return "?"


def doc_of(value: Any) -> str:
    """Its documentation, without the indentation of its source; of its class, if it has none itself."""
    import inspect

    try:
        if kind_of(value) != "instance":
            return inspect.getdoc(value) or ""
        found = member(value, "__doc__")
        return inspect.cleandoc(found) if type(found) is str else ""
    except Exception:
        return ""


def source_of(value: Any) -> str:
    """Its source, or that of its class; empty if there is none to be read."""
    import inspect
    import textwrap

    about = _maker(value)
    try:
        return textwrap.dedent(inspect.getsource(about)).rstrip("\n")
    except Exception:
        return _class_source(about)


def _class_source(cls: Any) -> str:
    """Source of a class made in a cell: `inspect` looks for the file of its module, and `__main__` has none."""
    import linecache

    for function in _own_functions(cls):
        lines = linecache.getlines(function.__code__.co_filename)
        place = _class_lines("".join(lines), cls.__qualname__)
        if place:
            return "".join(lines[place[0] - 1 : place[1]]).rstrip("\n")
    return ""


def _own_functions(cls: Any) -> List[types.FunctionType]:
    """The functions in a class that were made where it was made."""
    if not is_a(cls, type):
        return []
    members = [getattr(each, "__func__", each) for each in list(cls.__dict__.values())]
    return [each for each in members if isinstance(each, types.FunctionType) and each.__module__ == cls.__module__]


def _class_lines(source: str, qualname: str) -> Optional[Tuple[int, int]]:
    """First and last line of a class in a source."""
    import ast

    from ..language.transform import transform

    try:
        body: List[Any] = ast.parse(transform(source)).body
    except Exception:
        return None
    node: Any = None
    for name in qualname.split("."):
        node = next((each for each in reversed(body) if isinstance(each, ast.ClassDef) and each.name == name), None)
        if node is None:
            return None
        body = node.body
    first = min([node.lineno] + [each.lineno for each in node.decorator_list])
    # before 3.8 there is only where things begin
    last = first
    for each in ast.walk(node):
        last = max(last, getattr(each, "end_lineno", None) or getattr(each, "lineno", 0))
    return first, last


def file_of(value: Any) -> str:
    """The file where it was made; of cells their name."""
    import inspect

    about = _maker(value)
    try:
        return inspect.getfile(inspect.unwrap(about))
    except Exception:
        return next((each.__code__.co_filename for each in _own_functions(about)), "")


def _maker(value: Any) -> Any:
    """The object that has a source: the value itself, the getter of a property, the class of anything else."""
    if is_a(value, property):
        return value.fget
    return type(value) if kind_of(value) == "instance" else value


def search(pattern: str, namespace: Dict[str, Any]) -> List[str]:
    """Names that match ``os.*dir*``."""
    import fnmatch

    owner, dot, last = pattern.rpartition(".")
    if dot:
        try:
            names = attribute_names(resolve(owner, namespace))
        except Unknown:
            return []
    else:
        names = sorted(set(namespace) | set(builtins.__dict__))
    found = [name for name in names if fnmatch.fnmatchcase(name, last)]
    return [owner + dot + name for name in found if last.startswith("_") or not name.startswith("_")]


def _candidates(code: str, pos: int) -> List[str]:
    """Names to tell about, best first: the one at the cursor, then the functions whose arguments it is in."""
    found = scan(code[:pos])
    names = []
    in_text = found.in_comment or (bool(found.stack) and found.stack[-1].kind == "string")
    if not in_text:
        end = pos
        while end < len(code) and (code[end].isalnum() or code[end] == "_"):
            end += 1
        start = end
        while start > 0 and (code[start - 1].isalnum() or code[start - 1] in "_%"):
            start -= 1
        word = code[start:end]
        if word.startswith("%"):
            names.append(word)
        elif word and not word[0].isdigit():
            names.append(trailing_expression(code[:end]) or "")
    calls = [opened.start for opened in reversed(found.stack) if opened.kind == "("]
    names.extend(trailing_expression(code[:start].rstrip(" \t")) for start in calls)
    return [name for name in names if name]


def _describe_magic(magics: Magics, kind: str, name: str) -> Optional[str]:
    if name not in magics.names(kind):
        return None
    try:
        function = magics.find(kind, name)
    except Exception:
        return None
    text = doc_of(function) or "<no docstring>"
    return _section("Docstring", text) + "\n" + _section("Type", "%s magic" % kind)


def _section(title: str, text: str) -> str:
    label = _RED + title + ":" + _RESET
    if "\n" in text:
        return label + "\n" + text
    return label + " " * max(1, 11 - len(title)) + text


def _string_form(value: Any) -> str:
    """``str(value)`` of what is builtin: that of others is code, which might take its time on this thread."""
    if type(value) not in _PLAIN:
        return ""
    if isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > 100:
        return ""
    try:
        text = " ".join(str(value).split()) if not isinstance(value, (list, tuple, dict, set)) else repr(value)
    except Exception:
        return ""
    return text if len(text) <= _MAX_TEXT_CHARS else text[:_MAX_TEXT_CHARS] + "..."
