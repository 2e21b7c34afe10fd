"""Lets a front end that reads slowly hold back what is published, where ZeroMQ would drop what it has no room for.

A front end takes messages from a queue of its own, of 1,000 messages on either side. ipykernel's socket drops what
comes when it is full, without a word: a page that is slow, or a Jupyter server that is stopped for a while, would lose
lines. Ours waits, and so the other machine's Python is held back at last. A front end that takes nothing for `PATIENCE`
is let go, as ZeroMQ always does, so that one that hangs doesn't stop the others.

Where there is no front end any more, nothing is taken from the other machine for a moment: when Jupyter was killed, its
kernels live for a second or two, and what came then would have been shown to nobody.

This reaches into ipykernel's ``IOPubThread`` (``_events``, ``_really_send``, ``_send_welcome_message``,
``_handle_subscription``, ``_xpub_stream``, ``_is_master_process`` of 7.4).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

PATIENCE = 120.0  # seconds
AGAIN = 10.0  # seconds until one that was let go is looked at again
SLICE = 200  # milliseconds in which the thread looks whether it has to end
QUEUED = 4 << 20  # bytes that may wait for the thread, of messages of one size
MOST = 64  # of them
LOOK = 0.002  # seconds between two looks at the queue
ALONE = 5.0  # seconds that the last front end may be gone; an orphan ends in that time


class PatientIOPub:
    """Stands between ipykernel's IOPub thread and its socket.

    :param thread: ipykernel's ``IOPubThread``, of an XPUB socket
    """

    def __init__(self, thread: Any) -> None:
        self._thread = thread
        self._dropping_until: float | None = None
        self._topics: set[bytes] = set()  # what any front end has subscribed to
        self._alone_since: float | None = None  # when the last one went
        for name in ("_really_send", "_send_welcome_message"):
            setattr(thread, name, self._patiently(getattr(thread, name)))
        thread.schedule(self._set_up)

    def wait_for_room(self, size: int, until: threading.Event) -> None:
        """Wait while too much is queued for a message of that many bytes, or nobody would get it, or until the event.

        On any other thread.
        """
        most = min(MOST, QUEUED // max(size, 1))
        while (len(self._thread._events) > most or self._is_alone()) and not until.wait(LOOK):
            pass

    def _is_alone(self) -> bool:
        since = self._alone_since
        return since is not None and time.monotonic() - since < ALONE

    # --- on the IOPub thread

    def _set_up(self) -> None:
        self._thread.socket.setsockopt(zmq.SNDTIMEO, SLICE)
        self._drop(False)
        self._thread._xpub_stream.on_recv(self._on_subscription)

    def _on_subscription(self, frames: list[bytes]) -> None:
        for frame in frames:
            if frame[:1] == b"\x01":
                self._topics.add(frame[1:])
                self._alone_since = None
            elif frame[:1] == b"\x00":
                self._topics.discard(frame[1:])
                self._alone_since = None if self._topics else time.monotonic()
        self._thread._handle_subscription(frames)

    def _drop(self, dropping: bool) -> None:
        self._thread.socket.setsockopt(zmq.XPUB_NODROP, int(not dropping))
        self._dropping_until = time.monotonic() + AGAIN if dropping else None

    def _patiently(self, send: Callable[..., None]) -> Callable[..., None]:
        def send_patiently(*args: Any, **kwargs: Any) -> None:
            if not self._thread._is_master_process():  # forked: the socket is its parent's, which gets this by a pipe
                if self._thread._pipe_flag:
                    send(*args, **kwargs)
                return
            patience = PATIENCE
            if self._dropping_until is not None and time.monotonic() > self._dropping_until:
                self._drop(False)
                patience = 0.0  # one look is enough
            give_up = time.monotonic() + patience
            while True:
                try:
                    send(*args, **kwargs)
                except zmq.Again:
                    if self._thread._stopped:
                        return
                    if time.monotonic() > give_up:
                        self._drop(True)
                else:
                    break
            if self._thread.socket.get(zmq.EVENTS) & zmq.POLLIN:  # sending has taken the stream's wake-up from it
                self._thread._xpub_stream.flush(zmq.POLLIN)

        return send_patiently
