"""Exceptions of the other side, made here from what it tells of them: built-in ones as what they are.

RPyC's ``vinegar`` does that too; it looks a class up in any module that is loaded, sets whatever attributes it is told
to, and puts the other side's traceback into ``str`` of the exception. Here it is a note of the exception (PEP 678).
"""

from __future__ import annotations

import builtins
import contextlib
from functools import partial
from typing import Any

from rpyc.core.vinegar import GenericException

from rpyc_kernel.errors import RemoteError
from rpyc_kernel.live import tracebacks
from rpyc_kernel.transport.brine import BrineError
from rpyc_kernel.transport.dialect import EXC_STOP_ITERATION

MAX_TEXT = 100_000  # characters of a traceback
MAX_ATTRIBUTES = 50


class RemoteException(RemoteError, GenericException):
    """An exception of a class that isn't built into Python: ``name``, ``module``, ``message``, ``remote_traceback``."""


def load(dumped: Any, where: str) -> BaseException | type[BaseException]:
    """The exception that was dumped by RPyC's vinegar on the machine *where*. Raises BrineError where that is none."""
    if dumped == EXC_STOP_ITERATION and type(dumped) is int:
        return StopIteration
    if isinstance(dumped, str):
        return RemoteException("Exception", dumped[:MAX_TEXT])
    if not isinstance(dumped, tuple) or len(dumped) != 4:
        raise BrineError("an exception that is not dumped as one")
    names, args, attributes, trace = dumped
    if not (isinstance(names, tuple) and len(names) == 2 and isinstance(args, tuple) and isinstance(attributes, tuple)):
        raise BrineError("an exception without a name")
    module, name, trace = (str(text)[:MAX_TEXT] for text in (*names, trace))
    error = _builtin(module, name, args)
    if error is None:
        message = ", ".join(str(arg)[:MAX_TEXT] for arg in args[:10])
        error = RemoteException(name if module == "builtins" else f"{module}.{name}", message, trace, module)
    _set_attributes(error, attributes)
    error._remote_tb = trace  # type: ignore[attr-defined]  # where RPyC has it
    nested = trace.count(tracebacks.BEGIN) + 1
    error.add_note(f"\n{tracebacks.BEGIN}({nested}) =========\n{trace.rstrip()}")
    error._render_traceback_ = partial(tracebacks.render, error, trace, where)  # type: ignore[attr-defined]
    return error


def _builtin(module: str, name: str, args: tuple[Any, ...]) -> BaseException | None:
    kind = vars(builtins).get(name) if module == "builtins" else None
    if not (isinstance(kind, type) and issubclass(kind, BaseException)) or issubclass(kind, BaseExceptionGroup):
        return None
    try:
        error: BaseException = kind(*args)
    except Exception:  # noqa: BLE001 - it wants other arguments than it keeps
        error = kind.__new__(kind)
        error.args = args
    return error


def _set_attributes(error: BaseException, attributes: tuple[Any, ...]) -> None:
    for pair in attributes[:MAX_ATTRIBUTES]:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise BrineError("an attribute of an exception without a name")
        name, value = pair
        if name.startswith("_") or not name.isidentifier() or name in ("args", "add_note", "with_traceback"):
            continue
        if value is None:  # an OSError without a second file name has none, rather than one that is None
            continue
        if isinstance(error, RemoteError) and name in ("name", "message", "module", "remote_traceback"):
            continue
        with contextlib.suppress(Exception):  # a property, or one that takes no such value
            setattr(error, name, value)
