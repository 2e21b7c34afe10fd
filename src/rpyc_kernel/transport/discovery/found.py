"""A machine that a source of machines has found, and which addresses are worth showing."""

from __future__ import annotations

from typing import NamedTuple

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport.address import Address

MAX_FOUND = 200  # of one source


class FoundMachine(NamedTuple):
    """Something that may be connected to.

    Attributes:
        source: Who knows it.
        name: What it is called there.
        address: What to write after ``%connect``; "" where something has to be done first, which *note* tells.
        note: A few words more, or "".
    """

    source: str
    name: str
    address: str
    note: str = ""


def usable(text: str) -> str:
    """Return an address in its canonical form, "" where it is none."""
    try:
        return str(Address.parse(text))
    except AddressError:
        return ""
