"""Completion and inspection by IPython, kept from running properties, which may take long, or move something."""

from __future__ import annotations

import types

from ..plain.look.names import Unknown, is_a, resolve, trailing_expression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Set

    from ....wire import Json

#: packages whose properties have no effects
TRUSTED = frozenset(
    ["IPython", "builtins", "ipywidgets", "matplotlib", "numpy", "pandas", "polars", "scipy", "torch", "traitlets"]
)
_HARMLESS = (types.FunctionType, staticmethod, classmethod)


class Looking:
    """Answers what is asked about names and code; a part of `shell.IPythonShell`.

    Attributes:
        in_a_hurry: Whether completion has to do without jedi.
    """

    in_a_hurry = False
    _without_jedi = False
    _shell: Any

    def complete(self, code: str, cursor_pos: int) -> Json:
        """The content of a ``complete_reply``, with the types that JupyterLab shows."""
        from IPython.core.completer import provisionalcompleter, rectify_completions

        completer = self._shell.Completer
        if self.in_a_hurry and completer.use_jedi:
            completer.use_jedi, self._without_jedi = False, True
        elif self._without_jedi and not self.in_a_hurry:
            completer.use_jedi, self._without_jedi = True, False
        completions = completer.completions(code, cursor_pos)  # of which nothing is looked for yet
        if not hasattr(completer, "evaluation"):  # before IPython 8.9 it runs what stands before the dot
            before, dot, _name = code[:cursor_pos].rpartition(".")
            if dot and needs_property(before, self._shell.user_ns):
                completions = []
        with provisionalcompleter():
            found = list(rectify_completions(code, completions))
        types = [
            {"start": item.start, "end": item.end, "text": item.text, "type": item.type, "signature": item.signature}
            for item in found
        ]
        return {
            "status": "ok",
            "matches": [item.text for item in found],
            "cursor_start": found[0].start if found else cursor_pos,
            "cursor_end": found[0].end if found else cursor_pos,
            "metadata": {"_jupyter_types_experimental": types},
        }

    def is_complete(self, code: str) -> Json:
        """Content of an ``is_complete_reply``."""
        status, indent = self._shell.input_transformer_manager.check_complete(code)
        return {"status": status, "indent": " " * (indent or 0)} if status == "incomplete" else {"status": status}

    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: Set[str]) -> Json:
        """The content of an ``inspect_reply``."""
        from IPython.utils.tokenutil import token_at_cursor

        reply: Json = {"status": "ok", "found": False, "data": {}, "metadata": {}}
        name = token_at_cursor(code, cursor_pos)
        if needs_property(name.rpartition(".")[0], self._shell.user_ns):
            return reply
        options = {"omit_sections": omit_sections} if omit_sections else {}
        try:
            reply["data"] = self._shell.object_inspect_mime(name, detail_level=detail_level, **options)
        except KeyError:
            return reply
        if not self._shell.enable_html_pager:
            reply["data"].pop("text/html", None)
        reply["found"] = True
        return reply


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
