"""How many sessions a server may start: ``serve --session-limit`` says it in its environment, as may others."""

from __future__ import annotations

import threading
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping, Sized

VARIABLE = "RPYC_KERNEL_SESSION_LIMIT"  #: in the server's environment
_starting = threading.Lock()


class LimitError(Exception):
    """No more sessions may be started; the text is a sentence."""


@contextmanager
def room_for_one(environment: Mapping[str, str], sessions: Callable[[], Sized]) -> Iterator[None]:
    """Start a session inside of this context; where there is a limit, they are started one after the other.

    Args:
        environment: The server's.
        sessions: Lists the sessions; it isn't called where there is no limit.

    Raises:
        LimitError: There are as many as may be.
    """
    text = environment.get(VARIABLE, "")
    limit = int(text) if text.isdigit() else 0
    if not limit:
        yield
        return
    with _starting:
        if len(sessions()) >= limit:
            raise LimitError(
                "this machine keeps %d session%s at a time, and has as many. %%sessions in a notebook, or rpyc-kernel "
                "sessions in a terminal, lists them, and with --end NAME ends one" % (limit, "" if limit == 1 else "s")
            )
        yield
