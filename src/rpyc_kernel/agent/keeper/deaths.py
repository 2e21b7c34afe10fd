"""What is told of a worker that has died, and to whom."""

from __future__ import annotations

import signal

from .. import wire
from .requests import EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .journal import Journal
    from .requests import Request, Requests

    Json = Dict[str, Any]

RESTARTED: Json = {"text": "was restarted", "restart": True}  #: its end where somebody wanted it


def describe_end(code: int) -> Json:
    """How a process ended: ``{"signal": name}`` or ``{"code": int}``, and a ``text``.

    :param code: its exit code, negative for a signal
    """
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "signal %d" % -code
        return {"signal": name, "text": "was ended by signal %d (%s)" % (-code, name)}
    return {"code": code, "text": "ended with exit code %s" % (code if code < 1 << 16 else "0x%08X" % code)}


def report(journal: Journal, requests: Requests, end: Json) -> None:
    """Answer what died with a worker; where that was no cell, say that there is another worker now."""
    lost = requests.lost()
    for request in lost:
        requests.end(request.number)
        journal.add_packet(_reply(request, end), True)
    if not any(request.type == EXECUTE for request in lost):
        journal.add_packet(wire.Message("worker_died", end, requests.foreign_parent).encode(), True)


def _reply(request: Request, end: Json) -> bytes:
    reply = wire.reply_type(request.type)
    content = {"status": "error", "ename": "WorkerDied", "evalue": end["text"], "traceback": [], "end": end}
    return wire.Message(reply, content, request.parent).encode()
