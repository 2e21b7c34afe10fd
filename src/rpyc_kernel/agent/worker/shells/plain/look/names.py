"""Looks names up without running code: completion and inspection must have no effects.

An expression is read as far as names, attributes, and constant items of builtin containers go. Properties,
``__getattr__`` and calls belong to the user's code and are left alone.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import types

from ....own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

_C_DESCRIPTORS = (
    types.BuiltinFunctionType,
    type(int.real),  # getset_descriptor
    type(type("_Slots", (), {"__slots__": ("a",)}).a),  # type: ignore[attr-defined]
    type(str.join),  # method_descriptor
    type(int.__add__),  # wrapper_descriptor
    type(dict.__dict__["fromkeys"]),  # classmethod_descriptor
)
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    type(str.join),
    type(int.__add__),
    type(object().__str__),
    type(dict.__dict__["fromkeys"]),
)
_CONTAINERS = (dict, list, tuple, str, bytes)
_DIR_TIMEOUT_S = 0.15  #: a ``__dir__`` of the user's may take this long

#: the expression that ends here: a name, a string or a bracket, then attributes and items
TRAILING = re.compile(
    r"(?:[^\W\d]\w*|\"[^\"\n]*\"|'[^'\n]*'|\[[^\[\]()]*\]|\{[^{}()]*\})"
    r"(?:\s*\.\s*[^\W\d]\w*|\[[^\[\]()]*\])*$"
)


class Unknown(Exception):
    """The value of an expression can only be told by running it."""


def trailing_expression(text: str) -> str:
    """The longest expression at the end of the text that `resolve` may understand, else an empty text."""
    tail = text[-1000:]
    found = TRAILING.search(tail)
    if not found:
        return ""
    before = tail[: found.start()].rstrip(" \t")
    if before.endswith((")", "]", "}", ".", '"', "'")) or (found.group(0)[0] == "[" and before[-1:].isalnum()):
        return ""  # the item or attribute of something that has to be run
    return found.group(0)


def resolve(expression: str, namespace: Dict[str, Any]) -> Any:
    """Find the object that an expression names; for a property of an instance, the property itself.

    Raises:
        Unknown: It can only be told by running code.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unknown(expression) from None
    return _value(tree, namespace)


def _value(tree: ast.AST, namespace: Dict[str, Any]) -> Any:
    if isinstance(tree, ast.Name):
        if tree.id in namespace:
            return namespace[tree.id]
        if tree.id in builtins.__dict__:
            return builtins.__dict__[tree.id]
        raise Unknown(tree.id)
    if isinstance(tree, ast.Attribute):
        value = member(_value(tree.value, namespace), tree.attr)
        return value
    if isinstance(tree, ast.Subscript):
        return _item(_value(tree.value, namespace), tree.slice)
    try:
        return ast.literal_eval(tree)
    except Exception:
        raise Unknown(type(tree).__name__) from None


def _item(container: Any, index: ast.AST) -> Any:
    if type(container) not in _CONTAINERS:
        raise Unknown("item of a %s" % type(container).__name__)
    try:
        # before 3.9 the index is wrapped
        return container[ast.literal_eval(getattr(index, "value", index) if _is_index(index) else index)]
    except Exception:
        raise Unknown("item") from None


def _is_index(index: ast.AST) -> bool:
    return type(index).__name__ == "Index"


def is_a(value: Any, kinds: Any) -> bool:
    """`isinstance` without asking the object, whose ``__class__`` may be code of the user's."""
    return issubclass(type(value), kinds)


def member(value: Any, name: str) -> Any:
    """Find an attribute without running code of the user's.

    Raises:
        Unknown: It isn't there, or can only be told by running code.
    """
    if is_a(value, types.ModuleType):
        if name in value.__dict__:
            return value.__dict__[name]
        submodule = sys.modules.get("%s.%s" % (value.__name__, name))
        if submodule is None:
            raise Unknown(name)
        return submodule
    if is_a(value, property):
        raise Unknown(name)
    if is_a(value, type):
        for place in type.__getattribute__(value, "__mro__"):
            if name in place.__dict__:
                found = place.__dict__[name]
                return found.__get__(None, value) if is_a(found, (staticmethod, classmethod)) else found
        return _bound(value, type(value), name, {})
    try:
        own = object.__getattribute__(value, "__dict__")
    except Exception:
        own = {}
    return _bound(value, type(value), name, own if type(own) is dict else {})


def _bound(value: Any, cls: type, name: str, own: Dict[str, Any]) -> Any:
    missing = object()
    found: Any = missing
    for place in cls.__mro__:
        if name in place.__dict__:
            found = place.__dict__[name]
            break
    if is_a(found, property):
        return found
    if is_a(found, _C_DESCRIPTORS):
        try:
            getter: Any = getattr(found, "__get__", None)
            return found if getter is None else getter(value, cls)
        except Exception:
            raise Unknown(name) from None
    if name in own:
        return own[name]
    if found is missing:
        raise Unknown(name)
    if is_a(found, (types.FunctionType, staticmethod, classmethod)):
        return found.__get__(value, cls)
    if hasattr(type(found), "__get__"):
        raise Unknown(name)  # a descriptor of the user's
    return found


def attribute_names(value: Any) -> List[str]:
    """The names that ``dir()`` gives; the class's alone where ``__dir__`` raises or takes too long."""
    if isinstance(type(value).__dict__.get("__dir__", _inherited_dir(value)), types.FunctionType):
        found, names = _patient_dir(value)
        if found:
            return names
    else:
        try:
            return _strings(dir(value))
        except Exception:
            pass
    try:
        own = list(object.__getattribute__(value, "__dict__"))
    except Exception:
        own = []
    return _strings(own + list(type.__dir__(type(value))))


def _inherited_dir(value: Any) -> Any:
    for place in type(value).__mro__:
        if "__dir__" in place.__dict__:
            return place.__dict__["__dir__"]
    return None


def _patient_dir(value: Any) -> Tuple[bool, List[str]]:
    """``dir(value)`` in a thread of its own, which is left behind if it takes too long."""
    result: List[List[str]] = []

    def ask() -> None:
        try:
            result.append(_strings(dir(value)))
        except BaseException:
            pass

    thread = OwnThread(ask, "completion asks __dir__")
    thread.start()
    thread.join(_DIR_TIMEOUT_S)
    return bool(result), result[0] if result else []


def _strings(names: Any) -> List[str]:
    return sorted({name for name in names if isinstance(name, str)})


def kind_of(value: Any) -> str:
    """The type of a completion as JupyterLab shows it."""
    if is_a(value, type):
        return "class"
    if is_a(value, types.ModuleType):
        return "module"
    if is_a(value, property):
        return "property"
    if is_a(value, _FUNCTIONS):
        return "function"
    return "instance"


def signature_of(value: Any) -> str:
    """``(a, b=1)`` of a function or class; empty where it has none that can be told."""
    if not is_a(value, (type, *_FUNCTIONS)):
        return ""
    import inspect

    try:
        return str(inspect.signature(value))
    except Exception:
        return ""
