"""Sentences for what fails in the worker outside of a cell's own code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

STDLIB = os.path.dirname(os.__file__)


def describe(error: BaseException) -> str:
    """What has failed, and which file of the user's stands before a module of Python's own, if that may be why."""
    text = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
    found = shadowing()
    if found:
        text += " (%s)" % "; ".join(found)
    return text


def shadowing() -> List[str]:
    """For each loaded module that bears a name of the standard library and isn't its: a clause that names its file."""
    found = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or not isinstance(file, str) or os.path.abspath(file).startswith(STDLIB + os.sep):
            continue
        if any(os.path.exists(os.path.join(STDLIB, name + ending)) for ending in (".py", os.sep + "__init__.py")):
            found.append("%s stands before Python's own module %s: rename it" % (file, name))
    return found
