"""Magics about the session: ``%matplotlib %config %debug %tb %history %lsmagic``, ``obj?``, ``%%html`` and the like."""

from __future__ import annotations

import re
import sys

from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..shell import PlainShell

_FORMAT = re.compile(r"\s*InlineBackend\.figure_formats?\s*=\s*[\[{(]*\s*['\"](\w+)['\"]")


def matplotlib(shell: PlainShell, line: str, _local: Any) -> None:
    """``%matplotlib inline``: figures are shown as images, as they are anyway unless a cell chose another backend."""
    wanted = line.partition("#")[0].strip().lower()
    if wanted not in ("", "inline", "auto", "agg", "-l", "--list"):
        raise MagicUsageError(
            "%%matplotlib %s: without IPython on this machine figures can only be shown inline, as images." % wanted
        )
    if wanted in ("-l", "--list"):
        print("Available matplotlib backends: ['inline']")
        return
    if "matplotlib" in sys.modules:
        shell.figures.select()


def config(shell: PlainShell, line: str, _local: Any) -> None:
    """``%config InlineBackend.figure_format = 'retina'``: png, retina, svg or jpeg for figures."""
    from ..display.figures import FORMATS

    found = _FORMAT.match(line)
    if not found:
        raise MagicUsageError(
            "%config can only set InlineBackend.figure_format here: the rest of it is IPython's, "
            "which is not installed on this machine. To get it, run %pip install ipython, then restart the kernel."
        )
    if found.group(1) not in FORMATS:
        raise MagicUsageError("%%config: figures can be %s, not %s." % (", ".join(FORMATS), found.group(1)))
    shell.figures.format = found.group(1)


def debug(_shell: PlainShell, _line: str, _local: Any) -> None:
    """``%debug``: look around where the last error was raised, in pdb."""
    traceback = getattr(sys, "last_traceback", None)
    if traceback is None:
        raise MagicUsageError("%debug: there was no error yet.")
    import pdb  # noqa: T100 - it is what was asked for

    debugger = pdb.Pdb()
    debugger.reset()
    debugger.interaction(None, traceback)


def tb(_shell: PlainShell, _line: str, _local: Any) -> None:
    """``%tb``: the traceback of the last error."""
    error = getattr(sys, "last_value", None)
    if error is None:
        raise MagicUsageError("%tb: there was no error yet.")
    from ..display.tracebacks import format_error

    print("\n".join(format_error(error)))


def history(shell: PlainShell, line: str, _local: Any) -> None:
    """``%history [-n]``: the cells that ran here; ``-n`` with their numbers."""
    for number, text in enumerate(shell.history.inputs):
        if text:
            print("%4d: %s" % (number, text) if "-n" in line.split() else text)


def lsmagic(shell: PlainShell, _line: str, _local: Any) -> None:
    """``%lsmagic``: the magics of this machine."""
    magics = shell.facade.magics
    hidden = ("pinfo", "pinfo2")
    print("Available line magics:")
    print("  ".join("%" + name for name in magics.names("line") if name not in hidden))
    print("\nAvailable cell magics:")
    print("  ".join("%%" + name for name in magics.names("cell")))
    print("\nMore come with IPython: %pip install ipython, then restart the kernel.")


def pinfo(shell: PlainShell, line: str, _local: Any) -> None:
    """``obj?``: what it is, its signature and its documentation."""
    _page(shell, line, 0)


def pinfo2(shell: PlainShell, line: str, _local: Any) -> None:
    """``obj??``: the same with its source."""
    _page(shell, line, 1)


def _page(shell: PlainShell, name: str, detail: int) -> None:
    from ..look.helptext import describe_name, search

    if not name:
        text = "The built-in shell of rpyc-kernel. %lsmagic lists its magics, obj? and obj?? tell about an object."
    elif "*" in name:
        text = "\n".join(search(name, shell.namespace)) or "Nothing matches %s." % name
    else:
        found = describe_name(name, shell.namespace, shell.facade.magics, detail)
        if found is None:
            print("Object `%s` not found." % name)
            return
        text = found
    shell.payload.append({"source": "page", "data": {"text/plain": text}, "start": 0})


def _shower(mime: str, what: str) -> Any:
    def show(shell: PlainShell, _line: str, cell: str, _local: Any) -> None:
        shell.displays.display({mime: cell, "text/plain": "<%s>" % what}, raw=True)

    show.__doc__ = "Show the cell as %s." % what
    return show


show_html = _shower("text/html", "HTML")
show_javascript = _shower("application/javascript", "JavaScript")
show_latex = _shower("text/latex", "LaTeX")
show_markdown = _shower("text/markdown", "Markdown")
show_svg = _shower("image/svg+xml", "SVG")
