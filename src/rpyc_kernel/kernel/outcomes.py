"""The outcomes of commands, as values; `kernel.commands.sentences` tells them to the user."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.link.listing import SessionEntry
    from rpyc_kernel.transport.discovery.answers import Server


class Found(Enum):
    """The way in which a notebook came to its session."""

    NEW = "it has begun, or was left before"
    KEPT = "the notebook had it"
    MOVED = "the notebook had it by another server"


class ChosenServer(NamedTuple):
    """The server of a service that was taken: where it is, and how many others are registered."""

    name: str
    address: str
    others: int


class Connected(NamedTuple):
    """Cells run in *session* from now on. *warnings*: sentences that the user should read."""

    session: RemoteSession
    found: Found
    warnings: tuple[str, ...] = ()
    service: ChosenServer | None = None


class Used(NamedTuple):
    """Cells run in *session*, one of the notebook's, from now on."""

    session: RemoteSession


class Left(Enum):
    """The fate of a session that was left."""

    NOT_CONNECTED = "there was none"
    LOST = "it was not this notebook's any more"
    ENDED = "it has ended"
    ENDS_LATER = "it ends as soon as its machine can be reached"
    STAYS = "it goes on"


class Disconnected(NamedTuple):
    """Cells run on the machine *name* no longer. *address*: where it is."""

    left: Left
    name: str = ""
    warnings: tuple[str, ...] = ()
    address: str = ""


class Hosts(NamedTuple):
    """The sessions of the notebook, the one in which cells run, and the names of machines that were left."""

    sessions: tuple[RemoteSession, ...]
    current: RemoteSession | None
    left: tuple[str, ...]


class Listing(NamedTuple):
    """The sessions on a machine.

    Attributes:
        where: The address as the user has written it, or a service's server.
        entries: The sessions.
        ours: The ids of those that this notebook has.
    """

    where: str
    entries: list[SessionEntry]
    ours: set[str]


class Ended(NamedTuple):
    """The session of that name on the machine *where* has ended."""

    name: str
    where: str


class Attached(NamedTuple):
    """The notebook has taken over *session*, which was as *entry* says."""

    session: RemoteSession
    entry: SessionEntry


class AttachedAlready(NamedTuple):
    """Cells run in the session of that name already."""

    name: str


class Replayed(NamedTuple):
    """So many messages were shown again."""

    messages: int


class Pinged(NamedTuple):
    """A session has answered.

    Attributes:
        name: The machine.
        seconds: The round trip.
        entry: How the machine and the session are.
    """

    name: str
    seconds: float
    entry: SessionEntry


class Restarted(NamedTuple):
    """A fresh Python runs on the machine *name*."""

    name: str


class Paired(NamedTuple):
    """This machine and the server at *address* know each other now; the server calls this machine *name*."""

    address: str
    name: str


class Discovered(NamedTuple):
    """The servers that a registry knows, by the name of their service."""

    servers: dict[str, tuple[Server, ...]]


class Copied(NamedTuple):
    """Values were copied.

    Attributes:
        source: Where they are from: a machine, or ``here``.
        target: Where they are now.
        values: What each of them is.
        nbytes: The bytes that have travelled.
        seconds: How long it took.
        machines: The names of the machines, where there are several.
    """

    source: str
    target: str
    values: list[str]
    nbytes: int
    seconds: float
    machines: tuple[str, ...] = ()
