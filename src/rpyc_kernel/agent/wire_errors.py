"""Exceptions in a live connection into a session, at both ends: how they are told, and their classes once told.

An exception is dumped as RPyC's vinegar does it, ``((module, name), args, attributes, traceback)``, with more under
names that no attribute has (CLASS, TEXT, CAUSE, MEMBERS, DATA, RETURNED).
"""

from __future__ import annotations

import builtins
import weakref

from .values import pack
from .wire_live import ATOMS, MAX_DEPTH, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type

    Bases = Tuple[Type[BaseException], ...]

CLASS = "____class__"  #: described, of an exception whose class isn't built in; also among the methods of a class
TEXT = "____text__"  #: what ``str`` says of it
CAUSE = "____cause__"  #: dumped
MEMBERS = "____members__"  #: of an exception group, each dumped
DATA = "____data__"  #: packed: those of its args and attributes that are lists, dictionaries, …
RETURNED = "____returned__"  #: boxed: what a generator or coroutine returns, of its StopIteration
STOP_ITERATION = 1  #: in place of a dumped one, as RPyC has it

MAX_TEXT = 100_000  #: characters of a text that an exception carries
MAX_ARGS = 1_000
MAX_ATTRIBUTES = 50
MAX_DATA = 1 << 20  #: bytes of what is in DATA
MAX_MEMBERS = 50
MAX_NESTED = 4  #: of groups within groups, and of causes of causes
MAX_BASES = 5  #: of a class's bases' bases, and so on, up to those that are built in
MAX_CLASSES = 20  #: in the description of one


def is_built_in(kind: type) -> bool:
    """Whether a class is one of Python's own exceptions."""
    return vars(builtins).get(kind.__name__) is kind


def describe(kind: type, depth: int = 0, budget: Optional[List[int]] = None) -> Any:
    """Describe the class of an exception: ``(module, name, id, bases)``; a built-in one by its name."""
    if is_built_in(kind):
        return kind.__name__
    told = vars(kind).get(CLASS)  # it stands for a class of the other end
    if told is not None:
        return told
    budget = [MAX_CLASSES] if budget is None else budget
    bases: Any = ()
    if depth < MAX_BASES:
        for base in kind.__bases__:
            if issubclass(base, BaseException) and budget[0] > 0:
                budget[0] -= 1
                bases += (describe(base, depth + 1, budget),)
    if not bases:
        bases = (next(base.__name__ for base in kind.__mro__ if is_built_in(base)),)
    return short(str(kind.__module__), 200), short(kind.__name__, 200), id(kind), bases


def dump(
    error: BaseException,
    trace: str,
    names: Any = None,
    *,
    texts: bool,
    more: bool = True,
    left_out: Sequence[str] = (),
    depth: int = 0,
) -> Any:
    """Describe an exception for the other end. The description can always be sent.

    Args:
        error: The exception.
        trace: Its traceback, or the part of that which the other end may see.
        names: The module and the name of its class, where others are to be told.
        texts: Whether ``repr`` stands for an attribute that can't be sent; otherwise it is left out.
        more: Whether the other end knows more than RPyC.
        left_out: Names of attributes that aren't told.
        depth: How many exceptions this one is nested in.
    """
    if type(error) is StopIteration and not depth:
        return STOP_ITERATION
    try:
        told = _dump(error, trace, names, texts, more, left_out, depth)
        check(told)
    except Exception:  # a part that is too deep, or an exception whose own methods fail
        kind = type(error)
        args = (short(text_of(error)),)
        told = (names or (short(str(kind.__module__)), short(kind.__name__))), args, (), short(trace)
        if more and not is_built_in(kind):
            told = told[0], args, ((CLASS, describe(kind)),), told[3]
    return told


def returned(error: BaseException, box: Callable[[Any], Any]) -> Any:
    """Describe a StopIteration with a value for the other end; None for all others. RPyC tells no values.

    Args:
        error: The exception.
        box: Makes the connection's box of an object.
    """
    if type(error) is not StopIteration or error.value is None:
        return None
    try:
        told = ("builtins", "StopIteration"), (), ((RETURNED, box(error.value)),), "StopIteration\n"
        check(told)
    except Exception:  # it can't be sent
        return None
    return told


def find_returned(told: Any) -> Any:
    """The box that `returned` has put into a description, or None."""
    if not (isinstance(told, tuple) and len(told) == 4 and told[0] == ("builtins", "StopIteration")):
        return None
    attributes = told[2]
    if not (isinstance(attributes, tuple) and len(attributes) == 1 and isinstance(attributes[0], tuple)):
        return None
    return attributes[0][1] if attributes[0][:1] == (RETURNED,) and len(attributes[0]) == 2 else None


def _dump(
    error: BaseException, trace: str, names: Any, texts: bool, more: bool, left_out: Sequence[str], depth: int
) -> Any:
    kind = type(error)
    lists: Dict[str, Dict[Any, Any]] = {"args": {}, "attributes": {}}
    args = []
    for index, value in enumerate(error.args[:MAX_ARGS]):
        if _is_plain(value):
            args.append(value)
        else:
            lists["args"][index] = value
            args.append(short(text_of(value)))
    attributes: List[Tuple[str, Any]] = []
    for name in dict.fromkeys([*getattr(error, "__dict__", ()), *dir(error)]):
        if name.startswith("_") or name == "args" or name in left_out or len(attributes) >= MAX_ATTRIBUTES:
            continue
        try:
            value = getattr(error, name)
        except Exception:  # a property of the user's
            continue
        if callable(value):
            continue
        if _is_plain(value):
            attributes.append((name, value))
            continue
        lists["attributes"][name] = value
        if texts:
            attributes.append((name, short(text_of(value))))
    if more:
        attributes += _more(error, kind, lists, texts, depth)
    return (names or (short(str(kind.__module__)), short(kind.__name__))), tuple(args), tuple(attributes), short(trace)


def _more(error: BaseException, kind: type, lists: Dict[str, Dict[Any, Any]], texts: bool, depth: int) -> Any:
    if not is_built_in(kind):
        yield CLASS, describe(kind)
        yield TEXT, short(text_of(error))
    copied = {part: dict(_copies(values)) for part, values in lists.items()}
    if any(copied.values()):
        packed = pack(copied, "", objects=False)
        if packed.nbytes <= MAX_DATA:
            yield DATA, packed.copied()
    if depth >= MAX_NESTED:
        return
    members = getattr(error, "exceptions", ())
    if type(members) is tuple and any(base.__name__ == "BaseExceptionGroup" for base in kind.__mro__):
        members = members[:MAX_MEMBERS]
        yield MEMBERS, tuple([dump(each, "", texts=texts, depth=depth + 1) for each in members])
    if error.__cause__ is not None:
        yield CAUSE, dump(error.__cause__, "", texts=texts, depth=depth + 1)


def _copies(values: Dict[Any, Any]) -> Any:
    for key, value in values.items():
        try:
            own = _own(value)
            pack(own, "", objects=False)
        except Exception:  # it isn't plain data; its text stands for it
            continue
        yield key, own


def _own(value: Any) -> Any:
    """A value, or a copy of what a netref leads to, which is a list to ``isinstance`` alone."""
    if not hasattr(type(value), "____conn__"):
        return value
    import copy

    return copy.copy(value)


def _is_plain(value: Any) -> bool:
    """Whether RPyC can pack a value, and the other end reads it."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        if len(value) > MAX_TEXT or not all(map(_is_plain, value)):
            return False
    elif kind is str or kind is bytes:
        if len(value) > MAX_TEXT:
            return False
    elif kind is not int and kind is not slice:
        return kind in ATOMS
    try:
        check(value, MAX_DEPTH // 2)
    except (TypeError, UnicodeEncodeError, RecursionError):
        return False
    return kind is not slice or all(map(_is_plain, (value.start, value.stop, value.step)))


def text_of(value: Any) -> str:
    """The text of an exception, or ``repr`` of something else, whatever its own methods do."""
    try:
        return str(value) if isinstance(value, (str, BaseException)) else repr(value)
    except Exception:  # the user's own
        return "<%s>" % type(value).__name__


def short(text: str, length: int = MAX_TEXT) -> str:
    """The beginning of a text, as one that can be sent."""
    return text[:length].encode(errors="backslashreplace").decode()


# --- exceptions that were told ------------------------------------------------------------------------------------


class ErrorClasses:
    """The classes of the other end's exceptions, as this end has them, by what `describe` tells of them.

    Attributes:
        roots: Classes that each of them derives from, beside its own bases.
    """

    roots: Bases = ()
    metaclass: Type[type] = type

    def __init__(self) -> None:
        self._made: weakref.WeakValueDictionary[Any, Type[BaseException]] = weakref.WeakValueDictionary()

    def find(self, told: Any) -> Type[BaseException]:
        """The class that was described."""
        if isinstance(told, str):
            return self.built_in(told)
        module, name, number, bases = told
        known = self.known(module, name, number)
        if known is not None:
            return known
        found: Any = tuple(dict.fromkeys([self.find(each) for each in bases])) or (Exception,)
        key = module, name, number, found
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(told, found)
        return made

    def known(self, _module: str, _name: str, _number: int) -> Optional[Type[BaseException]]:
        """The very class, if this end has it."""
        return None

    def built_in(self, name: str) -> Type[BaseException]:
        """The built-in class of that name; Exception if this Python has none."""
        kind = vars(builtins).get(name)
        return kind if isinstance(kind, type) and issubclass(kind, BaseException) else Exception

    def _make(self, told: Any, bases: Bases) -> Type[BaseException]:
        module, name, _number, _bases = told
        names = {CLASS: told, "__module__": module}
        roots = tuple(root for root in self.roots if not any(issubclass(base, root) for base in bases))
        for chosen in (bases, bases[:1], (Exception,)):  # some of them can't be had together
            try:
                return self.metaclass(self.shown(name), (*roots, *_most_derived(chosen)), dict(names))
            except TypeError:
                continue
        return self.metaclass(self.shown(name), roots or (Exception,), dict(names))

    def shown(self, name: str) -> str:
        """The name of the class that stands for one of that name."""
        return name

    def create(self, kind: Type[BaseException], args: Tuple[Any, ...], members: List[Any]) -> BaseException:
        """An exception of a class, with these args, without any code of the class."""
        base: Any = next(each for each in kind.__mro__ if is_built_in(each))
        if any(each.__name__ == "BaseExceptionGroup" for each in kind.__mro__):
            message = args[0] if args and isinstance(args[0], str) else ""
            return base.__new__(kind, message, members)  # type: ignore[no-any-return]
        try:
            error: BaseException = base.__new__(kind, *args)
        except Exception:  # it wants other arguments than it keeps
            error = base.__new__(kind)
        try:
            base.__init__(error, *args)
        except Exception:
            error.args = args
        return error


def _most_derived(bases: Bases) -> Bases:
    """Leave out the classes that others of them derive from: there would be no order of bases."""
    return tuple(b for b in bases if not any(o is not b and issubclass(o, b) for o in bases))
