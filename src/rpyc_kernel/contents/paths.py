"""Paths of Jupyter's contents API that begin with a machine: ``pi:home/pi/x.py`` is ``/home/pi/x.py`` on *pi*.

That is JupyterLab's form for a path on a drive; its pages make ``pi:home`` of ``pi:/home`` wherever a document is
opened, so both are read. Names there are bytes. One that is no UTF-8 has a character of Unicode's private use in the
place of each byte that isn't, since browsers refuse half a surrogate in an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

HOME = "~"
_SURROGATES = range(0xDC80, 0xDD00)  # Python's, for bytes that are no UTF-8 (PEP 383)
_SHOWN_FROM = 0xEF80  # the private-use characters in their place
_TO_SHOWN = {code: _SHOWN_FROM + code - _SURROGATES.start for code in _SURROGATES}
_FROM_SHOWN = {shown: code for code, shown in _TO_SHOWN.items()}
_DRIVE = re.compile(r"/[A-Za-z]:(?=/|$)")


@dataclass(frozen=True)
class Place:
    """A place on a machine.

    Attributes:
        machine: The machine's name.
        path: Whole, or from the home folder on (``~/x``), with slashes; as it travels.
    """

    machine: str
    path: str


def place_of(api_path: str, machines: Container[str]) -> Place | None:
    """Return the place that a path of the contents API means; None for what is this machine's own.

    Args:
        api_path: The path.
        machines: The names of machines.

    Raises:
        ValueError: It begins with a machine, and can't be a path.
    """
    first, _slash, rest = api_path.strip("/").partition("/")
    for colon in reversed([match.start() for match in re.finditer(":", first)]):
        if first[:colon] in machines:
            parts = [part for part in (first[colon + 1 :], *rest.split("/")) if part]
            if any(part in (".", "..") or "\0" in part for part in parts):
                raise ValueError(f"{api_path!r} is no path")
            path = travelling("/".join(parts))
            if parts[:1] == [HOME]:
                return Place(first[:colon], path)
            path = f"/{path}"
            return Place(first[:colon], path[1:] if _DRIVE.match(path) else path)
    return None


def api_path(machine: str, path: str) -> str:
    """Return the path of the contents API for a whole path on a machine, as it travels."""
    return f"{machine}:{shown_name(path.removeprefix('/'))}"


def shown_name(name: str) -> str:
    """Return the text for a name that has travelled."""
    if name.isascii():
        return name
    return name.encode("latin-1").decode("utf-8", "surrogateescape").translate(_TO_SHOWN)


def travelling(text: str) -> str:
    """Return how the name travels that has this text.

    Raises:
        ValueError: There is no such name.
    """
    if text.isascii():
        return text
    return text.translate(_FROM_SHOWN).encode("utf-8", "surrogateescape").decode("latin-1")
