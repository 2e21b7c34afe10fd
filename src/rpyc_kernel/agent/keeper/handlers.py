"""The operations that a kernel may ask for, a method for each. None of them waits."""

from __future__ import annotations

import math
import os

from .. import wire
from .lease import Stale
from .requests import EXECUTE
from .session import Pull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

    from .machine import MachineFacts
    from .session import Peer, Session
    from .usage import Usage

    Json = Dict[str, Any]
    Answer = Union[None, Json, Tuple[Json, Sequence[wire.Bytes]]]
    Handler = Callable[[Peer, Json, List[memoryview], float], Answer]

#: the types of requests that the worker ends with a reply
ANSWERED = frozenset(
    {
        *(EXECUTE, "complete_request", "inspect_request", "is_complete_request", "pull_request", "push_request"),
        *("comm_open", "comm_msg", "comm_close", "direct_request", "debug_request"),
    }
)
MAX_WAIT_S = 30.0  #: of a pull


class Handlers:
    """Does what brokers ask of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._usage: Optional[Usage] = None
        self._known_machine: Optional[MachineFacts] = None
        self._handlers: Dict[str, Handler] = {
            "attach": self._attach,
            "submit": self._submit,
            "pull": self._pull,
            "interrupt": self._interrupt,
            "restart": self._restart,
            "keep": self._keep,
            "replay": self._replay,
            "look": self._look,
            "terminate": self._terminate,
            "status": self._status,
            "usage": self._tell_usage,
            "machine": self._describe_machine,
            "beat": self._beat,
        }

    def answer(self, peer: Peer, packet: bytes, now: float) -> None:
        """Do what a packet asks for and answer it, at once or, a pull, later."""
        try:
            header, buffers = wire.unpack(packet)
            request, payload = wire.unpack(buffers[0])
            answer = self._handlers[header["op"]](peer, request, payload, now)
        except Stale as stale:
            answer = stale.answer
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            answer = {"error": "protocol", "text": "%s: %s" % (type(error).__name__, error)}
        if answer is not None:
            self._session.answer(peer, wire.pack(*answer) if isinstance(answer, tuple) else wire.pack(answer))

    def _check_epoch(self, request: Json, now: float) -> None:
        self._session.check(int(request["epoch"]), now)

    # a link

    def _attach(self, peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        """Begin a link: from here on it alone is served, and what it hasn't got is given out again."""
        session = self._session
        if session.closing:
            return {"error": "gone", "text": "the session is just ending"}
        if int(request.get("version", 1)) < wire.VERSION:
            text = "the session speaks version %d, of rpyc-kernel %s" % (wire.VERSION, session.agent_version)
            return {"error": "version", "version": wire.VERSION, "agent": session.agent_version, "text": text}
        acked, attempt = int(request.get("acked", 0)), int(request.get("attempt", 0))
        client, holder = str(request.get("client", "")), str(request.get("holder", ""))
        keep = _keep_of(request) if request.get("keep") is not None else session.keep
        session.attach(peer, client, attempt, holder, bool(request.get("take")), acked, now)
        session.keep = keep
        requests, cell = session.requests, session.requests.cell
        return {
            "parts": True,  # requests may come in parts
            "epoch": session.lease.epoch,
            "accepted": requests.accepted,
            "acknowledged": session.journal.acknowledged,
            "last": session.journal.last,
            "running": cell.parent if cell else "",
            "open": [[each.type, each.parent] for each in requests.open.values()],
            "execution_count": requests.execution_count,
            "age": now - session.born,
            "deaths": requests.deaths,
        }

    def _submit(self, _peer: Peer, request: Json, payload: List[memoryview], now: float) -> Json:
        """Take a request, or a part of one; what counts of a cell stands beside its packet, which stays unread."""
        self._check_epoch(request, now)
        requests, kind = self._session.requests, request["type"]
        cell = dict(request["cell"]) if kind == EXECUTE else None
        part, parent = request.get("part"), request["parent"]
        taken = requests.accept(int(request["n"]), kind, parent, bytes(payload[0]), kind in ANSWERED, part)
        if taken is not None:
            self._session.submit(taken, cell)
        return {"accepted": requests.accepted}

    def _pull(self, peer: Peer, request: Json, _payload: List[memoryview], now: float) -> None:
        self._check_epoch(request, now)
        wait, rtt, max_bytes = float(request["wait"]), float(request["rtt"]), int(request["max_bytes"])
        if not (wait >= 0.0 and rtt >= 0.0):  # NaN would end in select()
            raise ValueError("a time that is no number")
        self._session.pull(peer, int(request["acked"]), Pull(now + min(wait, MAX_WAIT_S), max_bytes, rtt), now)

    def _beat(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        """Take note of a heartbeat, which counts when it comes here."""
        self._session.beat(str(request["client"]), now)
        return {}

    def _interrupt(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        self._check_epoch(request, now)
        return {"delivered": self._session.interrupt(request["parent"])}

    # the session

    def _restart(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        self._check_epoch(request, now)
        self._session.restart(now)
        return {"restarted": True}

    def _keep(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        self._check_epoch(request, now)
        self._session.keep = _keep_of(request)
        return {"keep": self._session.keep}

    def _replay(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Answer:
        self._check_epoch(request, now)
        from .outbox.replay import replay  # late: few kernels ask

        return replay(self._session.journal, request)

    def _look(self, _peer: Peer, request: Json, _payload: List[memoryview], _now: float) -> Answer:
        """Show what nobody has acknowledged yet; it stays, and whoever has the session notices nothing."""
        from .outbox.replay import look  # late: few ask

        return look(self._session.journal, request)

    def _terminate(self, _peer: Peer, request: Json, _payload: List[memoryview], now: float) -> Json:
        if "epoch" in request:
            self._check_epoch(request, now)
        self._session.close("it was ended by " + ("its kernel" if "epoch" in request else "hand"), now)
        return {"ended": True}

    def _status(self, _peer: Peer, _request: Json, _payload: List[memoryview], now: float) -> Json:
        """Describe the session; asking for it doesn't keep it alive."""
        session = self._session
        return {
            "ending": session.closing,
            "busy": session.requests.cell is not None,
            "held": session.held,
            "holder": session.lease.holder,
            "since": now - session.lease.since,
            "unread": session.journal.unread,
            "unread_bytes": session.journal.unread_bytes,
            "age": now - session.born,
            "idle": 0.0 if session.wanted else now - session.last_heard,
            "keep": session.keep,
            "execution_count": session.requests.execution_count,
            "load": _load(),
            "epoch": session.lease.epoch,
            "queued": len(session.requests.open),
            "heard": None if session.stops is None or session.stops.heard is None else now - session.stops.heard,
        }

    def _tell_usage(self, _peer: Peer, _request: Json, _payload: List[memoryview], _now: float) -> Json:
        """Tell how much processor and memory the session and its machine use."""
        if self._usage is None:
            from .usage import Usage  # late: few front ends ask

            self._usage = Usage()
        machine = self._machine()
        found = self._usage.content(self._worker_pid)
        return dict(found, temperatures=machine.temperatures(), gpus=machine.gpu.figures())

    def _describe_machine(self, _peer: Peer, _request: Json, _payload: List[memoryview], _now: float) -> Json:
        """Tell what the session's machine is, and how it is."""
        return self._machine().describe(self._worker_pid)

    def _machine(self) -> MachineFacts:
        if self._known_machine is None:
            from .machine import MachineFacts  # late: few ask

            self._known_machine = MachineFacts()
        return self._known_machine

    @property
    def _worker_pid(self) -> Optional[int]:
        worker = self._session.worker
        return worker.pid if worker else None


def _keep_of(request: Json) -> float:
    """The time that a session shall stay without a kernel, in seconds.

    Raises:
        ValueError: The request has no such time.
    """
    keep = float(request["keep"])
    if not (math.isfinite(keep) and keep >= 0.0):
        raise ValueError("a session can't be kept for %r seconds" % keep)
    return keep


def _load() -> Optional[List[float]]:
    try:
        return list(os.getloadavg())
    except (OSError, AttributeError):
        return None
