"""Classes of netrefs, the stand-ins for objects of the other side, made from the names of their methods.

RPyC's ``netref.class_factory`` looks a class's name up in every loaded module, runs a module's ``__getattr__`` for it,
and takes any number of methods of any name.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, TypeAlias

from rpyc.core import consts, netref

from rpyc_kernel.agent import wire_arrays, wire_errors, wire_live
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

MAX_METHODS = 2_000  # of one class
MAX_NAME_CHARS = 200  # of a class's name, when shown
Methods: TypeAlias = tuple[tuple[str, str | None], ...]

#: Python calls these by itself, and would pass objects that nobody meant to pass: the netref's holder, a copy's memo
UNASKED = frozenset(["__deepcopy__", "__get__", "__set__", "__delete__", "__set_name__", "__init_subclass__"])
_NO_METHODS = frozenset([
    "__qualname__", "__classcell__", wire_errors.CLASS, *UNASKED, *netref.LOCAL_ATTRS, *wire_arrays.PROTOCOLS
])  # fmt: skip


def check(told: Any) -> Methods:
    """Check an answer to HANDLE_INSPECT: pairs of a method's name and its description.

    Raises:
        BrineError: The answer isn't such a tuple.
    """
    if not isinstance(told, tuple):
        raise BrineError("a class without methods")
    for pair in told:
        if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is str):
            raise BrineError("a method without a name")
    return tuple((name, doc if isinstance(doc, str) else None) for name, doc in told[:MAX_METHODS])


def make(name: str, methods: Methods, described: Any = None) -> type:
    """Make the class of netrefs to a remote class, or to its instances.

    `isinstance` works if the class of that name is loaded here already: it is the netrefs' ``__class__`` then.

    Args:
        name: The name of the remote class, with its module.
        methods: Names and descriptions of its methods.
        described: The description of an exception's class; None for other classes.
    """
    shown = "".join(char if char.isprintable() else "?" for char in name[:MAX_NAME_CHARS])
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
    """The ``__class__`` of a netref whose class isn't loaded here: the remote class, if the other side answers.

    `isinstance` reads ``__class__`` too, and must not fail for an object with a closed connection.
    """

    def __get__(self, proxy: Any, owner: type) -> Any:
        if proxy is None:
            return type
        try:
            return proxy.__getattr__("__class__")
        except Exception:  # noqa: BLE001 - closed, or a remote property that fails
            return owner


@functools.cache
def built_in(name: str, *, is_class: bool) -> type | None:
    """Return the class of netrefs to a built-in class, or to its instances; None if no class has that name.

    RPyC has one class of netrefs for both, so that every list looks callable.
    """
    kind = netref._normalized_builtin_types.get(name)
    if kind is None:
        return None
    made = make(name, tuple(wire_live.methods_of(kind) if is_class else wire_live.routines(kind.__mro__)))
    if not is_class:
        wire_live.complete(made, kind)
    return made


def unasked(handler: int, proxy: Any, name: str, *_args: Any) -> Any:
    """Answer HANDLE_GETATTR and HANDLE_CALLATTR of an `UNASKED` method without sending anything."""
    if handler == consts.HANDLE_GETATTR:
        raise AttributeError(name)
    return proxy  # ``__get__``: an attribute of a class remains the netref itself


def _array(proxy: Any) -> Any:
    """Copy the array that a netref leads to."""
    return proxy.____conn__.array(proxy)


_ARRAY = wire_arrays.methods(_array)


def _exit(self: Any, kind: Any, error: Any, _tb: Any) -> Any:
    """End a ``with`` block of a remote object."""
    return netref.syncreq(self, consts.HANDLE_CTXEXIT, kind if error is None else error)


#: Python's own types without a name in `builtins`
_NAMELESS: dict[str, type] = {f"builtins.{kind.__name__}": kind for kind in [
    *map(type, ({}.keys(), {}.values(), {}.items(), iter({}), iter({}.values()), iter({}.items()), iter([]), iter(()),
    iter(""), iter(b""), iter(set()), iter(range(1)), reversed([]))),
    types.BuiltinFunctionType, types.FunctionType, types.MethodType, types.GeneratorType,
]}  # fmt: skip


def loaded(name: str) -> type | None:
    """Return the class of that name if its module is loaded, ModuleType for a module. Runs no code of the module."""
    if type(sys.modules.get(name)) is types.ModuleType:
        return types.ModuleType
    if name in _NAMELESS:
        return _NAMELESS[name]
    module, _, attribute = name.rpartition(".")
    home = sys.modules.get(module)
    found = vars(home).get(attribute) if type(home) is types.ModuleType else None
    return found if isinstance(found, type) else None
