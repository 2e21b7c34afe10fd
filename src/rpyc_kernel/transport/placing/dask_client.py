"""Dask's client, kept within a deadline: its own waits hear of no stop, and some outlast their time."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from rpyc_kernel.errors import DialError, NobodyListeningError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S, Deadline
from rpyc_kernel.transport.sockets import open_tcp
from rpyc_kernel.transport.ways import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
GRACE_S = 1.0  # beyond the deadline, for what looks at it itself and says more
FIRST_TRY_S = 3.0  # until we look whether anything listens there: Dask tries as long as it may
PROBE_TIMEOUT_S = 2.0
ENDLESS_S = 30.0  # for a scheduler's answer where the deadline has no end
CLOSE_TIMEOUT_S = 30.0  # beside everything else; where it is over, Dask leaves a thread and a connection open


def beside(work: Callable[[threading.Event], T], deadline: Deadline) -> Future[T]:
    """Call *work* on a thread of its own, and wait for its end, a stop, or the end of the time.

    Args:
        work: Gets an event that is set when nobody waits any more.
        deadline: For all of it.

    Returns:
        What has become of it; not done where nobody waits any more.
    """
    future: Future[T] = Future()
    given_up = threading.Event()

    def run() -> None:
        try:
            future.set_result(work(given_up))
        except BaseException as error:  # noqa: BLE001 - it is raised where the future is read
            future.set_exception(error)

    left = deadline.left()
    end = None if left is None else time.monotonic() + left + GRACE_S
    threading.Thread(target=run, name="rpyc-kernel-dask", daemon=True).start()
    try:
        while not wait([future], POLL_INTERVAL_S).done:
            if deadline.cancelled or (end is not None and time.monotonic() > end):
                break
    finally:
        if not future.done():
            given_up.set()
    return future


def open_client(where: str, deadline: Deadline, given_up: threading.Event, **options: Any) -> Any:
    """Open a client of a scheduler.

    Args:
        where: The scheduler's address, as Dask writes it.
        deadline: For the scheduler's answer.
        given_up: Whether nobody waits any more: then the client is closed.
        options: Of Dask's `Client`.

    Raises:
        OSError: No scheduler answers; a ConnectionRefusedError where nothing listens there.
        ValueError: That is no address.
        ImportError: Dask lacks what such an address needs.
    """
    from distributed import Client  # noqa: PLC0415 - 0.5 s, and only for who uses a cluster

    left = deadline.left()
    seconds = ENDLESS_S if left is None else max(left, 0.1)
    try:
        client = Client(where, timeout=min(seconds, FIRST_TRY_S), **options)
    except OSError:
        if is_refused(where, deadline):
            raise ConnectionRefusedError(f"nothing listens at {where}") from None
        if seconds <= FIRST_TRY_S or given_up.is_set():
            raise
        client = Client(where, timeout=seconds - FIRST_TRY_S, **options)
    if given_up.is_set():
        close(client)
        raise TimeoutError
    return client


def is_refused(where: str, deadline: Deadline) -> bool:
    """Return whether the machine of that address answers within the deadline, and says that nothing listens there."""
    try:
        parts = urlsplit(where)
        address = Address(DEFAULT, parts.hostname or "", parts.port)
    except ValueError:
        return False
    if not address.host or address.port is None:
        return False
    try:
        open_tcp(address, deadline.part(PROBE_TIMEOUT_S)).close()
    except NobodyListeningError:
        return True
    except DialError:
        pass
    return False


def close(client: Any) -> None:
    """Close a client, on a thread of its own: it waits for the scheduler."""
    threading.Thread(target=_close, args=(client,), name="rpyc-kernel-dask-close", daemon=True).start()


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):
        client.close(timeout=CLOSE_TIMEOUT_S)
