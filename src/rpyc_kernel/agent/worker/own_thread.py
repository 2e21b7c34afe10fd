"""Threads of our own, which no debugger stops or shows: pydevd looks for these two attributes."""

from __future__ import annotations

import threading


class OwnThread(threading.Thread):
    """A daemon thread of the agent's own."""

    pydev_do_not_trace = True
    is_pydev_daemon_thread = True

    def __init__(self, target: object, name: str, args: object = ()) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)  # type: ignore[arg-type]
