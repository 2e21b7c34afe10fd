"""`make docs`: make the API reference of the package out of its docstrings, in build/docs, or fail at a warning.

    python scripts/api_reference.py

The reference has what the package's modules define under a name without a leading underscore.
"""

from __future__ import annotations

import pkgutil
import shutil
import sys
import warnings

import matplotlib.font_manager  # noqa: F401 - which runs a program once for each user; within pdoc that is a warning
import pdoc
from sources import ROOT

import rpyc_kernel

RESULT = ROOT / "build" / "docs"

# What pdoc can't evaluate although it is right, as regular expressions for the beginning of its warning.
KNOWN = (
    # of ipykernel and traitlets, which our classes inherit
    r"Error parsing type annotation .* for (ipykernel|traitlets)\.",
    # a NamedTuple's own __init__, whose annotations pdoc looks up in the module `collections`
    r"Error parsing type annotation ForwardRef\(",
    # generic for type checkers only
    r"Error parsing type annotation argparse\._SubParsersAction\[",
)


def make() -> list[str]:
    """Make the reference.

    Returns:
        The warnings that aren't known.
    """
    for name in rpyc_kernel.__all__:
        setattr(rpyc_kernel, name, getattr(rpyc_kernel, name))  # pdoc doesn't find what a module's __getattr__ loads
    parts = [part.name for part in pkgutil.iter_modules(rpyc_kernel.__path__) if part.name != "__main__"]
    shutil.rmtree(RESULT, ignore_errors=True)
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for message in KNOWN:
            warnings.filterwarnings("ignore", message, UserWarning)
        pdoc.pdoc("rpyc_kernel", *(f"rpyc_kernel.{part}" for part in parts), output_directory=RESULT)
    return [str(warning.message) for warning in found]


def main() -> int:
    """Make the reference; print its first page, or the warnings."""
    found = make()
    if found:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    print(f"The reference: {RESULT.relative_to(ROOT) / 'rpyc_kernel.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
