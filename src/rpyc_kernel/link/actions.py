"""The actions that a `LinkProtocol` wants done: with its two connections, and for whoever uses the link."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpyc_kernel.agent import wire
    from rpyc_kernel.errors import RpycKernelError
    from rpyc_kernel.transport.address import Address


class LinkStatus(Enum):
    """The state of a link."""

    NEW = "not connected"
    UP = "connected"
    LOST = "reconnecting"
    CLOSED = "closed"


class Role(Enum):
    """The two connections of a link, each carried by a thread of its own."""

    PULLER = "puller"  # gets messages
    SENDER = "sender"  # sends requests


# --- for the thread of a connection, in their order


class Dial(NamedTuple):
    """Connect to *address*; the connection that this role had is closed. *number* names the new one from now on."""

    role: Role
    number: int
    address: Address
    timeout: float  # seconds for the dialling
    hello_timeout: float  # seconds until the agent has answered


class Send(NamedTuple):
    """Ask the agent for the operation *op*. The answers are reported in the order of the questions."""

    role: Role
    number: int
    op: str
    header: dict[str, Any]
    buffers: Sequence[wire.Bytes]
    timeout: float  # seconds of silence


class AllowFrames(NamedTuple):
    """Take messages of up to *size* bytes on this connection."""

    role: Role
    number: int
    size: int


class Deliver(NamedTuple):
    """Give messages to ``on_message``, on the puller's thread, and set `Incoming.delivered` to *last*."""

    messages: Sequence[wire.Message]
    backlog: bool  # whether they had been waiting, or came while such were shown
    last: int  # the number of the last message that is given out then


# --- for any thread, at once


class Abort(NamedTuple):
    """End whatever the connection or its dialling waits for, and close it. Its thread reports the failure."""

    role: Role
    number: int
    reason: str  # the end of a sentence


class StatusChanged(NamedTuple):
    """Tell ``on_status``."""

    status: LinkStatus
    error: RpycKernelError | None


class Beat(NamedTuple):
    """Send a heartbeat each *interval* seconds, on a connection of its own; 0: none."""

    interval: float


class Refuse(NamedTuple):
    """Tell ``on_refused``: the request with that ``msg_id`` was given up; ``""`` stands for all that wait."""

    msg_id: str
    error: RpycKernelError


class Answer(NamedTuple):
    """A question has its answer."""

    question: int
    header: dict[str, Any]
    buffers: list[memoryview]


class Fail(NamedTuple):
    """A question gets no answer."""

    question: int
    error: RpycKernelError


ForThread: TypeAlias = Dial | Send | AllowFrames | Deliver
ForAll: TypeAlias = StatusChanged | Refuse | Answer | Fail
Action: TypeAlias = ForThread | Abort | Beat | ForAll
