"""Asks several sessions at once: one thread sends to all of them, and then hears all of them.

A thread for each takes twice as long where the sessions are near, since all of them want the interpreter.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.errors import DialCancelledError, RpycKernelError
from rpyc_kernel.link.bulk import BulkSession
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from rpyc_kernel.link.direct import DirectConnection

PATIENCE_S = 5.0  # with all of them together; who has not answered by then is asked in another way

S = TypeVar("S", bound=BulkSession)


def ask_kept(op: str, headers: Mapping[S, dict[str, Any]], cancel: threading.Event) -> dict[S, dict[str, Any]]:
    """Ask sessions for something on the connections that were kept since the last time. Nobody is dialled.

    Args:
        op: The operation, which does no harm if it is asked for again.
        headers: What each is asked with.
        cancel: Ends the waiting.

    Returns:
        The answers of those that have a connection and have answered. The others are to be asked in another way.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    answers: dict[S, dict[str, Any]] = {}
    until = Deadline(PATIENCE_S, cancel)
    with contextlib.ExitStack() as connections:
        asked: list[tuple[S, DirectConnection]] = []
        for session, header in headers.items():
            with _tried():
                connection = connections.enter_context(session.direct.kept(until))
                if connection is not None:
                    connection.send(op, header)
                    asked.append((session, connection))
        for session, connection in asked:
            with _tried():
                answers[session] = connection.receive()[0]
    return answers


@contextlib.contextmanager
def _tried() -> Iterator[None]:
    """Go on if it has failed, unless it was stopped."""
    try:
        yield
    except DialCancelledError:
        raise
    except RpycKernelError:
        pass
