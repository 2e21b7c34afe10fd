"""Enumerations, dataclasses and named tuples, which arrive as plain data unless the reader lists their classes."""

from __future__ import annotations

from .errors import CannotPackError, UnpackError
from .kinds import Named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple


def describe(packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of an instance of such a class; None for all else."""
    kind: Any = type(value)
    name = "%s:%s" % (kind.__module__, kind.__qualname__)
    if hasattr(kind, "__members__") and hasattr(kind, "_member_map_"):
        return "classes.enum", [name, getattr(value, "_name_", None), Named(".value", value._value_)]
    if issubclass(kind, tuple) and type(getattr(kind, "_fields", None)) is tuple:
        return "classes.namedtuple", [name, *map(Named, ["." + each for each in kind._fields], tuple.__iter__(value))]
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is None or issubclass(kind, type) or not packer.objects:
        return None
    parts: List[Any] = [name]
    for field in _names(kind):
        try:
            parts += [field, Named("." + field, object.__getattribute__(value, field))]
        except AttributeError:
            raise CannotPackError("has no %s, which its dataclass has" % field) from None
    return ("classes.frozen" if kind.__dataclass_params__.frozen else "object"), parts


def _names(kind: Any) -> List[str]:
    import dataclasses

    return [field.name for field in dataclasses.fields(kind)]


def instance(classes: Dict[str, type], node: List[Any]) -> Any:
    """An instance of a dataclass, whose fields are set later; a dictionary where the class isn't listed."""
    if type(node[1]) is not str:
        raise UnpackError("an object of no class")
    kind = classes.get(node[1])
    if kind is None:
        return {}
    if not hasattr(kind, "__dataclass_fields__"):
        raise UnpackError("a dataclass %.100s, which is none here" % node[1])
    return object.__new__(kind)


def fill(made: Any, parts: List[Any]) -> None:
    """Set the fields of what `instance` has made. None of its class's code runs."""
    names, values = parts[1::2], parts[2::2]
    if len(names) != len(values) or not all(type(name) is str for name in names):
        raise UnpackError("a dataclass without fields")
    if type(made) is dict:
        made.update(zip(names, values))
        return
    if sorted(names) != sorted(_names(type(made))):
        raise UnpackError("a dataclass %s that has other fields here" % type(made).__qualname__)
    for name, value in zip(names, values):
        object.__setattr__(made, name, value)


def _build_frozen(unpacker: Any, *parts: Any) -> Any:
    made = instance(unpacker.classes, ["", *parts])
    fill(made, list(parts))
    return made


def _build_enum(unpacker: Any, name: Any, member: Any, value: Any) -> Any:
    kind: Any = unpacker.classes.get(name) if type(name) is str else None
    if kind is None:
        return value
    if type(member) is str and member in kind.__members__:
        return kind.__members__[member]
    if type(value) is int:  # several flags
        return kind(value)
    raise UnpackError("a member that %.100s does not have here" % name)


def _build_namedtuple(unpacker: Any, name: Any, *values: Any) -> Any:
    kind: Any = unpacker.classes.get(name) if type(name) is str else None
    if kind is None:
        return values
    if not issubclass(kind, tuple) or len(getattr(kind, "_fields", ())) != len(values):
        raise UnpackError("a named tuple %.100s that has other fields here" % name)
    return tuple.__new__(kind, values)


BUILDERS: Dict[str, Callable[..., Any]] = {
    "classes.frozen": _build_frozen,
    "classes.enum": _build_enum,
    "classes.namedtuple": _build_namedtuple,
}
