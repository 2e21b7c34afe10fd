"""Expressions as arguments of a command: ``df model=results["best"]``. Text in, names and expressions out."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from typing import NamedTuple

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.scan import tokens
from rpyc_kernel.kernel.commands.spec import shorten

_NAMED = re.compile(r"([^\W\d]\w*)=(?!=)(.*)", re.DOTALL)
_TAKEN = frozenset(vars(builtins)) | {"remote", "get_ipython", "In", "Out", "exit", "quit"}


class NamedExpression(NamedTuple):
    """An expression, and the name that its value gets at the other end."""

    name: str
    expression: str


def split_expressions(text: str, shown: str) -> list[str]:
    """Split text into words as Python would read it: no blank within brackets or a string ends a word.

    Raises:
        CommandError: A string or a bracket isn't closed.
    """
    words, start, depth, position = [], 0, 0, 0
    for kind, begin, end in [*tokens(text, 0), ("end", len(text), len(text))]:
        if kind == "unclosed":
            raise CommandError(f"{shown} has a {text[begin]} that is not closed.")
        if not depth:
            for blank in re.finditer(r"\s+", text[position:begin]):
                words.append(text[start : position + blank.start()])
                start = position + blank.end()
            if kind in ("newline", "continuation", "end") or (kind == "comment" and start == begin):
                words.append(text[start:begin])
                start = end
        depth += (kind == "open") - (kind == "close")
        position = end
    if depth:
        raise CommandError(f"{shown} has a bracket that is not closed.")
    return [word for word in words if word]


def named_expressions(words: Sequence[str], only_name: str | None, shown: str) -> list[NamedExpression]:
    """Read the words of a command.

    Args:
        words: ``NAME``, ``NAME=EXPRESSION``, or an expression that `only_name` names.
        only_name: The name for the only word.
        shown: The command, for sentences.

    Raises:
        CommandError: One has no name, or two have the same one, or a name is taken by Python itself.
    """
    if only_name is not None and len(words) != 1:
        raise CommandError(
            f"--as of {shown} names one value, and there are {len(words)}: write NAME=EXPRESSION instead."
        )
    found: list[NamedExpression] = []
    for word in words:
        match = _NAMED.fullmatch(word)
        name, expression = (match[1], match[2]) if match else (word, word)
        if only_name is not None:
            name = only_name
        if not name.isidentifier() or keyword.iskeyword(name):
            example = f"{shown} name={shorten(word)}"
            raise CommandError(f"{shorten(word)} is no name, so its value needs one: {example}")
        if not expression:
            raise CommandError(f"{shown} {name}= needs an expression behind the =.")
        if name in _TAKEN or (name.startswith("__") and name.endswith("__")):
            raise CommandError(f"{name} is a name of Python's own or of the notebook's: give the value another one.")
        if name in [each.name for each in found]:
            raise CommandError(f"{shown} has {name} twice.")
        found.append(NamedExpression(name, expression))
    return found
