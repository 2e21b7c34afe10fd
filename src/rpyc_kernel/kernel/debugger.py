"""What a front end is told that asks for the debugger: there is none, since cells run in another machine's Python.

Requests and responses are those of the Debug Adapter Protocol, and Jupyter's own ``debugInfo``:
https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request
"""

from __future__ import annotations

from typing import Any

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
    """The content of the ``debug_reply``: where things are for ``debugInfo``, a failure for all else."""
    command = request["command"]
    reply = {"type": "response", "seq": 0, "request_seq": request["seq"], "command": command}
    if command == "debugInfo":
        return {**reply, "success": True, "body": dict(NOT_STARTED)}
    shown = {"id": 1, "format": NO_DEBUGGER, "showUser": True}
    return {**reply, "success": False, "message": NO_DEBUGGER, "body": {"error": shown}}
