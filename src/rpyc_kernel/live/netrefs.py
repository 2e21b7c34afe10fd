"""Classes of netrefs, the stand-ins for objects of the other side, made of what it tells of their methods.

RPyC makes them in ``netref.class_factory``, which looks a class's name up in whatever modules are loaded and lets a
module's ``__getattr__`` run for it, and takes any number of methods of any name.
"""

from __future__ import annotations

import sys
import types
from typing import Any, TypeAlias

from rpyc.core import consts, netref

from rpyc_kernel.transport.brine import BrineError

MAX_METHODS = 2_000  # of a class of theirs
MAX_NAME = 200  # characters of its name, as it is shown
Methods: TypeAlias = tuple[tuple[str, str | None], ...]

#: Python calls these by itself, with objects that nobody meant to pass: what holds the netref, what is copied with it
UNASKED = frozenset(["__deepcopy__", "__get__", "__set__", "__delete__", "__set_name__", "__init_subclass__"])
_NO_METHODS = frozenset(["__qualname__", "__classcell__", *UNASKED, *netref.LOCAL_ATTRS])


def check(told: Any) -> Methods:
    """The names and descriptions of methods that HANDLE_INSPECT was answered with. Raises BrineError."""
    if not isinstance(told, tuple):
        raise BrineError("a class without methods")
    for pair in told:
        if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is str):
            raise BrineError("a method without a name")
    return tuple((name, doc if isinstance(doc, str) else None) for name, doc in told[:MAX_METHODS])


def make(name: str, methods: Methods) -> type:
    """The class of netrefs to instances of a class of theirs, or to it.

    Their ``__class__`` is the class of that name here only if that is loaded already: `isinstance` works then.
    """
    shown = "".join(char if char.isprintable() else "?" for char in name[:MAX_NAME])
    known = _loaded(name)
    names: dict[str, Any] = {"__slots__": (), "__module__": netref.__name__}
    names["__class__"] = None if known is None else netref.NetrefClass(known)
    for method, doc in methods:
        if method.isidentifier() and method not in _NO_METHODS:
            names[method] = _array if method == "__array__" else netref._make_method(method, doc)
    return type(shown, (netref.BaseNetref,), names)


def unasked(handler: int, proxy: Any, name: str, *_args: Any) -> Any:
    """What comes of HANDLE_GETATTR and HANDLE_CALLATTR of such a method: nothing is sent."""
    if handler == consts.HANDLE_GETATTR:
        raise AttributeError(name)
    return proxy  # as an attribute of a class it is what it is


def _array(self: Any, *_args: Any, **_kwargs: Any) -> Any:
    """What numpy asks for; the other side would pickle it, which is refused with a better proposal."""
    return netref.syncreq(self, consts.HANDLE_PICKLE, -1)


def _loaded(name: str) -> type | None:
    """The class of that name in a module that is loaded here; ModuleType for a module. No code of it runs."""
    if type(sys.modules.get(name)) is types.ModuleType:
        return types.ModuleType
    module, _, attribute = name.rpartition(".")
    home = sys.modules.get(module)
    found = vars(home).get(attribute) if type(home) is types.ModuleType else None
    return found if isinstance(found, type) else None
