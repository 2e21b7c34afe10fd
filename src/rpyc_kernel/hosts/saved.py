"""A saved machine: its name, its address, and how sessions begin there. Checked here; nothing is read or dialled."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import ArgumentError, MalformedArgumentError
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_NAME_CHARS = 40
MAX_VALUE_CHARS = 4096
ALL = "all"  #: that ``--targets`` takes for all machines
_TAKEN = ("localhost", ALL)
_NAME = re.compile(r"[^\W\d_][\w-]*|\d[\w-]*[^\W\d_][\w-]*")  # never an address: no dot, no colon, more than a number
_NAME_FORMS = "letters, digits, '-' and '_', with a letter among them, like pi or lab-3"


@dataclass(frozen=True)
class SavedHost:
    """A machine under a name.

    Attributes:
        name: In lower case, as `checked_name` returns it.
        address: What ``%connect`` would be given.
        python: The Python there that runs the cells, "" for the server's.
        cwd: The folder there that cells start in, "" for the server's.
        env: Environment variables there. Their values are not part of its ``repr``.
    """

    name: str
    address: str
    python: str = ""
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> tuple[Address, dict[str, Any]]:
        """The address, and how sessions begin there: its Python is in one of them. Raises AddressError."""
        options = self.options
        return Address.parse(self.address).take_python(options), options

    @property
    def options(self) -> dict[str, Any]:
        """The options that were saved beside the address, without empty ones."""
        found = {"python": self.python, "cwd": self.cwd, "env": dict(self.env)}
        return {key: value for key, value in found.items() if value}


def name_of(text: object) -> str | None:
    """Return the name that *text* can be, in lower case; None where it can only be an address, or nothing."""
    if not isinstance(text, str):
        return None
    name = unicodedata.normalize("NFC", text.strip()).lower()
    return name if len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name) and name not in _TAKEN else None


def checked_name(text: str) -> str:
    """Return *text* as the name of a machine. Raises MalformedArgumentError where it can be none."""
    name = name_of(text)
    if name is None:
        shown = text if len(text) <= MAX_NAME_CHARS else text[: MAX_NAME_CHARS - 1] + "…"
        if name_of(text[:1]) and len(text) > MAX_NAME_CHARS:
            raise MalformedArgumentError(f"{shown!r} is too long for a name: {MAX_NAME_CHARS} characters are the most.")
        raise MalformedArgumentError(
            f"{shown!r} can't name a saved machine: a name has {_NAME_FORMS}, and is not localhost or all."
        )
    return name


def check_value(what: str, value: str) -> str:
    """Return *value*, an option that is saved. Raises MalformedArgumentError where it is too long or not printable."""
    if len(value) > MAX_VALUE_CHARS:
        raise MalformedArgumentError(f"{what} is too long: {MAX_VALUE_CHARS} characters are the most.")
    if not value.isprintable():
        raise MalformedArgumentError(f"{what} has a character in it that can't be shown.")
    return value


def variables(texts: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts. Raises MalformedArgumentError, which never repeats a value: it may be a secret."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not name.isprintable():
            raise MalformedArgumentError(f"--env needs NAME=VALUE; {name[:MAX_NAME_CHARS]!r} is no name with a value.")
        found[name] = check_value(f"The value of {name}", value)
    return found


def unknown(name: str, known: Iterable[str]) -> ArgumentError:
    """Return the error for a *name* under which no machine is saved."""
    names = sorted(known)
    if not names:
        return ArgumentError(f"No machine is saved as {name}, nor any other: rpyc-kernel hosts add NAME ADDRESS does.")
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return ArgumentError(f"No machine is saved as {name}. Saved are: {shown}.")
