"""Sockets that don't block: try, and wait for several at once."""

from __future__ import annotations

import math
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Sequence, Set, TypeVar

    T = TypeVar("T")


def attempt(call: Callable[[], T]) -> Optional[T]:
    """Call something that reads or writes a socket, of TLS or not; None where it would have to wait."""
    try:
        return call()
    except BlockingIOError:
        return None
    except OSError as error:
        if type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError"):
            return None
        raise


def wait_ready(readers: Sequence[Any], writers: Sequence[Any], seconds: Optional[float] = None) -> Set[int]:
    """Wait until one of several sockets can be read, or written.

    Args:
        readers: Sockets to read, or what has their ``fileno``.
        writers: Sockets to write.
        seconds: So long at most; None: without end.

    Returns:
        The descriptors of those that can.
    """
    if not hasattr(select, "poll"):
        found = select.select(readers, writers, [], seconds)
        return {each.fileno() for each in (*found[0], *found[1])}
    poll = select.poll()  # `select` takes no descriptor above 1023
    for each in readers:
        poll.register(each, select.POLLIN)
    for each in writers:
        poll.register(each, select.POLLOUT)
    return {number for number, _event in poll.poll(None if seconds is None else math.ceil(seconds * 1000))}
