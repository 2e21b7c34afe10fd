"""The messages about a worker that has ended. All are sealed: no worker can send them."""

from __future__ import annotations

import signal

from ... import wire
from ..requests import EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable

    from ..outbox.journal import Journal
    from ..requests import Request, Requests

    Json = Dict[str, Any]

RESTARTED: Json = {"text": "was restarted", "restart": True}  #: the end of a worker that somebody wanted to end
MAX_CAUSE_CHARACTERS = 500


def describe_end(code: int, cause: str = "", stillborn: bool = False) -> Json:
    """How a process ended: ``{"signal": name}`` or ``{"code": int}``, and a ``text``.

    Args:
        code: Its exit code, negative for a signal.
        cause: The reason that it has told itself.
        stillborn: Whether it has ended before it could run a cell; then the result has ``stillborn``.
    """
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "signal %d" % -code
        end: Json = {"signal": name, "text": "was ended by signal %d (%s)" % (-code, name)}
    else:
        end = {"code": code, "text": "ended with exit code %s" % (code if code < 1 << 16 else "0x%08X" % code)}
    if cause:
        end["text"] += ": " + cause[-MAX_CAUSE_CHARACTERS:].strip().rstrip(".")
    if stillborn:
        end["stillborn"] = True
    return end


def report(journal: Journal, requests: Requests, end: Json, lost: Iterable[Request], tell: bool = True) -> None:
    """Answer the requests that were lost with a worker; where none was a cell, tell of its end in a message.

    Args:
        journal: Takes the messages.
        requests: Knows which requests are open.
        end: What `describe_end` has returned.
        lost: The requests.
        tell: Whether a message of its own is wanted.
    """
    cells = False
    for request in list(lost):
        cells = cells or request.type == EXECUTE
        answer(journal, requests, request, end)
    if tell and not cells:
        _add(journal, wire.Message("worker_died", dict(end, deaths=requests.deaths), requests.foreign_parent))


def answer(journal: Journal, requests: Requests, request: Request, end: Json) -> None:
    """Answer one request that was lost, or that was sent before its sender could know of the worker's end."""
    requests.end(request.number)
    content = {"status": "error", "ename": "WorkerDied", "evalue": end["text"], "traceback": []}
    content.update(end=end, deaths=requests.deaths, begun=request.begun)
    _add(journal, wire.Message(wire.reply_type(request.type), content, request.parent))


def answer_stopped(journal: Journal, requests: Requests, request: Request) -> None:
    """Answer one request that was interrupted while there was no worker to run it."""
    requests.end(request.number)
    error: Json = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
    if request.type == EXECUTE:
        _add(journal, wire.Message("error", error, request.parent))
    _add(journal, wire.Message(wire.reply_type(request.type), dict(error, status="error"), request.parent))


def _add(journal: Journal, message: wire.Message) -> None:
    journal.add_packet(wire.seal(message.encode()), True)
