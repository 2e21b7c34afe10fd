"""Marks methods that may only be called in the event loop, and checks it where the environment asks for it."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_VARIABLE = "RPYC_KERNEL_CHECK_THREADS"  # set by the tests

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def loop_only(method: Callable[P, R]) -> Callable[P, R]:
    """Mark a method of an object whose ``loop`` is the event loop in which alone it may be called.

    With `CHECK_VARIABLE` in the environment, a call on another thread is an error in the log and an AssertionError.
    """
    if not os.environ.get(CHECK_VARIABLE):
        return method

    @functools.wraps(method)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        owner: Any = args[0]
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if owner.loop is not None and running is not owner.loop:
            log.error("%s was called outside of the event loop", method.__qualname__, stack_info=True)
            raise AssertionError(f"{method.__qualname__} was called outside of the event loop")
        return method(*args, **kwargs)

    return checked
