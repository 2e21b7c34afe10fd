"""Local classes for the exceptions of the other side.

For a class that isn't built in, a local class is made, derived from the same built-in classes. A netref to the class
gives this local class too (`ExceptionClass`): both ``except remote.modules.json.JSONDecodeError`` and
``except ValueError`` catch its exceptions. No code of the remote class comes here.
"""

from __future__ import annotations

import builtins
import reprlib
import uuid
import weakref
from typing import Any

from rpyc.core.vinegar import GenericException

from rpyc_kernel.agent import wire_errors
from rpyc_kernel.errors import RemoteError
from rpyc_kernel.live import netrefs
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

MAX_TEXT_CHARS = 100_000  # of a traceback, or of a text
MAX_NAME_CHARS = 200  # of the name of a class, or of a module
MAX_CLASSES = 1_000  # local classes of one connection
ENDING = frozenset(["SystemExit", "KeyboardInterrupt", "GeneratorExit"])  # they end a program, or a generator
_NOT_COPIED = ("_text", "_render_traceback_", "_again", "_netref")

_short = reprlib.Repr()
_short.maxtuple = _short.maxfrozenset = 50
_short.maxstring = _short.maxother = 1_000


class ExceptionClass(type):
    """The metaclass of the local classes. Calling such a class makes an exception there.

    Attributes:
        netref: The netref to the class there; None until one has come.
    """

    netref: Any = None

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Make an exception there and its local counterpart; of a subclass defined here, only a local exception."""
        netref = vars(cls).get("netref")
        if netref is None:
            return super().__call__(*args, **options)
        return netref.____conn__.exception(netref(*args, **options))

    def __getattr__(cls, name: str) -> Any:
        netref = vars(cls).get("netref")
        if netref is None or name.startswith("__"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return getattr(netref, name)


class RemoteException(RemoteError, GenericException):
    """An exception of a class that isn't built into Python: ``name``, ``module``, ``message``, ``remote_traceback``.

    Exceptions that would end the program, such as SystemExit, arrive as this class too.
    """

    _text: str | None = None
    _again: Any = None  # how a copy is made: a function, and its arguments
    _netref: Any = None  # to the exception there, if this one was made by a call

    def __init__(self, *args: Any, **options: Any) -> None:
        if type(self) is RemoteException:
            super().__init__(*args, **options)
        else:  # a subclass that was defined here
            super().__init__(type(self).__name__, ", ".join(map(str, args)), "", type(self).__module__)
            self.args, self._text = args, self.message

    def __str__(self) -> str:
        return super().__str__() if self._text is None else self._text

    def __getattr__(self, name: str) -> Any:
        netref = self.__dict__.get("_netref")
        if netref is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(netref, name)

    def __reduce__(self) -> Any:
        if self._again is None:
            return super().__reduce__()
        return *self._again, {key: value for key, value in self.__dict__.items() if key not in _NOT_COPIED}


class Classes(wire_errors.ErrorClasses):
    """The local classes of one connection."""

    roots = (RemoteException,)
    metaclass = ExceptionClass

    def __init__(self) -> None:
        super().__init__()
        self.id = uuid.uuid4().hex
        connections[self.id] = self

    def find(self, told: Any) -> type[BaseException]:
        """Find or make the class with this description.

        Raises:
            BrineError: `told` isn't a description of a class.
        """
        return super().find(_described(told, [wire_errors.MAX_CLASSES + 1], 0))

    def built_in(self, name: str) -> type[BaseException]:
        """Return the built-in class of that name, or a harmless substitute for a class that would end a program."""
        kind = super().built_in(name)
        if kind is BaseException:
            return Exception
        if kind is BaseExceptionGroup:
            return ExceptionGroup
        return kind if issubclass(kind, Exception) else super().find(ending(name))

    def shown(self, name: str) -> str:
        """Return the local class's name, which differs from the names of the classes that end a program."""
        return f"Remote{name}" if name in ENDING else name

    def _make(self, told: Any, bases: Any) -> type[BaseException]:
        return super()._make(told, bases) if len(self._made) < MAX_CLASSES else RemoteException

    def of(self, name: str, proxy: Any) -> type[BaseException] | None:
        """Return the local class for a remote class.

        Args:
            name: The name of the class, with its module.
            proxy: The netref to the class.

        Returns:
            The local class, or None if the remote class isn't an exception's.
        """
        module, _, short = name.rpartition(".")
        methods = vars(type(proxy))
        found: Any
        if module == "builtins":
            kind = vars(builtins).get(short)
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                return None
            found = self.built_in(short)
        elif methods.get(wire_errors.CLASS) is not None:
            found = self.find(methods[wire_errors.CLASS])
        elif "with_traceback" in methods:  # a service tells no more
            found = self.find(guessed(module, short))
        else:
            return None
        if found is RemoteException:  # the connection has too many classes
            return None
        if isinstance(found, ExceptionClass) and vars(found).get("netref") is None:
            found.netref = proxy
        return found  # type: ignore[no-any-return]


connections: weakref.WeakValueDictionary[str, Classes] = weakref.WeakValueDictionary()
detached = Classes()  # for connections that have ended, or belong to another process


def ending(name: str) -> Any:
    """Return the description of a built-in class whose exceptions would end a program."""
    return "builtins", name, 0, ("Exception",)


def guessed(module: str, name: str) -> Any:
    """Return the description of a class by its name alone, with its built-in bases if the class is loaded here."""
    known = netrefs.loaded(f"{module}.{name}")
    bases: tuple[str, ...] = ("Exception",)
    if known is not None and issubclass(known, Exception) and type(known) is type:
        bases = tuple(each.__name__ for each in known.__mro__ if wire_errors.is_built_in(each) and each is not object)
    return module, name, 0, bases


def _described(told: Any, budget: list[int], depth: int) -> Any:
    """Check a description of the other side, and make its names printable."""
    budget[0] -= 1
    if isinstance(told, str):
        return printable(told)
    if not (isinstance(told, tuple) and len(told) == 4 and type(told[2]) is int and isinstance(told[3], tuple)):
        raise BrineError("the class of an exception that is not described as one")
    if budget[0] < 0 or depth > wire_errors.MAX_BASES:
        raise BrineError("the class of an exception that derives from too many")
    module, name, number, bases = told
    return printable(module), printable(name), number, tuple([_described(each, budget, depth + 1) for each in bases])


def printable(told: Any) -> str:
    """Return a name of the other side, cut, with ``?`` for control characters."""
    return "".join(c if c.isprintable() else "?" for c in as_text(told)[:MAX_NAME_CHARS])


def as_text(value: Any) -> str:
    """Return a text of the other side, cut; the ``repr`` of any other value."""
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else _short.repr(value)
