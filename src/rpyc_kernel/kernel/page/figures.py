"""The figures that a page shows of the machine: the round trip, and what the session and the machine use."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.jupyter import usage
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rpyc_kernel.kernel.sessions.remote_variable import CurrentSession

ANSWER_TIMEOUT_S = 5.0


async def machine_figures(
    sessions: CurrentSession, ask_usage: Callable[[], Awaitable[tuple[dict[str, Any], str]]]
) -> dict[str, Any] | None:
    """Ask the machine how it is.

    Args:
        sessions: Know where cells run.
        ask_usage: Asks for the figures of a ``usage_reply``; returns them, and why there are none.

    Returns:
        The content of a ``usage_reply``, with ``round_trip`` in seconds; None while the machine can't be asked.
    """
    session = sessions.current
    if session is None or session.status is not LinkStatus.UP:
        return None
    started = time.perf_counter()
    try:
        await asyncio.to_thread(session.ask, "status", {}, ANSWER_TIMEOUT_S)
    except RpycKernelError:
        return None
    round_trip = time.perf_counter() - started
    return {"round_trip": round_trip, **usage.content(*await ask_usage())}
