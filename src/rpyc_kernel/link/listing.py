"""The sessions that run on a machine: ask for them, choose one by its name, end one, and show them as a table.

``%sessions`` and ``%attach`` in a cell, and ``rpyc-kernel sessions`` in a terminal use this module. It checks every
field of a machine's answer before a user sees it: the type, the length, and the absence of control characters, which
could repaint a terminal.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import AgentError, ArgumentError, ProtocolError, SessionGoneError
from rpyc_kernel.transport.broker_client import HELLO_TIMEOUT_S, BrokerClient, open_broker
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.plain import MAX_TEXT_CHARS, aligned, plain

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Sequence

    from rpyc_kernel.transport.address import Address

ANSWER_TIMEOUT_S = 10.0  # the other machine asks all keepers at once, and gives them one second
END_TIMEOUT_S = 5.0  # until an ended session must be gone
END_POLL_INTERVAL_S = 0.1  # between two checks whether it is gone
MAX_ENTRIES = 1000
MAX_NUMBER = 10.0**15
SHORT_ID_CHARS = 8  # shown of an id, unless more are needed to tell two apart
MAX_CANDIDATES = 10  # candidates that a sentence lists


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """One session on a machine. Times are seconds, sizes bytes; unknown fields are None, 0 or ``""``."""

    session: str  # its id
    name: str
    version: int  # of its agent's wire protocol
    agent: str  # the version of rpyc-kernel that started the session
    python: str
    pid: int
    answers: bool  # whether its keeper answered in time; a stopped keeper doesn't
    age: float | None
    busy: bool
    held: bool  # whether a notebook is connected to the session
    holder: str  # the notebook that is, or was last, connected
    since: float | None  # how long the notebook has been connected
    unread: int  # messages that no notebook has received
    unread_bytes: int
    idle: float | None  # time since a notebook was last heard of
    keep: float | None  # how long an idle session outlives its connection
    execution_count: int
    load: tuple[float, float, float] | None

    @property
    def newer(self) -> bool:
        """Whether the session's agent is newer than this kernel, which then can't attach to it."""
        return self.version > wire.VERSION

    @property
    def ends_in(self) -> float | None:
        """Seconds until the unused session ends; None while it runs a cell or a notebook is connected to it."""
        if self.busy or self.held or self.keep is None or self.idle is None:
            return None
        return max(0.0, self.keep - self.idle)


# --- asking


def sessions(
    address: Address, timeout: float = ANSWER_TIMEOUT_S, cancel: threading.Event | None = None
) -> list[SessionEntry]:
    """List this user's sessions on a machine, the oldest first.

    Args:
        address: The machine's server.
        timeout: Seconds for each answer.
        cancel: Gives up when it is set.

    Raises:
        RpycKernelError: The machine can't be reached or doesn't answer.
    """
    with open_broker(address, timeout=timeout, cancel=cancel) as broker:
        broker.connection.cancel = cancel
        return listed(broker, timeout)


def listed(broker: BrokerClient, timeout: float = ANSWER_TIMEOUT_S) -> list[SessionEntry]:
    """List the sessions over an open connection, as `sessions` does."""
    answer, _buffers = broker.call("list", {}, timeout=timeout)
    found = answer.get("sessions")
    if not isinstance(found, list):
        raise ProtocolError(broker.address, "the list of sessions is no list")
    return read_all(found)


def read_all(found: object) -> list[SessionEntry]:
    """Read a list of sessions, the oldest first, without items that are none. What is no list is an empty one."""
    items = found[:MAX_ENTRIES] if isinstance(found, list) else []
    return sorted(filter(None, map(read, items)), key=lambda entry: -(entry.age or 0.0))


def terminate(
    address: Address, session: str, timeout: float, *, hello: float = HELLO_TIMEOUT_S, begins: bool = False
) -> None:
    """Tell a session to end, and don't wait until it has.

    Args:
        address: The machine's server.
        session: The session's id.
        timeout: Seconds for the dialling, and for each answer.
        hello: Seconds until the agent must have answered.
        begins: Whether the session may be there in a moment only; it is waited for, *timeout* seconds.

    Raises:
        SessionGoneError: It isn't there.
        RpycKernelError: The machine can't be reached or doesn't answer.
    """
    deadline = Deadline(timeout)
    with open_broker(address, timeout=timeout, hello=hello) as broker:
        while True:
            try:
                broker.call("terminate", {"session": session}, timeout=timeout)
            except SessionGoneError:
                if not begins or deadline.expired:
                    raise
                time.sleep(END_POLL_INTERVAL_S)
            else:
                return


def end(
    address: Address, entry: SessionEntry, timeout: float = ANSWER_TIMEOUT_S, cancel: threading.Event | None = None
) -> None:
    """End a session, even if a notebook is connected to it, and wait until it is gone.

    A session that is gone already is no error.

    Raises:
        AgentError: The session doesn't answer, or doesn't end.
        RpycKernelError: The machine can't be reached or doesn't answer.
    """
    if not entry.answers:
        raise AgentError(
            f"The session {entry.name} on {address} does not answer: its process there, {entry.pid}, is stopped or "
            f"stuck. kill -9 {entry.pid} on that machine ends it."
        )
    with open_broker(address, timeout=timeout, cancel=cancel) as broker:
        broker.connection.cancel = cancel
        request = {"session": entry.session}
        try:
            broker.call("terminate", request, timeout=timeout)
            deadline = time.monotonic() + END_TIMEOUT_S
            while time.monotonic() < deadline:
                broker.call("status", request, timeout=timeout)
                time.sleep(END_POLL_INTERVAL_S)
        except SessionGoneError:
            return
    raise AgentError(
        f"The session {entry.name} on {address} was told to end and has not done so in {END_TIMEOUT_S:g} s."
    )


# --- checking what came


def read(found: object) -> SessionEntry | None:
    """Read one item of the list; None if it isn't a session. Malformed fields are left out."""
    if not isinstance(found, dict):
        return None
    session = found.get("session")
    if not (isinstance(session, str) and session.isascii() and session.isalnum() and len(session) <= MAX_TEXT_CHARS):
        return None
    return SessionEntry(
        session=session,
        name=_text(found.get("name")) or session[:SHORT_ID_CHARS],
        version=_count(found.get("version")) or 1,
        agent=_text(found.get("agent"), 20),
        python=_text(found.get("python"), 20),
        pid=_count(found.get("pid")),
        answers=found.get("answers") is not False,
        age=_seconds(found.get("age")),
        busy=found.get("busy") is True,
        held=found.get("held") is True,
        holder=_text(found.get("holder")),
        since=_seconds(found.get("since")),
        unread=_count(found.get("unread")),
        unread_bytes=_count(found.get("unread_bytes")),
        idle=_seconds(found.get("idle")),
        keep=_seconds(found.get("keep")),
        execution_count=_count(found.get("execution_count")),
        load=_load(found.get("load")),
    )


def _text(value: object, longest: int = MAX_TEXT_CHARS) -> str:
    return plain(value, longest) if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_NUMBER:
        return None
    return float(value)


def _count(value: object) -> int:
    return int(_seconds(value) or 0)


def _load(value: object) -> tuple[float, float, float] | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    one, five, fifteen = map(_seconds, value)
    return None if one is None or five is None or fifteen is None else (one, five, fifteen)


# --- choosing


def choose(entries: Sequence[SessionEntry], text: str) -> SessionEntry:
    """Choose the session by its name or id, or by a beginning of either that fits only one session.

    Raises:
        ArgumentError: No session fits, or several do; the message names the candidates.
    """
    text = text.strip()
    for fits in (
        lambda entry: text in (entry.session, entry.name),
        lambda entry: bool(text) and (entry.name.startswith(text) or entry.session.startswith(text)),
    ):
        found = [entry for entry in entries if fits(entry)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ArgumentError(
                f"{plain(text)!r} may mean {_candidates(found, entries)}. Write more of the name or id."
            )
    if not entries:
        raise ArgumentError(f"There is no session {plain(text)!r}: none runs there.")
    raise ArgumentError(f"There is no session {plain(text)!r}. There is {_candidates(entries, entries)}.")


def _candidates(found: Sequence[SessionEntry], entries: Sequence[SessionEntry]) -> str:
    length = _id_length(entries)
    names = [f"{entry.name} ({entry.session[:length]})" for entry in found[:MAX_CANDIDATES]]
    if len(found) > MAX_CANDIDATES:
        names.append(f"{len(found) - MAX_CANDIDATES} more")
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _id_length(entries: Collection[SessionEntry]) -> int:
    """Return the number of characters that tell the ids of all sessions apart."""
    for length in range(SHORT_ID_CHARS, MAX_TEXT_CHARS):
        if len({entry.session[:length] for entry in entries}) == len(entries):
            return length
    return MAX_TEXT_CHARS


# --- showing


def table(entries: Sequence[SessionEntry], mine: Collection[str] = ()) -> str:
    """Show sessions in aligned columns, one line for each.

    Args:
        entries: The sessions.
        mine: Ids of the sessions that the notebook is connected to; they are marked.
    """
    if not entries:
        return "No session runs there."
    length = _id_length(entries)
    rows = [("name", "id", "started", "state", "held by", "unread", "keep")]
    for entry in entries:
        mark = "* " if entry.session in mine else ""
        rows.append((mark + entry.name, entry.session[:length], *_described(entry)))
    return aligned(rows)


def _described(entry: SessionEntry) -> tuple[str, str, str, str, str]:
    started = "" if entry.age is None else duration(entry.age) + " ago"
    if not entry.answers:
        return started, "does not answer", "", "", ""
    state = "busy" if entry.busy else "idle"
    if entry.newer:
        state += f", needs rpyc-kernel {entry.agent or 'of a newer version'}"
    unread = (
        f"{entry.unread:,} message{'s' * (entry.unread != 1)}, {size(entry.unread_bytes)}"
        if entry.unread
        else "nothing"
    )
    keep = "" if entry.keep is None else duration(entry.keep)
    if entry.ends_in is not None:
        keep += f", {duration(entry.ends_in)} left"
    return started, state, (entry.holder or "somebody") if entry.held else "nobody", unread, keep


def duration(seconds: float) -> str:
    """Return a length of time for people, in one unit: ``45 s``, ``12 min``, ``3.5 h``, ``24 h``, ``9 d``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 49 * 3600:
        return f"{_rounded(seconds / 3600)} h"
    return f"{_rounded(seconds / 86400)} d"


def size(count: float) -> str:
    """Return a number of bytes for people: ``812 B``, ``1.4 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{_rounded(count) if unit != 'B' else int(count)} {unit}"
        count /= 1000
    return f"{_rounded(count)} GB"


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 9.95 or math.isclose(number, round(number), abs_tol=0.05) else f"{number:.1f}"
