"""``text/plain`` of a value: its ``repr``, with long containers broken into lines as notebooks show them.

`pprint` breaks lines elsewhere than IPython does, sorts dictionaries before Python 3.8, and knows no ``_repr_pretty_``.

A value is first written into a tree of texts, possible breaks and groups; a group that doesn't fit into the line has
all its own breaks taken. (Oppen, "Prettyprinting", 1980.) Objects may take part by ``_repr_pretty_(printer, cycle)``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Union

WIDTH_CHARS = 79
MAX_ITEMS = 1000  #: items of one container that are written
_MAX_DEPTH = 150  #: deeper nesting would end in RecursionError


class Break:
    """A place where a line may end, else the separator stands there."""

    __slots__ = ("hard", "indent", "sep")

    def __init__(self, sep: str, indent: int, hard: bool = False) -> None:
        self.sep = sep
        self.indent = indent
        self.hard = hard


class Group:
    """Parts that are written on one line if they fit."""

    __slots__ = ("hard", "parts", "width")

    def __init__(self) -> None:
        self.parts: List[Union[str, Break, Group]] = []
        self.width = 0
        self.hard = False


class _Level:
    """``with printer.group(4, "Point(", ")"):``"""

    def __init__(self, printer: Printer, indent: int, start: str, end: str) -> None:
        self.printer, self.indent, self.start, self.end = printer, indent, start, end

    def __enter__(self) -> None:
        self.printer.begin_group(self.indent, self.start)

    def __exit__(self, *_error: object) -> None:
        self.printer.end_group(self.indent, self.end)


class Printer:
    """The argument of ``_repr_pretty_``: `text`, `breakable`, `break_`, `group`, `indent`, `pretty`."""

    max_seq_length = MAX_ITEMS

    def __init__(self) -> None:
        self.indentation = 0
        self.stack: List[int] = []  #: ids of the containers being written
        self._root = Group()
        self._open = [self._root]

    def text(self, text: str) -> None:
        """Write text. What has line breaks of its own keeps them."""
        if not text:
            return
        self._open[-1].parts.append(text)
        self._add(len(text), "\n" in text)

    def breakable(self, sep: str = " ") -> None:
        """A place to end the line, if the group doesn't fit."""
        self._open[-1].parts.append(Break(sep, self.indentation))
        self._add(len(sep), False)

    def break_(self) -> None:
        """End the line here."""
        self._open[-1].parts.append(Break("", self.indentation, True))
        self._add(0, True)

    def begin_group(self, indent: int = 0, open: str = "") -> None:
        self.text(open)
        inner = Group()
        self._open[-1].parts.append(inner)
        self._open.append(inner)
        self.indentation += indent

    def end_group(self, dedent: int = 0, close: str = "") -> None:
        self.indentation -= dedent
        inner = self._open.pop()
        self._add(inner.width, inner.hard)
        self.text(close)

    def group(self, indent: int = 0, open: str = "", close: str = "") -> _Level:
        return _Level(self, indent, open, close)

    def indent(self, indent: int) -> _Level:
        return _Level(self, indent, "", "")

    def pretty(self, value: Any) -> None:
        """Write a value. Raises what its ``__repr__`` raises."""
        if id(value) in self.stack:
            _cycle(self, value)
            return
        if len(self.stack) > _MAX_DEPTH:
            self.text("...")
            return
        self.stack.append(id(value))
        try:
            _write(self, value)
        finally:
            self.stack.pop()

    def _add(self, width: int, hard: bool) -> None:
        group = self._open[-1]
        group.width += width
        group.hard = group.hard or hard

    def getvalue(self) -> str:
        """The text that was written."""
        out: List[str] = []
        _Layout(out).group(self._root)
        return "".join(out)


class _Layout:
    def __init__(self, out: List[str]) -> None:
        self.out = out
        self.column = 0

    def write(self, text: str) -> None:
        self.out.append(text)
        end = text.rfind("\n")
        self.column = self.column + len(text) if end < 0 else len(text) - end - 1

    def group(self, group: Group, flat: bool = False) -> None:
        fits = flat or (not group.hard and self.column + group.width <= WIDTH_CHARS)
        for part in group.parts:
            if isinstance(part, str):
                self.write(part)
            elif isinstance(part, Group):
                self.group(part, fits)
            elif fits and not part.hard:
                self.write(part.sep)
            else:
                self.out.append("\n" + " " * part.indent)
                self.column = part.indent


def pretty(value: Any) -> str:
    """The text of a value. Raises what its ``__repr__`` raises."""
    printer = Printer()
    printer.pretty(value)
    return printer.getvalue()


def _write(p: Printer, value: Any) -> None:
    kind = type(value)
    plain = False
    for cls in kind.__mro__:
        # the nearest class decides, as with any method: a subclass of list with a __repr__ of its own uses that
        writer = _WRITERS.get(cls)
        if writer is not None:
            writer(p, value)
            return
        members = cls.__dict__
        if cls is not object and callable(members.get("_repr_pretty_")):
            value._repr_pretty_(p, False)
            return
        if "__repr__" in members:
            plain = cls is object
            break
    if plain:
        p.text("<%s at 0x%x>" % (type_name(kind), id(value)))
    else:
        p.text(repr(value))


def _cycle(p: Printer, value: Any) -> None:
    for kind, text in ((list, "[...]"), (dict, "{...}"), (tuple, "(...)")):
        if isinstance(value, kind):
            p.text(text)
            return
    if callable(getattr(type(value), "_repr_pretty_", None)):
        value._repr_pretty_(p, True)
    else:
        p.text("<...>")


def type_name(cls: type) -> str:
    """``module.name`` of a class; just the name of a builtin."""
    name = getattr(cls, "__qualname__", cls.__name__)
    module = getattr(cls, "__module__", None)
    return name if module in ("builtins", "exceptions", None) or not isinstance(module, str) else module + "." + name


def _items(p: Printer, start: str, values: Iterable[Any], end: str, single: str = "") -> None:
    count = 0
    with p.group(len(start), start, end):
        for value in values:
            if count:
                p.text(",")
                p.breakable()
            if count >= MAX_ITEMS:
                p.text("...")
                count += 1
                break
            p.pretty(value)
            count += 1
        if single and count == 1:
            p.text(single)


def _set(p: Printer, value: Any) -> None:
    if not value:
        p.text(repr(value))
        return
    ordered = value
    if len(value) < MAX_ITEMS:
        try:
            ordered = sorted(value)
        except Exception:
            pass
    if isinstance(value, frozenset):
        _items(p, "frozenset({", ordered, "})")
    else:
        _items(p, "{", ordered, "}")


def _dict(p: Printer, value: Dict[Any, Any], start: str = "{", end: str = "}") -> None:
    with p.group(len(start), start, end):
        for count, key in enumerate(list(value)):
            if count:
                p.text(",")
                p.breakable()
            if count >= MAX_ITEMS:
                p.text("...")
                break
            p.pretty(key)
            p.text(": ")
            p.pretty(value[key])


def _type(p: Printer, value: type) -> None:
    if type(value).__repr__ is not type.__repr__:
        p.text(repr(value))
        return
    p.text(type_name(value))


def _function(p: Printer, value: Any) -> None:
    """``<function module.name(signature)>``, as notebooks show it."""
    import inspect

    name = getattr(value, "__qualname__", value.__name__)
    module = value.__module__
    if module and module != "builtins":
        name = "%s.%s" % (module, name)
    try:
        signature = str(inspect.signature(value))
    except (ValueError, TypeError):
        p.text("<function %s>" % name)
        return
    p.text("<function %s%s>" % (name, signature))


def _exception(p: Printer, value: BaseException) -> None:
    if type(value).__repr__ is not BaseException.__repr__:
        p.text(repr(value))
        return
    name = type_name(type(value)) + "("
    _items(p, name, value.args, ")")


_WRITERS: Dict[type, Callable[[Printer, Any], None]] = {
    list: lambda p, value: _items(p, "[", value, "]"),
    tuple: lambda p, value: _items(p, "(", value, ")", ","),
    set: _set,
    frozenset: _set,
    dict: _dict,
    type: _type,
    type(len): _function,
    type(pretty): _function,
    BaseException: _exception,
}
