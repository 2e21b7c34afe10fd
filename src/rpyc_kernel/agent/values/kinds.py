"""Which module describes and builds the values of which package. A module is imported with the first such value.

A kind's name begins with the package of its values: ``numpy.ndarray``. Its module has:

- ``describe(packer, value)``, which returns the kind and its *parts*, or None. Parts are plain values, other values
  that can be packed, `Memory` and `Named`. It raises CannotPackError for what can't be packed.
- ``BUILDERS``, which has a function for each kind. It is given the `Unpacker` and the parts, and checks them, for what
  comes may be anything. An exception of any class refuses the value.

A list, a dictionary or a set among the parts is still empty when a value is built, so ``describe`` gives tuples.
"""

from __future__ import annotations

from importlib import import_module

from .errors import MissingHereError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: the module of this package, by the package of the values
_MODULES = {
    "builtins": "of_builtins",
    "array": "of_collections",
    "collections": "of_collections",
    "datetime": "of_standard",
    "decimal": "of_standard",
    "fractions": "of_standard",
    "pathlib": "of_standard",
    "pytz": "of_standard",
    "uuid": "of_standard",
    "zoneinfo": "of_standard",
    "backports": "of_standard",
    "numpy": "of_numpy",
    "pandas": "of_pandas",
    "pyarrow": "of_pyarrow",
    "polars": "of_polars",
    "PIL": "of_pillow",
    "torch": "of_torch",
    "classes": "of_classes",
}


_INSTALLED_AS = {"PIL": "pillow"}


def module_of(package: str) -> Any:
    """The module for the values of a package; None if there is none."""
    name = _MODULES.get(package)
    return name and import_module("." + name, __package__)


def required(package: str, reason: str) -> Any:
    """Import the package that a value is of.

    Raises:
        MissingHereError: It isn't installed; its text is the reason, and the line that installs it.
    """
    try:
        return import_module(package)
    except ImportError:
        install = "python -m pip install %s" % _INSTALLED_AS.get(package, package)
        raise MissingHereError(reason % install) from None


class Memory:
    """A part that is memory: bytes of a C-contiguous buffer, which are not copied.

    A builder gets what `Unpacker.memory` takes.
    """

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data


class Named:
    """A part that an error's text names: ``step`` stands behind the name of the whole value."""

    __slots__ = ("step", "value")

    def __init__(self, step: str, value: Any) -> None:
        self.step = step
        self.value = value
