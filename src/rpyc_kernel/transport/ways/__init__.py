"""The transports of our own. A file here is one: its name is the scheme, and its ``TRANSPORT`` is a `Transport`.

A file is found by the name that an address has, so that a new transport is a new file and nothing else, and a kernel
loads the ones that it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

DEFAULT = "rpyc"  # the scheme of an address that names none
_SAME_FILE = {"https": "http", "ws": "http", "wss": "http"}


def find(scheme: str) -> ModuleType | None:
    """Return the file for *scheme* (in lower case), or None where it isn't one of ours."""
    if not scheme.isidentifier():
        return None
    name = f"{__name__}.{_SAME_FILE.get(scheme, scheme)}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def foreign() -> ModuleType:
    """Return the module for the transports of other packages. It builds upon the one that asks, hence by its name."""
    return import_module("rpyc_kernel.transport.plugins")
