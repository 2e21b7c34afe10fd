"""Keeps completion and inspection by IPython from running properties, which may take long, or move something."""

from __future__ import annotations

import types

from ..plain.look.names import Unknown, is_a, resolve, trailing_expression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

#: packages whose properties have no effects
TRUSTED = frozenset(
    ["IPython", "builtins", "ipywidgets", "matplotlib", "numpy", "pandas", "polars", "scipy", "torch", "traitlets"]
)
_HARMLESS = (types.FunctionType, staticmethod, classmethod)


def make_jedi_careful(jedi: Any) -> None:
    """Let jedi run no descriptors, by the setting of its newer versions and that of its older ones."""
    jedi.settings.allow_unsafe_interpreter_executions = False
    jedi.Interpreter._allow_descriptor_getattr_default = False


def needs_property(text: str, namespace: Dict[str, Any]) -> bool:
    """Whether a property has to be run for the value of the names and attributes that end the text."""
    expression = trailing_expression(text)
    while "." in expression:
        expression, _, name = expression.rpartition(".")
        try:
            value = resolve(expression, namespace)
        except Unknown:
            continue  # an attribute before it may be the one
        if _is_computed(type(value), name.partition("[")[0].strip()):
            return True
    return False


def _is_computed(cls: type, name: str) -> bool:
    for place in cls.__mro__:
        if name in place.__dict__:
            found = place.__dict__[name]
            computed = (hasattr(type(found), "__get__") and hasattr(found, "__dict__")) or is_a(found, property)
            trusted = str(getattr(place, "__module__", "")).partition(".")[0] in TRUSTED
            return computed and not trusted and not is_a(found, _HARMLESS)
    return False


def spare_html(shell: Any) -> None:
    """Have IPython make no coloured HTML for inspections where the shell shows none: it takes a third of their time."""
    from IPython.core import oinspect

    pylight = oinspect.pylight

    def coloured(code: str) -> str:
        return str(pylight(code)) if shell.enable_html_pager else ""

    oinspect.pylight = coloured
