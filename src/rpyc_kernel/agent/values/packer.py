"""Pack a value: JSON text, and the memory of its bytes and arrays beside it, which is not copied.

The text is a list of *nodes*, one for each object that is no plain value, and of an *item*, the value, at its end. An
item is a plain value as JSON has it (``null``, ``true``, numbers, ``NaN``, texts), or ``[n]``, the object of node n.
Nodes are lists, which begin with the name of their kind:

=========================================  ==========================================================================
``["list", [item, …]]``                    also ``tuple``, ``set`` and ``frozenset``
``["list", code, memory]``                 many items of one type: code ``d`` floats, ``q`` integers of 64 bits, both
                                           little-endian, ``s`` texts in UTF-8 with a NUL between them
``["map", {key: item, …}]``                a dictionary whose keys are texts
``["dict", [key, item, …]]``               any other
``["object", class, field, item, …]``      an instance of a dataclass that isn't frozen
``[kind, part, …]``                        all else, described by the modules in `kinds`; a part is an item or memory
=========================================  ==========================================================================

*Memory* is a text in base64, or the number of a buffer, which no other node names. An object that occurs twice is one
node, so that it is one object again. A list, dictionary, set or object gets its number when it is first met; all else
when its parts have theirs. So an unpacker goes through the nodes in order: it makes the former empty, and the latter of
what there is. At the end it fills the former. Nothing recurses at either end, however deep the data is, and a list may
contain itself.
"""

from __future__ import annotations

import sys
from array import array
from binascii import b2a_base64

from ..wire import dumps
from .errors import CannotPackError
from .garbage import CollectionPaused
from .kinds import Memory, Named, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Mapping, NoReturn, Optional, Tuple

BIG = 1 << 1000  #: an integer as large is no plain value: Python reads no more than 4,300 digits
MAX_PLAIN_CHARS = 1 << 16  #: of a text that stands in the JSON text
MAX_INLINE_BYTES = 512  #: of memory that stands there too
MIN_RUN_ITEMS = 256  #: of items of one type that are packed together
MAX_NAME_CHARS = 200  #: of a place in an error's text
_SIMPLE = frozenset([type(None), bool, float])
_PLAIN = _SIMPLE | {int, str}
_WITHIN = -1  # in place of the number of an object whose parts are being written


class Packed:
    """A packed value.

    Attributes:
        text: The JSON text.
        buffers: The memory beside it: views of the very memory of the value, each of them flat, of bytes. It must not
            change until it is sent.
    """

    __slots__ = ("buffers", "text")

    def __init__(self, text: bytes, buffers: List[memoryview]) -> None:
        self.text = text
        self.buffers = buffers

    @property
    def nbytes(self) -> int:
        """The size of all of it, in bytes."""
        return len(self.text) + sum([each.nbytes for each in self.buffers])

    def copied(self) -> Tuple[bytes, ...]:
        """The text and the buffers, copied, for a way that carries bytes only."""
        return (self.text, *map(bytes, self.buffers))


class _Frame:
    """An object whose items are being written.

    Attributes:
        value: The object.
        children: What is left of its items, as ``(step, item)``. A step is an index, a key, or a part of a name.
        node: Makes the object's node of its items, as they were written.
        show: Makes the end of a name of a step, for an error's text.
        mutable: Whether an unpacker makes it before its items.
        out: The items that were written.
        parent: The frame in which it was met; None for the root's.
        step: Its own step there.
        number: Its node's number; -1 while it has none.
    """

    __slots__ = ("children", "mutable", "node", "number", "out", "parent", "show", "step", "value")

    def __init__(
        self,
        value: Any,
        children: Iterable[Tuple[Any, Any]],
        node: Callable[[List[Any]], List[Any]],
        show: Callable[[Any], Optional[str]],
        mutable: bool = False,
    ) -> None:
        self.value = value
        self.children = iter(children)
        self.node = node
        self.show = show
        self.mutable = mutable
        self.out: List[Any] = []
        self.parent: Optional[_Frame] = None
        self.step: Any = ""
        self.number = -1


def pack(value: Any, name: str, *, peer: Optional[Mapping[str, str]] = None, objects: bool = True) -> Packed:
    """Pack a copy of a value.

    Args:
        value: The value.
        name: What an error's text calls it.
        peer: The versions of the packages that the other end has, by name. Without it, a value is packed so that the
            other end needs no more than the package that the value is of.
        objects: Whether instances of dataclasses are packed, which arrive as dictionaries.

    Returns:
        The packed value. Its buffers are the value's own memory.

    Raises:
        TypeError: A part of it can't be packed; the text says which.
    """
    with CollectionPaused():
        return Packer(name, peer or {}, objects=objects).pack(value)


class Packer:
    """What packs one value.

    Attributes:
        peer: The versions of the packages that the other end has.
        objects: Whether instances of dataclasses are packed.
    """

    def __init__(self, name: str, peer: Mapping[str, str], *, objects: bool) -> None:
        self.peer = peer
        self.objects = objects
        self._name = name
        self._nodes: List[Any] = []
        self._buffers: List[memoryview] = []
        self._numbers: Dict[int, int] = {}  # of nodes, by the ids of their objects; -1 while its items are written
        self._kept: List[Any] = []  # those objects: while they are here, no other has one's id
        self._todo: List[_Frame] = []  # mutable ones, which have a number, and no node yet
        self._modules: Dict[type, List[Any]] = {}

    def pack(self, value: Any) -> Packed:
        """Pack the value."""
        root = _Frame(value, [("", value)], list, str)
        self._write(root)
        while self._todo:
            self._write(self._todo.pop())
        text = dumps([*self._nodes, root.out[0]], ensure_ascii=False, separators=(",", ":"), check_circular=False)
        return Packed(text.encode("utf-8", "surrogatepass"), self._buffers)

    def memory(self, data: Any) -> Any:
        """Put memory beside the text, or into it; returns its form in a node."""
        view = memoryview(data)
        if view.nbytes <= MAX_INLINE_BYTES:
            return b2a_base64(view, newline=False).decode("ascii")
        self._buffers.append(view.cast("B"))
        return len(self._buffers) - 1

    # --- the walk

    def _write(self, frame: _Frame) -> None:
        """Write the items of an object, and all immutable objects among them."""
        numbers = self._numbers
        stack = [frame]
        while stack:
            frame = stack[-1]
            out = frame.out
            for step, value in frame.children:
                kind = type(value)
                if kind in _SIMPLE or (kind is int and -BIG < value < BIG):
                    out.append(value)
                    continue
                if kind is str and len(value) <= MAX_PLAIN_CHARS:
                    out.append(value)
                    continue
                if kind is Memory:
                    out.append(self.memory(value.data))
                    continue
                number = numbers.get(id(value))
                if number is None:
                    inner = self._open(value, kind, frame, step)
                    if inner is not None:
                        stack.append(inner)
                        break
                    number = numbers[id(value)]
                elif number < 0:
                    self._refuse(frame, step, "contains itself, and nothing between could be made before it")
                out.append([number])
            else:
                stack.pop()
                if frame.mutable:
                    self._nodes[frame.number] = frame.node(out)
                elif stack:
                    stack[-1].out.append([self._add(frame.value, frame.node(out))])

    def _open(self, value: Any, kind: type, parent: _Frame, step: Any) -> Optional[_Frame]:
        """Begin with an object; returns its frame if its items have to be written before its parent goes on."""
        node = self._node_of_plain(value, kind)
        if node is not None:
            self._add(value, node)
            return None
        try:
            frame = self._frame(value, kind)
        except CannotPackError as error:
            self._refuse(parent, step, str(error))
        frame.parent = parent
        frame.step = step
        if frame.mutable:
            frame.number = self._add(value, None)
            self._todo.append(frame)
            return None
        self._numbers[id(value)] = -1
        return frame

    def _add(self, value: Any, node: Any) -> int:
        number = self._numbers[id(value)] = len(self._nodes)
        self._nodes.append(node)
        self._kept.append(value)
        return number

    # --- objects

    def _node_of_plain(self, value: Any, kind: type) -> Any:
        """The node of a container of plain values only; None for all else."""
        if kind is list:
            value = value.copy()
        elif kind is dict:
            items = value.copy()
            if _PLAIN.issuperset(map(type, items.values())) and {str}.issuperset(map(type, items)):
                return None if _has_long(items.values()) else ["map", items]
            return None
        elif kind is not tuple:
            return None
        return self._items(kind.__name__, value)

    def _items(self, name: str, items: Any) -> Any:
        """The node of a container's items, if they are plain values; else None."""
        kinds = set(map(type, items))
        if not kinds <= _PLAIN:
            return None
        if len(kinds) == 1 and len(items) >= MIN_RUN_ITEMS:
            run = _run(next(iter(kinds)), items)
            if run is not None:
                return [name, run[0], self.memory(run[1])]
        if kinds <= _SIMPLE or not _has_long(items):
            return [name, list(items)]
        return None

    def _frame(self, value: Any, kind: type) -> _Frame:
        """The frame of an object.

        Raises:
            CannotPackError: There is no kind for it.
        """
        if kind not in _CONTAINERS:
            for module in self._modules_of(kind):
                described = module.describe(self, value)
                if described is not None:
                    return _described(value, *described)
        base = next((each for each in kind.__mro__ if each in _CONTAINERS), None)
        if base is None:
            raise CannotPackError("is of the type %s, of which no copy can be sent" % name_of(kind))
        return self._container(value, base)

    def _modules_of(self, kind: type) -> List[Any]:
        """The modules that may know objects of a class."""
        found = self._modules.get(kind)
        if found is None:
            if hasattr(kind, "____conn__"):
                raise CannotPackError("is a reference to an object of another Python, and only values are copied")
            if callable(getattr(kind, "_rpyc_getattr", None)):  # its class says itself what of it may be had
                raise CannotPackError("is of the type %s, which allows no copies" % name_of(kind))
            packages = ["classes", *[str(base.__module__).partition(".")[0] for base in kind.__mro__]]
            found = self._modules[kind] = list(filter(None, map(module_of, dict.fromkeys(packages))))
        return found

    def _container(self, value: Any, base: Any) -> _Frame:
        """The frame of a built-in container, or of what derives from one, which is packed as that."""
        if base is dict:
            keys, items = list(dict.keys(value)), list(dict.values(value))
            if {str}.issuperset(map(type, keys)):
                return _Frame(
                    value, zip(keys, items), lambda out: ["map", dict(zip(keys, out))], _show_key, mutable=True
                )
            pairs = [step for key, item in zip(keys, items) for step in ((_KEY, key), (key, item))]
            return _Frame(value, pairs, lambda out: ["dict", out], _show_key, mutable=True)
        items = list(base.__iter__(value))
        node = self._items(base.__name__, items)
        if node is not None:
            return _Frame(value, (), lambda _out: node, str)
        return _Frame(value, enumerate(items), lambda out: [base.__name__, out], "[%d]".__mod__, base in (list, set))

    def _refuse(self, frame: Optional[_Frame], step: Any, reason: str) -> NoReturn:
        """Raise a TypeError about an item of a frame's object."""
        steps = []
        while frame is not None:
            steps.append(frame.show(step))
            step, frame = frame.step, frame.parent
        where = self._name
        while steps and len(where) < MAX_NAME_CHARS:
            shown = steps.pop()
            where = "a key of " + where if shown is None else where + shown
        raise TypeError("%s%s %s" % (where, "…" if steps else "", reason))


_CONTAINERS = frozenset([list, tuple, dict, set, frozenset])
_KEY = object()  # the step to a key of a dictionary; that to a value is the key


def _show_key(step: Any) -> Optional[str]:
    try:
        return None if step is _KEY else "[%.40r]" % (step,)
    except Exception:  # its own repr fails
        return "[…]"


def _described(value: Any, kind: str, parts: Iterable[Any]) -> _Frame:
    steps = [(part.step, part.value) if type(part) is Named else ("", part) for part in parts]
    return _Frame(value, steps, lambda out: [kind, *out], str, mutable=kind == "object")


def _has_long(items: Iterable[Any]) -> bool:
    """Whether one of some plain values is too long for the JSON text."""
    for item in items:
        kind = type(item)
        if (kind is str and len(item) > MAX_PLAIN_CHARS) or (kind is int and not -BIG < item < BIG):
            return True
    return False


def _run(kind: type, items: Any) -> Any:
    """Many items of one type: the code of the type, and their memory; None if they need more than that has."""
    if kind is str:
        text = "\0".join(items)
        return None if text.count("\0") >= len(items) else ("s", text.encode("utf-8", "surrogatepass"))
    if kind is not int and kind is not float:
        return None
    code = "q" if kind is int else "d"
    try:
        numbers = array(code, items)
    except OverflowError:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return code, numbers


def name_of(kind: type) -> str:
    """The name of a class in an error's text."""
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
