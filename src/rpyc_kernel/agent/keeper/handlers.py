"""What the kernel may ask of a keeper, a method for each operation. None of them waits."""

from __future__ import annotations

import math
import os
import time

from .. import wire
from .lease import Stale
from .long_poll import Pull
from .outbox.retention import replay
from .requests import EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

    from .loop import Keeper
    from .peer import Visitor

    Json = Dict[str, Any]
    Answer = Union[None, Json, Tuple[Json, Sequence[wire.Bytes]]]
    Operation = Callable[[Visitor, Json, List[memoryview]], Answer]

ANSWERED = frozenset(
    [EXECUTE, "complete_request", "inspect_request", "is_complete_request", "comm_open", "comm_msg", "comm_close"]
)
MAX_WAIT = 30.0  #: seconds of a pull


class Operations:
    """Does what brokers ask for."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self._usage: Any = None
        self._operations: Dict[str, Operation] = {
            "attach": self._attach,
            "submit": self._submit,
            "pull": self._pull,
            "interrupt": self._interrupt,
            "restart": self._restart,
            "keep": self._keep,
            "replay": self._replay,
            "terminate": self._terminate,
            "status": self._status,
            "usage": self._tell_usage,
        }

    def answer(self, visitor: Visitor, packet: bytes) -> None:
        """Do what a packet asks for and answer it, at once or, a pull, later."""
        try:
            header, buffers = wire.unpack(packet)
            request, payload = wire.unpack(buffers[0])
            answer = self._operations[header["op"]](visitor, request, payload)
        except Stale as stale:
            answer = stale.answer
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            answer = {"error": "protocol", "text": "%s: %s" % (type(error).__name__, error)}
        if isinstance(answer, tuple):
            visitor.answer(wire.pack(*answer))
        elif answer is not None:
            visitor.answer(wire.pack(answer))

    def _check_epoch(self, request: Json) -> None:
        """Serve the present link alone; it is one that lives."""
        self.keeper.hold.check(int(request["epoch"]), time.monotonic())
        self.keeper.hear()

    # a link

    def _attach(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        """A link begins: from here on it alone is served, and what it hasn't got is given out again."""
        keeper, hold, now = self.keeper, self.keeper.hold, time.monotonic()
        if keeper.ending:
            return {"error": "gone", "text": "the session is just ending"}
        if int(request.get("version", 1)) < wire.VERSION:
            return self._refuse_version()
        acked, attempt = int(request.get("acked", 0)), int(request.get("attempt", 0))
        client, holder = str(request.get("client", "")), str(request.get("holder", ""))
        keep = _keep_of(request) if request.get("keep") is not None else None
        earlier = hold.holder
        if hold.attach(client, attempt, holder, bool(request.get("take")), now):
            keeper.log.write("taken over by %s (%s), epoch %d, from %s" % (holder, client, hold.epoch, earlier))
            keeper.requests.parts.clear()
        else:
            keeper.log.write("attached by %s (%s), epoch %d" % (holder, client, hold.epoch))
        if keep is not None:
            keeper.keep = keep
        keeper.welcome_link(visitor, acked)
        return {
            "parts": True,  # requests may come in parts
            "epoch": hold.epoch,
            "accepted": keeper.requests.accepted,
            "acknowledged": keeper.journal.acknowledged,
            "last": keeper.journal.last,
            "running": keeper.requests.cell.parent if keeper.requests.cell else "",
            "open": [[each.type, each.parent] for each in keeper.requests.open.values()],
            "execution_count": keeper.requests.execution_count,
            "age": now - keeper.born,
            "deaths": keeper.requests.deaths,
        }

    def _refuse_version(self) -> Json:
        agent = str(self.keeper.config.get("agent", ""))
        text = "the session speaks version %d, of rpyc-kernel %s" % (wire.VERSION, agent)
        return {"error": "version", "version": wire.VERSION, "agent": agent, "text": text}

    def _submit(self, visitor: Visitor, request: Json, payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        requests, kind = self.keeper.requests, request["type"]
        packet, part = bytes(payload[0]), request.get("part")
        cell = request.get("cell")
        if kind == EXECUTE and cell is None and part is None:
            cell = wire.Message.decode(packet).content
        taken = requests.accept(int(request["n"]), kind, request["parent"], packet, kind in ANSWERED, part)
        if taken is not None:
            if kind == EXECUTE:
                requests.count(taken, cell or {})
            self.keeper.take(taken, cell.get("deaths") if cell is not None else None)
        return {"accepted": requests.accepted}

    def _pull(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> None:
        self._check_epoch(request)
        wait, rtt, max_bytes = float(request["wait"]), float(request["rtt"]), int(request["max_bytes"])
        if not (wait >= 0.0 and rtt >= 0.0):  # NaN would end in select()
            raise ValueError("a time that is no number")
        keeper, now = self.keeper, time.monotonic()
        keeper.journal.acknowledge(int(request["acked"]))
        keeper.speed.arrived(int(request["acked"]), now)
        keeper.note_speed()
        keeper.listen_to(visitor)
        visitor.pull = Pull(now + min(wait, MAX_WAIT), max_bytes, rtt)

    def _interrupt(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        meant = self.keeper.requests.named(request["parent"])
        if meant is not None:
            self.keeper.interrupt(meant)
        return {"delivered": meant is not None}

    # the session

    def _restart(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        self.keeper.restart()
        return {"restarted": True}

    def _keep(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        self.keeper.keep = _keep_of(request)
        return {"keep": self.keeper.keep}

    def _replay(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Answer:
        self._check_epoch(request)
        return replay(self.keeper.journal, request)

    def _terminate(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        if "epoch" in request:
            self._check_epoch(request)
        self.keeper.say_farewell("it was ended by " + ("its kernel" if "epoch" in request else "hand"))
        return {"ended": True}

    def _status(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        """What there is to know of the session; asking for it doesn't keep it alive."""
        keeper, now = self.keeper, time.monotonic()
        return {
            "ending": keeper.ending,
            "busy": keeper.requests.cell is not None,
            "held": keeper.held,
            "holder": keeper.hold.holder,
            "since": now - keeper.hold.since,
            "unread": keeper.journal.unread,
            "unread_bytes": keeper.journal.unread_bytes,
            "age": now - keeper.born,
            "idle": 0.0 if keeper.wanted else now - keeper.last_heard,
            "keep": keeper.keep,
            "execution_count": keeper.requests.execution_count,
            "load": _load(),
            "epoch": keeper.hold.epoch,
            "queued": len(keeper.requests.open),
        }

    def _tell_usage(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        """What the session and its machine use of processor and memory."""
        if self._usage is None:
            from .usage import Usage  # late: few front ends ask

            self._usage = Usage()
        child = self.keeper.child
        answer: Json = self._usage.content(None if child.gone else child.pid)
        return answer


def _keep_of(request: Json) -> float:
    """The time that a session shall stay without a kernel, in seconds.

    :raises ValueError: that is none
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
