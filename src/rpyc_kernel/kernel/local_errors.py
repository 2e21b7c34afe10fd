"""Errors that a local cell meets: with the cell's own lines, and without those of this package and of RPyC."""

from __future__ import annotations

import sys
from typing import Any

from ipykernel.zmqshell import ZMQInteractiveShell

from rpyc_kernel.errors import RpycKernelError


class LocalShell(ZMQInteractiveShell):
    """The IPython of local cells."""

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
        """Show an exception, wherever it was raised: in a cell's code, or where its value was to be displayed."""
        lines = None if options.get("exception_only") else _render(exc_tuple or sys.exc_info())
        if lines is None:
            super().showtraceback(exc_tuple, *args, **options)
        else:
            kind, error, _tb = self._get_exc_info(exc_tuple)  # which keeps it for `%debug`
            self._showtraceback(kind, error, lines)


def _render(exc_info: Any) -> list[str] | None:
    """The lines of an exception that came through RPyC or through this package; None of any other."""
    _kind, error, tb = exc_info
    own = getattr(error, "_render_traceback_", None)  # of one that came from another machine
    if own is not None and isinstance(error, SyntaxError):  # of which IPython doesn't ask for it
        return own()  # type: ignore[no-any-return]
    if own is None and (isinstance(error, RpycKernelError) or "rpyc" in sys.modules):
        from rpyc_kernel.live import tracebacks  # noqa: PLC0415 - it imports rpyc

        if tracebacks.has_internals(tb):
            return tracebacks.render(error)
    return None
