"""Functions and classes on their way to a machine: by cloudpickle where both ends share it, else by their source."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import linecache
import sys
import textwrap
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from rpyc_kernel.errors import ValueRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Definition(NamedTuple):
    """A function or a class, packed.

    Attributes:
        how: ``cloudpickle`` or ``source``.
        data: The pickle, or the source in UTF-8.
        defines: The name that the source defines.
    """

    how: str
    data: bytes
    defines: str


def is_definition(value: object) -> bool:
    """Tell whether a value is a function or a class."""
    return isinstance(value, (type, types.FunctionType))


def definition(value: Any, name: str, peer: Mapping[str, str]) -> Definition:
    """Pack a function or a class.

    Args:
        value: The function or class.
        name: What a sentence calls it.
        peer: The versions there: of ``python``, and of packages.

    Raises:
        ValueRefusedError: It can't be sent, and why.
    """
    here = "{}.{}".format(*sys.version_info)
    there = ".".join(peer.get("python", "").split(".")[:2])
    if here == there and "cloudpickle" in peer and importlib.util.find_spec("cloudpickle"):
        import cloudpickle  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: PLC0415 - if it is there

        try:
            return Definition("cloudpickle", cloudpickle.dumps(value), value.__name__)
        except Exception as error:  # noqa: BLE001 - of whatever it refers to
            raise ValueRefusedError(f"{name} can't be sent: {type(error).__name__}: {error}.") from None
    otherwise = f"install cloudpickle at both ends, for the same Python (here {here}, there {there})"
    kind = "class" if isinstance(value, type) else "function"
    if getattr(value, "__closure__", None):
        names = ", ".join(value.__code__.co_freevars)
        raise ValueRefusedError(
            f"{name} can't be sent by its source: it uses {names} of the function around it. Give them as arguments, "
            f"or {otherwise}."
        )
    source = _source(value)
    if source is None:
        raise ValueRefusedError(
            f"{name} can't be sent: its source isn't a def or class of its own that can be found here. Write the "
            f"{kind} in a cell or a file, or {otherwise}."
        )
    return Definition("source", source.encode(), value.__name__)


def _source(value: Any) -> str | None:
    """Return the source that defines a function or a class, None where there is none."""
    try:
        if isinstance(value, type):
            return _source_of_class(value)
        text = textwrap.dedent(inspect.getsource(value))
        (statement,) = ast.parse(text).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    return text if isinstance(statement, kinds) and statement.name == value.__name__ else None


def _source_of_class(value: type) -> str | None:
    """Return the source of a class; of one that a cell defines, which `inspect` can't find, from the cell's lines."""
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        if value.__module__ != "__main__" or "." in value.__qualname__:
            return None
    for _size, _time, lines, _name in reversed([each for each in [*linecache.cache.values()] if len(each) == 4]):
        text = "".join(lines)
        if f"class {value.__name__}" not in text:
            continue
        with contextlib.suppress(SyntaxError, ValueError):  # a cell with magics, or with nulls
            for statement in ast.parse(text).body:
                if isinstance(statement, ast.ClassDef) and statement.name == value.__name__:
                    first = min([statement.lineno, *[each.lineno for each in statement.decorator_list]])
                    return "".join(lines[first - 1 : statement.end_lineno])
    return None
