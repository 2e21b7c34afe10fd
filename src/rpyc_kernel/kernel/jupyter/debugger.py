"""What a front end's debugger is told by itself: responses of the Debug Adapter Protocol, and Jupyter's ``debugInfo``.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.murmur2 import SEED
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BODY_CHARACTERS = 20 << 20
MAX_SENTENCE_CHARACTERS = 2000
EVENTS = frozenset({"initialized", "stopped", "continued", "thread", "breakpoint", "module", "output", "process"})
UNGUARDED: dict[str, dict[str, Any]] = {"inspectVariables": {"variables": []}, "modules": {"modules": []}}
"""What JupyterLab reads of a response without a look at whether it is a failure, by command."""

FILTERS = [
    {"filter": "raised", "label": "Raised Exceptions", "default": False},
    {"filter": "uncaught", "label": "Uncaught Exceptions", "default": False},
    {"filter": "userUnhandled", "label": "User Uncaught Exceptions", "default": False},
]
CAPABILITIES: dict[str, Any] = {
    "supportsCompletionsRequest": True,
    "supportsConditionalBreakpoints": True,
    "supportsConfigurationDoneRequest": True,
    "supportsDelayedStackTraceLoading": True,
    "supportsEvaluateForHovers": True,
    "supportsExceptionInfoRequest": True,
    "supportsExceptionOptions": True,
    "supportsFunctionBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsModulesRequest": True,
    "supportsSetExpression": True,
    "supportsSetVariable": True,
    "supportsValueFormattingOptions": True,
    "supportsTerminateDebuggee": False,
    "supportsTerminateRequest": False,
    "supportsGotoTargetsRequest": True,
    "supportsClipboardContext": True,
    "supportsStepInTargetsRequest": True,
    "exceptionBreakpointFilters": FILTERS,
}


def response(request: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the content of the ``debug_reply`` to a request that was done."""
    return {**_reply(request), "success": True, "body": body or {}}


def failure(request: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the content of the ``debug_reply`` to a request that was not done, and why: a sentence."""
    shown = {"id": 1, "format": text.replace("{", "{{").replace("}", "}}"), "showUser": True}
    body = {"error": shown, **UNGUARDED.get(request["command"], {})}
    return {**_reply(request), "success": False, "message": text, "body": body}


def checked(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a ``debug_reply``, made of what the other machine has answered, whatever that is."""
    text = plain(str(reply.get("message") or reply.get("evalue") or ""), MAX_SENTENCE_CHARACTERS)
    if reply.get("type") != "response" or reply.get("success") is not True:
        return failure(request, text or "The debugger there gives no reason.")
    body = reply.get("body")
    if not isinstance(body, dict):
        return response(request)
    if not _fits(body):
        return failure(request, "The debugger there has sent too much, or what is no JSON.")
    return response(request, body)


def event(content: dict[str, Any]) -> dict[str, Any] | None:
    """Return the content of a ``debug_event``, made of what the other machine has sent; None for what is none."""
    name, body = content.get("event"), content.get("body")
    if name not in EVENTS or not isinstance(body, dict) or not _fits(body):
        return None
    return {"type": "event", "seq": 0, "event": name, "body": body}


def info(
    prefix: str, breakpoints: dict[str, list[dict[str, Any]]], stopped: list[int], *, started: bool
) -> dict[str, Any]:
    """Return the body of the response to ``debugInfo``."""
    return {
        "isStarted": started,
        "hashMethod": "Murmur2",
        "hashSeed": SEED,
        "tmpFilePrefix": prefix,
        "tmpFileSuffix": ".py",
        "breakpoints": [{"source": path, "breakpoints": lines} for path, lines in breakpoints.items()],
        "stoppedThreads": stopped,
        "richRendering": True,
        "exceptionPaths": ["Python Exceptions"],
        "copyToGlobals": True,
    }


def _fits(body: dict[str, Any]) -> bool:
    try:
        return len(json.dumps(body, allow_nan=False)) <= MAX_BODY_CHARACTERS
    except ValueError:
        return False


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response", "seq": 0, "request_seq": request["seq"], "command": request["command"]}


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
