"""A session that nobody is linked to: its requests are sent at once, and what it gives out is looked at later.

Each function dials a connection of its own for that. No message is acknowledged, so that the session keeps them all.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import DialError, LinkError, ProtocolError, SessionGoneError
from rpyc_kernel.link.link import packets_of
from rpyc_kernel.link.protocol import MALFORMED
from rpyc_kernel.link.state import Incoming, SessionState
from rpyc_kernel.transport.broker_client import BrokerClient, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.transport.address import Address

TRIES = 5  # to send or to look, where connections break
RETRY_INTERVAL_S = 1.0
SPAWN_TIMEOUT_S = 90.0
ANSWER_TIMEOUT_S = 15.0
PAGE_BYTES = 256 << 10  # of one answer: what a stock server writes fastest
MAX_BYTES = 2 << 30  # of all messages that are looked at; a session keeps a seventh of that
HOLDER = "rpyc-kernel run --detach"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Unattended:
    """Where such a session is.

    Attributes:
        address: Its server.
        session: Its id.
        record: What leads to it, where the machine has no place to keep that; it has a key in it.
    """

    address: Address
    session: str
    record: dict[str, Any] | None = field(default=None, repr=False)

    def named(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request to its keeper."""
        return {**request, "session": self.session, **({"record": self.record} if self.record else {})}


def begin(
    address: Address, session: str, config: dict[str, Any], requests: Sequence[Message]
) -> tuple[Unattended, list[str]]:
    """Start a session, give it requests, and leave it.

    Args:
        address: The server.
        session: The id that it is to have.
        config: How it begins.
        requests: They run one after the other; each is sent once, even where connections break meanwhile.

    Returns:
        Where it is, and what on that machine may end it, as sentences.

    Raises:
        RpycKernelError: It could not be started, or didn't get all requests.
    """
    client = uuid.uuid4().hex
    packets = [(each, *one) for number, each in enumerate(requests, 1) for one in packets_of(each, number)]
    attempts = iter(range(1, TRIES + 1))

    def send(broker: BrokerClient) -> tuple[Unattended, list[str]]:
        started, _buffers = broker.call("spawn", {**config, "session": session}, timeout=SPAWN_TIMEOUT_S)
        found = Unattended(address, session, started.get("record"))
        attach = {"acked": 0, "client": client, "attempt": next(attempts), "version": wire.VERSION, "holder": HOLDER}
        attached, _buffers = broker.call("attach", found.named(attach), timeout=ANSWER_TIMEOUT_S)
        first = _number(broker, attached, "accepted")
        for number, (message, packet, more) in enumerate(packets[first:], first + 1):
            request = {
                "n": number,
                "type": message.type,
                "parent": message.parent,
                "epoch": attached.get("epoch"),
                **more,
            }
            broker.call("submit", found.named(request), [packet], ANSWER_TIMEOUT_S)
        warnings = broker.hello.get("warnings")
        return found, [str(each) for each in warnings[:5]] if isinstance(warnings, list) else []

    return _dialled(address, send)


class Look(NamedTuple):
    """The output of a session so far.

    Attributes:
        messages: Those that nobody has acknowledged.
        acknowledged: How many had been before, which are gone.
        busy: Whether more will come.
    """

    messages: list[Message]
    acknowledged: int
    busy: bool


def look(where: Unattended) -> Look:
    """Return what a session has given out, and leave it there.

    Raises:
        SessionGoneError: The session has ended.
        RpycKernelError: Its machine can't be reached, or doesn't answer.
    """

    def ask(broker: BrokerClient) -> Look:
        status, _buffers = broker.call("status", where.named({}), timeout=ANSWER_TIMEOUT_S)  # before its last message
        busy = _number(broker, status, "queued") > 0
        for _again in range(TRIES):
            messages, acknowledged, whole = _pages(broker, where)
            if whole:
                return Look(messages, acknowledged, busy)
        return Look(*_pages(broker, where)[:2], busy)

    return _dialled(where.address, ask)


def _pages(broker: BrokerClient, where: Unattended) -> tuple[list[Message], int, bool]:
    """Look at all messages, page by page, and tell whether none was dropped meanwhile."""
    messages: list[Message] = []
    state, start, size, before = SessionState(), 0, 0, None
    incoming = Incoming(state)
    while True:
        request = where.named({"from": start, "max_bytes": PAGE_BYTES})
        answer, packets = broker.call("look", request, timeout=ANSWER_TIMEOUT_S)
        acknowledged, following = _number(broker, answer, "acknowledged"), answer.get("next")
        place = acknowledged, answer.get("moved")
        state.received = state.received or acknowledged
        if before not in (None, place):
            return messages, acknowledged, False
        before, size = place, size + sum(map(len, packets))
        for delivery in incoming.arrived(start or acknowledged + 1, packets):
            messages += delivery.messages
        if size > MAX_BYTES:
            raise ProtocolError(broker.address, "it gives more than a session keeps")
        if not isinstance(following, int) or following <= start:
            return messages, acknowledged, True
        start = following


def end(where: Unattended) -> None:
    """End the session, if it is still there. Raises a RpycKernelError where its machine can't be reached."""

    def terminate(broker: BrokerClient) -> None:
        with suppress(SessionGoneError):
            broker.call("terminate", where.named({}), timeout=ANSWER_TIMEOUT_S)

    _dialled(where.address, terminate)


def _number(broker: BrokerClient, answer: dict[str, Any], name: str) -> int:
    value = answer.get(name)
    if type(value) is not int or value < 0:
        raise ProtocolError(broker.address, f"an answer without {name!r}")
    return value


def _dialled(address: Address, do: Callable[[BrokerClient], Result]) -> Result:
    """Do something on a connection, and again on another one where that breaks.

    Raises:
        DialError: There was never a connection, so nothing has happened there.
        RpycKernelError: Another error.
    """
    broken: LinkError | None = None
    for _attempt in range(TRIES):
        if broken is not None:
            time.sleep(RETRY_INTERVAL_S)
        try:
            with open_broker(address) as broker:
                return do(broker)
        except LinkError as error:
            broken = error
        except DialError:
            if broken is None:
                raise
        except MALFORMED as error:
            raise ProtocolError(address, str(error)) from None
    assert broken is not None
    raise broken
