"""Exceptions in a live connection, at the session's end: dumped for the kernel, and loaded from it."""

from __future__ import annotations

import sys
import traceback
import weakref

from ... import wire_errors
from ...values import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Optional, Type


class KernelException(BaseException):
    """An exception of the kernel's side, of a class that isn't known here; of its built-in class it is one too."""

    def __str__(self) -> str:
        text = self.__dict__.get(wire_errors.TEXT)
        return text if text is not None else super().__str__()


class Errors(wire_errors.ErrorClasses):
    """The classes of exceptions that one connection has carried."""

    roots = (KernelException,)

    def __init__(self) -> None:
        super().__init__()
        self._told: weakref.WeakValueDictionary[int, Type[BaseException]] = weakref.WeakValueDictionary()

    def known(self, module: str, name: str, number: int) -> Optional[Type[BaseException]]:
        """Find the class of this side that the kernel was told of, or a class of its name."""
        kind = self._told.get(number)
        if kind is None or kind.__name__ != name:
            kind = getattr(sys.modules.get(module), name, None)
        return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None

    def describe(self, kind: Type[BaseException]) -> Any:
        """Describe a class to the kernel, which knows it by that."""
        for each in kind.__mro__:
            if issubclass(each, BaseException) and not wire_errors.is_built_in(each):
                self._told[id(each)] = each
        return wire_errors.describe(kind)

    def dump(self, error: BaseException, tb: Optional[TracebackType]) -> Any:
        """Describe an exception to the kernel."""
        self.describe(type(error))
        try:
            trace = "".join(traceback.format_exception(type(error), error, tb))
        except Exception:  # its own methods fail, or it is nested too deep
            trace = "".join(traceback.format_tb(tb)) + "%s\n" % type(error).__name__
        return wire_errors.dump(error, trace, texts=True)

    def load(self, told: Any) -> BaseException:
        """Make the exception that the kernel has dumped."""
        if told == wire_errors.STOP_ITERATION:
            return StopIteration()
        (_module, name), args, attributes, trace = told
        values = dict(attributes)
        described, text, cause = (
            values.pop(key, None) for key in (wire_errors.CLASS, wire_errors.TEXT, wire_errors.CAUSE)
        )
        members = [self.load(each) for each in values.pop(wire_errors.MEMBERS, ())]
        packed = values.pop(wire_errors.DATA, None)
        if packed is not None:
            copies = unpack(packed[0], packed[1:])
            args = tuple([copies["args"].get(index, value) for index, value in enumerate(args)])
            values.update(copies["attributes"])
        kind = self.find(described or name)
        error = self.create(kind, args, members)
        for key, value in values.items():
            try:
                setattr(error, key, value)
            except Exception:  # a property, or one that takes no such value
                continue
        if isinstance(error, KernelException):
            error.__dict__[wire_errors.TEXT] = text
        if cause is not None:
            error.__cause__ = self.load(cause)
        error._remote_tb = trace  # type: ignore[attr-defined]  # where RPyC has it
        return error
