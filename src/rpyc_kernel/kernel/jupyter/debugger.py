"""Tells a front end that there is no debugger, since cells run in another machine's Python.

Requests and responses are those of the Debug Adapter Protocol, and Jupyter's own ``debugInfo``:
https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_DEBUGGER = (
    "This kernel has no debugger for the front end: its cells run in another machine's Python. breakpoint() and %debug "
    "work in a cell."
)

NOT_STARTED = {
    "isStarted": False,
    "hashMethod": "Murmur2",
    "hashSeed": 0,
    "tmpFilePrefix": "",
    "tmpFileSuffix": ".py",
    "breakpoints": [],
    "stoppedThreads": [],
    "richRendering": False,
    "exceptionPaths": [],
    "copyToGlobals": False,
}


def response(request: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the ``debug_reply``: a description for ``debugInfo``, a failure for all else."""
    command = request["command"]
    reply = {"type": "response", "seq": 0, "request_seq": request["seq"], "command": command}
    if command == "debugInfo":
        return {**reply, "success": True, "body": dict(NOT_STARTED)}
    shown = {"id": 1, "format": NO_DEBUGGER, "showUser": True}
    return {**reply, "success": False, "message": NO_DEBUGGER, "body": {"error": shown}}


@contextmanager
def left_out() -> Iterator[None]:
    """Within it ipykernel makes a kernel as if debugpy weren't installed: the import takes 50 ms and 8 MiB."""
    if "debugpy" in sys.modules:  # somebody debugs this process
        yield
        return
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # to import it raises ImportError
    try:
        yield
    finally:
        sys.modules.pop("debugpy", None)  # code of a local cell may want it
