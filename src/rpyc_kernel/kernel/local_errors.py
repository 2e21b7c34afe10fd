"""Errors of ours that a local cell meets: the cell's own lines and a sentence, without the lines of this package."""

from __future__ import annotations

from typing import Any

from rpyc_kernel.errors import RpycKernelError


def show_plainly(shell: Any) -> None:
    """Let the local IPython show them so."""
    shell.set_custom_exc((RpycKernelError,), _show)


def _show(shell: Any, kind: type, error: RpycKernelError, _tb: Any, **_more: Any) -> None:
    from rpyc_kernel.live import tracebacks  # noqa: PLC0415 - it imports rpyc

    own = getattr(error, "_render_traceback_", None)  # of one that came from another machine
    shell._showtraceback(kind, error, own() if own else tracebacks.render(error))
