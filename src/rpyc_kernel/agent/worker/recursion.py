"""Raises the stack's limit with ``sys.setrecursionlimit``: else a recursion through C code would end the process."""

from __future__ import annotations

import functools
import sys

BYTES_PER_CALL = 2048  #: of C's stack, for a call through C code
MAX_STACK_BYTES = 64 << 20  #: bytes; Linux leaves room for 128 MiB


def follow_limit() -> None:
    """From now on, raise the limit of the stack whenever the user's code raises the limit of recursion."""
    set_limit = sys.setrecursionlimit

    @functools.wraps(set_limit)
    def set_limit_and_stack(limit: int) -> None:
        set_limit(limit)
        _raise_stack(min(limit * BYTES_PER_CALL, MAX_STACK_BYTES))

    sys.setrecursionlimit = set_limit_and_stack


def _raise_stack(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and soft < size:
        try:
            resource.setrlimit(resource.RLIMIT_STACK, (size, hard))
        except (OSError, ValueError):  # the machine's owner allows no more
            pass
