"""A session's netrefs to objects of the kernel's side, and copies of them."""

from __future__ import annotations

import builtins

from ... import values, wire_arrays, wire_live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

#: methods that are operators: they leave their other operand as it is
OPERATORS = frozenset(
    "__%s%s__" % (prefix, name)
    for prefix in ("", "r", "i")
    for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "or", "xor")
)
_CONTAINERS: Dict[str, Any] = {"list": list, "dict": dict, "set": set}
_built_in: Dict[Tuple[str, bool], type] = {}


def factory(connection: Any, id_pack: Tuple[str, int, int]) -> type:
    """The class of netrefs to an object of the kernel's side.

    RPyC has one for a built-in class and its instances, so that a list is callable.
    """
    from rpyc.core import consts, netref

    is_class = id_pack[2] == 0
    known = netref._normalized_builtin_types.get(id_pack[0])
    made: Any = _built_in.get((id_pack[0], is_class))
    if made is not None:
        return made  # type: ignore[no-any-return]
    if known is None:
        told = connection.sync_request(consts.HANDLE_INSPECT, id_pack)
    else:
        told = wire_live.methods_of(known) if is_class else wire_live.routines(known.__mro__)
    left_out = wire_arrays.PROTOCOLS | netref.LOCAL_ATTRS
    made = netref.class_factory(id_pack, [pair for pair in told if pair[0] not in left_out])
    made.__reduce_ex__ = _reduce
    if any(name == "__array__" for name, _doc in told):
        for name, method in wire_arrays.methods(_array).items():
            setattr(made, name, method)
    if known is not None:
        if not is_class:
            wire_live.complete(made, known)
        _built_in[id_pack[0], is_class] = made
    return made  # type: ignore[no-any-return]


def copied(proxy: Any, as_array: bool = False) -> Any:
    """Copy an object of the kernel's.

    Raises:
        TypeError: It is neither plain data, nor a list, dictionary or set.
    """
    answer = proxy.____conn__.sync_request(wire_live.HANDLE_COPY, proxy, as_array)
    if type(answer[0]) is bytes:
        return values.unpack(answer[0], answer[1:])
    kind, items = answer
    return _CONTAINERS[kind](items)


def _array(proxy: Any) -> Any:
    return copied(proxy, True)


def _reduce(self: Any, protocol: Any) -> Any:
    """``__reduce_ex__`` of netrefs, which copies the value: RPyC would have the kernel pickle it."""
    value = copied(self)
    kind = type(value)
    return (kind, (value,)) if kind.__module__ == "builtins" else value.__reduce_ex__(protocol)


def operand(value: Any) -> Any:
    """The operand for an operator: a copy of a list, a dictionary or a set of the kernel's; else the value."""
    pack = type(value).__dict__.get("__reduce_ex__") is _reduce and value.____id_pack__
    return copied(value) if pack and pack[0].rpartition(".")[2] in _CONTAINERS and pack[2] else value


def of_kernel(label: int, value: Any) -> Any:
    """The value in a box of a kind that RPyC hasn't, but an exception; without numpy, the nearest value."""
    name: Any = value
    try:
        if label == wire_live.NAMED:
            module, name = value
            return getattr(builtins if module == "builtins" else _numpy(), name)
        if label == wire_live.DTYPE:
            return _numpy().dtype(value)
        name, dtype, data = value
        return _numpy().frombuffer(data, dtype)[0]
    except (ImportError, AttributeError):
        return name


def _numpy() -> Any:
    import numpy as np

    return np
