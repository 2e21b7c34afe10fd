"""Unpack a value; `packer` says how it is packed. What comes is believed only once it is checked, at both ends."""

from __future__ import annotations

import re
import sys
from array import array
from binascii import a2b_base64

from ..wire import loads
from . import of_classes
from .errors import MissingHereError, UnpackError
from .garbage import CollectionPaused
from .hashing import Hashing
from .kinds import module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Sequence, Set, Tuple

MAX_TEXT_BYTES = 64 << 20  #: of JSON, which takes far more memory than bytes on the wire
MAX_CONTAINERS = 5_000_000  #: lists and objects in the JSON: each takes two bytes there, and seventy in memory
MAX_TEXTS = 20_000_000  #: of texts that are packed together: each takes two bytes there, and sixty in memory

_PLAIN = frozenset([type(None), bool, int, float, str])
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def unpack(text: bytes, buffers: Sequence[Any] = (), *, classes: Iterable[type] = ()) -> Any:
    """Make a packed value again. No code of the other end's runs, whatever the text says.

    Args:
        text: The text that was packed.
        buffers: The memory beside it, as objects with the buffer protocol. They belong to the value then: arrays are
            made over those that are writable, without a copy, and a bytearray is one itself.
        classes: The dataclasses, enumerations and named tuples of which instances are made. Those of others arrive as
            dictionaries, values and tuples. Their own code doesn't run.

    Returns:
        The value.

    Raises:
        UnpackError: It is no packed value, or beyond the limits.
        MissingHereError: It needs a package or a format that this Python doesn't have.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise UnpackError("more than %d MiB of it: ask for parts, or for an array" % (MAX_TEXT_BYTES >> 20))
    if _containers(text) > MAX_CONTAINERS and _containers(_STRINGS.sub(b"", text)) > MAX_CONTAINERS:
        raise UnpackError("more than {:,} lists and the like: ask for parts of it".format(MAX_CONTAINERS))
    try:
        with CollectionPaused():
            return Unpacker(buffers, classes).unpack(text)
    except (UnpackError, MissingHereError):
        raise
    except Exception as error:  # whatever a builder, numpy or Python says of what doesn't fit
        raise UnpackError(("%s" % error)[:200] or type(error).__name__) from None


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


class Unpacker:
    """What unpacks one value.

    Attributes:
        classes: The classes of which instances are made, by the names that `of_classes` gives them.
        hashing: What bounds the time that hashing takes.
        fraction_bits: How many bits the fractions had so far.
    """

    def __init__(self, buffers: Sequence[Any], classes: Iterable[type]) -> None:
        self.classes = {"%s:%s" % (each.__module__, each.__qualname__): each for each in classes}
        self.hashing = Hashing()
        self.fraction_bits = 0
        self._buffers: List[Any] = list(buffers)
        self._made: List[Any] = []
        self._texts = 0

    def unpack(self, text: bytes) -> Any:
        """The value of a JSON text."""
        nodes = loads(text.decode("utf-8", "surrogatepass"), parse_constant=float)  # each nan is one of its own
        if type(nodes) is not list or not nodes:
            raise UnpackError("a text that is no list of nodes")
        root = nodes.pop()
        shells = []
        for node in nodes:
            if type(node) is not list or len(node) < 2 or type(node[0]) is not str:
                raise UnpackError("a node that is none")
            shell = _SHELLS.get(node[0])
            if shell is None:
                made = self._build(node)
            else:
                made = shell[0](self, node)
                shells.append((shell[1], made, node))
                self.hashing.add_unhashable()
            self._made.append(made)
        for fill, made, node in shells:
            fill(self, made, node)
        return self.item(root)

    def item(self, item: Any) -> Any:
        """What an item stands for."""
        if type(item) in _PLAIN:
            return item
        if type(item) is list and len(item) == 1 and type(item[0]) is int and 0 <= item[0] < len(self._made):
            return self._made[item[0]]
        raise UnpackError("an item that is none")

    def items(self, items: Any) -> List[Any]:
        """What the items of a list stand for; the list itself, if they are plain values."""
        if type(items) is not list:
            raise UnpackError("items that are no list")
        return items if _PLAIN.issuperset(map(type, items)) else list(map(self.item, items))

    def memory(self, form: Any) -> Any:
        """The memory that a part of a node names: a buffer only once, or a short text could make many copies of it."""
        if type(form) is str:
            return bytearray(a2b_base64(form))
        data = self._buffers[form] if type(form) is int and 0 <= form < len(self._buffers) else None
        if data is None:
            raise UnpackError("memory that is not there")
        self._buffers[form] = None
        return data

    def writable(self, form: Any) -> Any:
        """The memory that a part of a node names, as one that may be written: a copy of it only if it may not."""
        data = memoryview(self.memory(form))
        return bytearray(data) if data.readonly else data

    # --- nodes

    def _build(self, node: List[Any]) -> Any:
        """Make an object whose parts are made."""
        kind = node[0]
        if kind == "tuple" and len(node) == 2 and type(node[1]) is list and _PLAIN.issuperset(map(type, node[1])):
            self.hashing.add([], len(node[1]))  # most of all
            return tuple(node[1])
        if kind in ("tuple", "frozenset"):
            items = self._members(node)
            forms = node[1] if len(node) == 2 else []
            if kind == "frozenset":
                self.hashing.check(items, forms)
            self.hashing.add(forms, len(items))
            return tuple(items) if kind == "tuple" else frozenset(items)
        package, dot, _name = kind.partition(".")
        module = module_of(package if dot else "builtins")
        build = module and module.BUILDERS.get(kind)
        if not build:
            raise UnpackError("an unknown %.50r" % kind)
        self.hashing.add(node[1:], len(node))
        return build(self, *self.items(node[1:]))

    def _members(self, node: List[Any]) -> List[Any]:
        """The items of a container."""
        if len(node) == 2:
            return self.items(node[1])
        _kind, code, form = node
        data = self.memory(form)
        if code == "s":
            text = bytes(data).decode("utf-8", "surrogatepass")
            self._texts += text.count("\0") + 1
            if self._texts > MAX_TEXTS:
                raise UnpackError("more than {:,} texts: ask for parts of it".format(MAX_TEXTS))
            return text.split("\0")
        if code not in ("d", "q"):
            raise UnpackError("items of the unknown type %.20r" % (code,))
        if sys.byteorder == "big":
            numbers = array(code, bytes(data))
            numbers.byteswap()
            return numbers.tolist()
        return memoryview(data).cast("B").cast(code).tolist()

    def _list(self, node: List[Any]) -> List[Any]:
        return node[1] if len(node) == 2 and type(node[1]) is list else self._members(node)

    def _fill_list(self, made: List[Any], node: List[Any]) -> None:
        if not _PLAIN.issuperset(map(type, made)):
            made[:] = map(self.item, made)

    def _map(self, node: List[Any]) -> Dict[str, Any]:
        if type(node[1]) is not dict:
            raise UnpackError("a map that is none")
        return node[1]

    def _fill_map(self, made: Dict[str, Any], node: List[Any]) -> None:
        if not _PLAIN.issuperset(map(type, made.values())):
            for key, item in made.items():
                made[key] = self.item(item)

    def _fill_dict(self, made: Dict[Any, Any], node: List[Any]) -> None:
        items = self.items(node[1])
        keys = items[::2]
        self.hashing.check(keys, node[1][::2])
        if len(items) % 2:
            raise UnpackError("a key without a value")
        made.update(zip(keys, items[1::2]))

    def _fill_set(self, made: Set[Any], node: List[Any]) -> None:
        items = self._members(node)
        self.hashing.check(items, node[1] if len(node) == 2 else [])
        made.update(items)

    def _object(self, node: List[Any]) -> Any:
        return of_classes.instance(self.classes, node)

    def _fill_object(self, made: Any, node: List[Any]) -> None:
        of_classes.fill(made, self.items(node[1:]))


#: how an object is made that may contain itself, and how it is filled, by the kind of its node
_SHELLS: Dict[str, Tuple[Callable[..., Any], Callable[..., None]]] = {
    "list": (Unpacker._list, Unpacker._fill_list),
    "map": (Unpacker._map, Unpacker._fill_map),
    "dict": (lambda _self, _node: {}, Unpacker._fill_dict),
    "set": (lambda _self, _node: set(), Unpacker._fill_set),
    "object": (Unpacker._object, Unpacker._fill_object),
}
