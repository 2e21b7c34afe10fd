"""Classes of netrefs, the stand-ins for objects of the other side, made of what it tells of their methods.

RPyC makes them in ``netref.class_factory``, which looks a class's name up in whatever modules are loaded and lets a
module's ``__getattr__`` run for it, and takes any number of methods of any name.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, TypeAlias

from rpyc.core import consts, netref

from rpyc_kernel.agent import wire_arrays, wire_errors, wire_live
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

MAX_METHODS = 2_000  # of a class of theirs
MAX_NAME = 200  # characters of its name, as it is shown
Methods: TypeAlias = tuple[tuple[str, str | None], ...]

#: Python calls these by itself, with objects that nobody meant to pass: what holds the netref, what is copied with it
UNASKED = frozenset(["__deepcopy__", "__get__", "__set__", "__delete__", "__set_name__", "__init_subclass__"])
_NO_METHODS = frozenset([
    "__qualname__", "__classcell__", wire_errors.CLASS, *UNASKED, *netref.LOCAL_ATTRS, *wire_arrays.PROTOCOLS
])  # fmt: skip


def check(told: Any) -> Methods:
    """The names and descriptions of methods that HANDLE_INSPECT was answered with. Raises BrineError."""
    if not isinstance(told, tuple):
        raise BrineError("a class without methods")
    for pair in told:
        if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is str):
            raise BrineError("a method without a name")
    return tuple((name, doc if isinstance(doc, str) else None) for name, doc in told[:MAX_METHODS])


def make(name: str, methods: Methods, described: Any = None) -> type:
    """The class of netrefs to instances of a class of theirs, or to it.

    Their ``__class__`` is the class of that name here only if that is loaded already: `isinstance` works then.
    *described*: what they tell of a class of exceptions.
    """
    shown = "".join(char if char.isprintable() else "?" for char in name[:MAX_NAME])
    known = loaded(name)
    names: dict[str, Any] = {"__slots__": (), "__module__": netref.__name__, "__exit__": _exit}
    names["__class__"] = _AskedClass() if known is None else netref.NetrefClass(known)
    names[wire_errors.CLASS] = described
    for method, doc in methods:
        if method == "__array__":
            names.update(_ARRAY)
        elif method.isidentifier() and method not in _NO_METHODS:
            names[method] = netref._make_method(method, doc)
    return type(shown, (netref.BaseNetref,), names)


class _AskedClass:
    """The ``__class__`` of a netref whose class isn't loaded here: theirs, as far as they can be asked.

    `isinstance` asks for it too, of whatever object, and must not fail of one whose connection is closed.
    """

    def __get__(self, proxy: Any, owner: type) -> Any:
        if proxy is None:
            return type
        try:
            return proxy.__getattr__("__class__")
        except Exception:  # noqa: BLE001 - closed, or a property of theirs
            return owner


@functools.cache
def built_in(name: str, *, is_class: bool) -> type | None:
    """The class of netrefs to instances of a built-in class, or to it; None if there is none of that name.

    RPyC has one for both, so that each list is callable.
    """
    kind = netref._normalized_builtin_types.get(name)
    if kind is None:
        return None
    made = make(name, tuple(wire_live.methods_of(kind) if is_class else wire_live.routines(kind.__mro__)))
    if not is_class:
        wire_live.complete(made, kind)
    return made


def unasked(handler: int, proxy: Any, name: str, *_args: Any) -> Any:
    """What comes of HANDLE_GETATTR and HANDLE_CALLATTR of such a method: nothing is sent."""
    if handler == consts.HANDLE_GETATTR:
        raise AttributeError(name)
    return proxy  # as an attribute of a class it is what it is


def _array(proxy: Any) -> Any:
    """The array that a netref leads to, as one of here."""
    return proxy.____conn__.array(proxy)


_ARRAY = wire_arrays.methods(_array)


def _exit(self: Any, kind: Any, error: Any, _tb: Any) -> Any:
    """End a ``with`` block whose object lies there."""
    return netref.syncreq(self, consts.HANDLE_CTXEXIT, kind if error is None else error)


#: those of Python's own types that have no name in `builtins`
_NAMELESS: dict[str, type] = {f"builtins.{kind.__name__}": kind for kind in [
    *map(type, ({}.keys(), {}.values(), {}.items(), iter({}), iter({}.values()), iter({}.items()), iter([]), iter(()),
    iter(""), iter(b""), iter(set()), iter(range(1)), reversed([]))),
    types.BuiltinFunctionType, types.FunctionType, types.MethodType, types.GeneratorType,
]}  # fmt: skip


def loaded(name: str) -> type | None:
    """The class of that name in a module that is loaded here; ModuleType for a module. No code of it runs."""
    if type(sys.modules.get(name)) is types.ModuleType:
        return types.ModuleType
    if name in _NAMELESS:
        return _NAMELESS[name]
    module, _, attribute = name.rpartition(".")
    home = sys.modules.get(module)
    found = vars(home).get(attribute) if type(home) is types.ModuleType else None
    return found if isinstance(found, type) else None
