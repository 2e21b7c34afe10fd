"""The rules of both ends of a live connection into a session beyond RPyC's: what can be sent, and what is copied.

RPyC copies plain immutable values, and gives a reference to everything else. A kernel also copies to its session what a
reference would be of no use for, in boxes that RPyC doesn't have:

=============  =====================  ==================================================================
label          value                  stands for
=============  =====================  ==================================================================
NAMED          ``(module, name)``     a class of `builtins`, or numpy's class of a number
DTYPE          text                   a numpy dtype
NUMBER         ``(nearest of Python's, dtype, bytes)``  one number of numpy's
ERROR          what `dump` gives      an exception: see `wire_errors`
ERROR_CLASS    what `describe` gives  the class of an exception
=============  =====================  ==================================================================
"""

from __future__ import annotations

import inspect
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

NAMED, DTYPE, NUMBER, ERROR, ERROR_CLASS = range(101, 106)
HANDLE_COPY = 100  #: the request for a copy of an object: its answer is what `values` packs

MAX_DEPTH = 48  #: of tuples in a message; the kernel reads 50
MAX_ITEMS = 1_900_000  #: values in a message; the kernel reads 2,000,000
MAX_BITS = 14_284  #: of an integer: 4,300 digits, which Python writes and reads

ATOMS = frozenset([type(None), bool, float, complex, bytes, type(...), type(NotImplemented)])


def check(value: Any, depth: int = 0) -> int:
    """Count the values in a message, or in a part of it. Whatever RPyC can't pack counts as one.

    Raises:
        TypeError: It can't be sent, or the other end would refuse it.
        UnicodeEncodeError: A text in it has half a character.
    """
    kind = type(value)
    if kind in ATOMS:
        return 1
    if kind is str:
        if not value.isascii():
            value.encode()
        return 1
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise TypeError("an integer of more than 4,300 digits can't be sent; its hex() can, or remote.value(…)")
        return 1
    if kind is slice:
        return 1 + check((value.start, value.stop, value.step), depth)
    if kind is not tuple and kind is not frozenset:
        return 1
    if depth > MAX_DEPTH:
        raise TypeError("tuples in tuples in tuples, too deep to be sent")
    if ATOMS.issuperset(map(type, value)):
        items = len(value) + 1
    else:
        items = 1 + sum([check(each, depth + 1) for each in value])
    if items > MAX_ITEMS:
        raise TypeError("more than %d values in one answer: ask for parts of it, or for remote.value(…)" % MAX_ITEMS)
    return items


def id_pack(obj: Any) -> Tuple[str, int, int]:
    """The identity of an object in RPyC. RPyC's own function asks the object, which may answer anything, or raise.

    Raises:
        TypeError: It is RPyC's class of references, of which there can be none.
    """
    kind = type(obj)
    if issubclass(kind, type):
        if hasattr(obj, "____id_pack__"):
            raise TypeError(
                "%s is RPyC's own class of references to objects of the other side, and can't be sent there; "
                "what it refers to can" % obj.__name__
            )
        return "%s.%s" % (getattr(obj, "__module__", None), obj.__name__), id(obj), 0
    if kind is type(sys):
        name = obj.__name__ if isinstance(obj.__name__, str) else ""
        return name if name in sys.modules else "%s.%s" % (kind.__module__, name), id(kind), id(obj)
    try:
        shown = obj.__class__
    except Exception:  # a property of the user's
        shown = kind
    if not issubclass(type(shown), type):
        shown = kind
    return "%s.%s" % (shown.__module__, shown.__name__), id(kind), id(obj)


def methods_of(obj: Any) -> List[Tuple[str, Optional[str]]]:
    """Names and descriptions of the methods of an object, or of a class and its class."""
    kind = type(obj)
    return routines(obj.__mro__ + kind.__mro__ if issubclass(kind, type) else kind.__mro__)


def routines(classes: Sequence[type]) -> List[Tuple[str, Optional[str]]]:
    """Names and descriptions of the methods that the first of some classes has, if the others are its bases."""
    found: Dict[str, Any] = {}
    for each in reversed(classes):
        found.update(vars(each))
    return [(name, inspect.getdoc(value)) for name, value in found.items() if inspect.isroutine(value)]


def complete(made: Any, known: type) -> None:
    """Let a class of netrefs to instances of a built-in class be called, as in ``type(x)()``, and lists be added."""

    def new(cls: Any, *args: Any, **options: Any) -> Any:
        if len(args) == 2 and hasattr(type(args[0]), "sync_request"):  # a connection: RPyC makes a netref
            return object.__new__(cls)
        return known(*args, **options)

    made.__new__ = new
    if known is list:
        made.__radd__ = lambda self, other: other + list(self)
