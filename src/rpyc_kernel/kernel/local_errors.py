"""Errors that a local cell meets: with the cell's own lines, and without those of this package and of RPyC."""

from __future__ import annotations

import sys
from typing import Any

from rpyc_kernel.errors import RpycKernelError


def show_plainly(shell: Any) -> None:
    """Let the local IPython show them so."""
    shell.set_custom_exc((Exception, KeyboardInterrupt), _show)


def _show(shell: Any, kind: type, error: BaseException, tb: Any, tb_offset: int | None = None) -> None:
    own = getattr(error, "_render_traceback_", None)  # of one that came from another machine
    if own is None and (isinstance(error, RpycKernelError) or "rpyc" in sys.modules):
        from rpyc_kernel.live import tracebacks  # noqa: PLC0415 - it imports rpyc

        if tracebacks.has_internals(tb):
            shell._showtraceback(kind, error, tracebacks.render(error))
            return
    shell.showtraceback((kind, error, tb), tb_offset=tb_offset)
