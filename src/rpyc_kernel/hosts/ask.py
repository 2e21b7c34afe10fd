"""Asking saved machines how they are, all at once, and the table of what they say."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import DialCancelledError, RpycKernelError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.plain import aligned, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rpyc_kernel.hosts.saved import SavedHost

TIMEOUT_S = 10.0  # for all of it: a machine that is asleep must not make the others wait
POLL_INTERVAL_S = 0.05  # of the event that ends the asking
MAX_THREADS = 128  # a machine that is off has one until the end
MAX_VERSION_CHARS = 20
MAX_SENTENCE_CHARS = 500
NOTHING_SAVED = "No machine is saved. rpyc-kernel hosts add NAME ADDRESS saves one."


@dataclass(frozen=True, slots=True)
class HostState:
    """How a machine is. What it didn't tell is None or ``""``.

    Attributes:
        name: Under which it is saved.
        address: As it is saved.
        error: Why it can't be used, as a sentence; "" where it can.
        round_trip: Seconds that a request takes.
        python: The version of the Python that cells would run on.
        ipython: Whether that Python has IPython.
        sessions: How many sessions of this user run there.
        entries: These sessions.
    """

    name: str
    address: str
    error: str = ""
    round_trip: float | None = None
    python: str = ""
    ipython: bool | None = None
    sessions: int | None = None
    entries: tuple[listing.SessionEntry, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether a session could begin there."""
        return not self.error

    def described(self) -> dict[str, Any]:
        """Return it as JSON, without the sessions themselves."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "entries"}
        return {**found, "reachable": self.reachable}


def ask(
    hosts: Iterable[SavedHost], cancel: threading.Event | None = None, timeout: float = TIMEOUT_S
) -> list[HostState]:
    """Ask machines how they are, all at once.

    Args:
        hosts: The machines.
        cancel: Ends the asking.
        timeout: Seconds for all of it; whoever has not answered by then did not.

    Returns:
        What is known of each, in their order.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    asked, over, end = list(hosts), threading.Event(), time.monotonic() + timeout
    if not asked:
        return []
    pool = ThreadPoolExecutor(min(len(asked), MAX_THREADS), "rpyc-kernel-hosts")
    try:
        answers: list[Future[HostState]] = [pool.submit(_ask, host, over, end) for host in asked]
        left = set(answers)
        while left and time.monotonic() < end:
            if cancel is not None and cancel.is_set():
                raise DialCancelledError("the saved machines")
            left = wait(left, POLL_INTERVAL_S, FIRST_COMPLETED).not_done
    finally:
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)
    late = f"did not answer within {timeout:g} s. Is the machine on, and is the address right?"
    return [
        HostState(host.name, host.address, f"{host.address} {late}") if answer in left else answer.result()
        for host, answer in zip(asked, answers, strict=True)
    ]


def _ask(host: SavedHost, over: threading.Event, end: float) -> HostState:
    """Ask one machine, until *end* by the monotonic clock, or until *over*."""

    def left() -> float:
        return max(0.1, round(end - time.monotonic(), 1))  # a sentence may name it

    try:
        address, options = host.where
        with open_broker(address, timeout=left(), cancel=over, hello=left()) as broker:
            broker.connection.cancel = over
            round_trip = broker.round_trip(left())
            found, _buffers = broker.call("python", {"python": options.get("python")}, timeout=left())
            entries = tuple(listing.listed(broker, left()))
            return HostState(
                host.name,
                host.address,
                round_trip=round_trip,
                python=plain(str(found.get("version") or ""), MAX_VERSION_CHARS),
                ipython=found.get("ipython") is True,
                sessions=len(entries),
                entries=entries,
            )
    except RpycKernelError as error:
        return HostState(host.name, host.address, plain(str(error), MAX_SENTENCE_CHARS))


def table(states: Sequence[HostState]) -> str:
    """Show machines in aligned columns, one line each, and below them a sentence for each that can't be used."""
    if not states:
        return NOTHING_SAVED
    rows = [("name", "address", "state", "round trip", "Python", "IPython", "sessions")]
    for state in states:
        trip = "" if state.round_trip is None else f"{state.round_trip * 1000:.1f} ms"
        ipython = "" if state.ipython is None else "yes" if state.ipython else "no"
        sessions = "" if state.sessions is None else str(state.sessions)
        reachable = "reachable" if state.reachable else "not reachable"
        rows.append((state.name, state.address, reachable, trip, state.python, ipython, sessions))
    return "\n".join([aligned(rows), *(f"{state.name}: {state.error}" for state in states if state.error)])
