"""Functions that are defined here and run there, sent as bytecode where both sides share it, and else as source.

RPyC always sends bytecode, which crashes a server on another version of Python.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
import types
from typing import TYPE_CHECKING, Any

import rpyc
from rpyc.core import brine
from rpyc.utils.classic import teleport_function

from rpyc_kernel.errors import ProtocolError, TeleportError

if TYPE_CHECKING:
    from rpyc_kernel.live.connection import LiveConnection


def teleport(remote: LiveConnection, function: Any) -> Any:
    """Define a local function in the session's namespace.

    Returns:
        A netref to the function there.

    Raises:
        TeleportError: The function can't be sent.
        ProtocolError: The other side doesn't tell its versions.
    """
    if not isinstance(function, types.FunctionType):
        raise TeleportError(f"Only a function written in Python can be sent to {remote.where}, not {_kind(function)}.")
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise TeleportError(
            f"{function.__name__} uses {names} of the function around it, which {remote.where} doesn't have: "
            "pass what it needs as an argument."
        )
    defaults, kwdefaults = function.__defaults__ or (), tuple((function.__kwdefaults__ or {}).items())
    if not (brine.dumpable(defaults) and brine.dumpable(kwdefaults)):
        raise TeleportError(
            f"A default of {function.__name__} is no plain immutable value, so that it can't be sent to {remote.where}."
        )
    about = remote.root.about()
    if not (type(about) is tuple and len(about) == 3 and [type(each) for each in about] == [str, str, bytes]):
        raise ProtocolError(remote.where, "no versions where they were asked for")
    python, version, magic = about
    if magic == importlib.util.MAGIC_NUMBER and version.split(".")[0] == rpyc.__version__.split(".")[0]:
        try:
            return teleport_function(remote, function)
        except TypeError as error:  # RPyC can't send a constant; nothing was sent yet
            raise TeleportError(f"{function.__name__} can't be sent to {remote.where}: {error}") from None
    text = _source(function, f"{remote.where} has Python {python}, which doesn't share bytecode with the one here")
    return remote.root.define(function.__name__, text, function.__defaults__, kwdefaults)


def _source(function: types.FunctionType, why: str) -> str:
    """Return the source of a function, without decorators, annotations and defaults.

    Raises:
        TeleportError: There is no usable source; `why` says why it is needed.
    """
    name = function.__name__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        tree = ast.Module([], [])
    found = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)) or found.name != name:
        raise TeleportError(
            f"{name} can't be sent: {why}, and its source can't be found, or isn't a def of its own. "
            "Write it as a def in a cell or a file, or send its text with remote.execute."
        )
    found.decorator_list = []
    found.returns = None
    arguments = found.args
    everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in everyone:
        if argument is not None:
            argument.annotation = None
    arguments.defaults = [ast.Constant(None) for _ in arguments.defaults]  # set afterwards, to the local defaults
    arguments.kw_defaults = [default and ast.Constant(None) for default in arguments.kw_defaults]
    return ast.unparse(ast.fix_missing_locations(tree))


def _kind(value: object) -> str:
    return "a lambda" if getattr(value, "__name__", "") == "<lambda>" else f"a {type(value).__name__}"
