"""Lets a front end that reads slowly hold back what is published, where ZeroMQ would drop what it has no room for.

ZeroMQ has a queue for each front end, of 1,000 messages on either side. ipykernel's socket drops messages without a
word when a queue is full: a page that is slow, or a Jupyter server that is stopped for a while, would lose lines. This
one waits, and so the other machine's Python is held back at last. A front end that takes nothing for `HUNG_AFTER_S`
loses messages again, so that one that hangs doesn't stop the others.

When the last front end has gone, nothing is taken from the other machine for a moment: a kernel whose Jupyter was
killed lives for a second or two, and messages that came then would be shown to nobody.

It reaches into ipykernel's ``IOPubThread``; ``tests/unit/ipykernel_places.py`` names each place.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from ipykernel.iostream import IOPubThread

HUNG_AFTER_S = 120.0  # without taking a message: then a front end counts as one that hangs
RETRY_AFTER_S = 10.0  # since messages are dropped: then the thread tries to wait again
SEND_TIMEOUT_MS = 200  # of one attempt; between two the thread looks whether it has to end
MAX_QUEUED_BYTES = 4 << 20  # that may wait for the thread, if all messages have the size of the one that comes
MAX_QUEUED_MESSAGES = 64
POLL_INTERVAL_S = 0.002  # between two looks at the queue
ALONE_S = 5.0  # since the last front end has gone: so long nothing is published; an orphan ends in that time


class IOPubBackpressure:
    """Stands between ipykernel's IOPub thread and its socket, and waits where the socket would drop a message.

    Args:
        thread: ipykernel's ``IOPubThread``, with an XPUB socket.
    """

    def __init__(self, thread: IOPubThread) -> None:
        self._thread = thread
        self._dropping_until: float | None = None
        self._topics: set[bytes] = set()  # of all front ends' subscriptions
        self._alone_since: float | None = None  # the time when the last front end went
        for name in ("_really_send", "_send_welcome_message"):
            setattr(thread, name, self._patiently(getattr(thread, name)))
        thread.schedule(self._set_up)

    def wait_for_room(self, size: int, until: threading.Event) -> None:
        """Wait while too much is queued, or nobody would get a message. On any thread but ipykernel's.

        Args:
            size: The size of the message that is to be published, in bytes.
            until: Ends the wait when it is set.
        """
        most = min(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES // max(size, 1))
        while (len(self._thread._events) > most or self._is_alone()) and not until.wait(POLL_INTERVAL_S):
            pass

    def _is_alone(self) -> bool:
        since = self._alone_since
        return since is not None and time.monotonic() - since < ALONE_S

    # --- on the IOPub thread

    def _set_up(self) -> None:
        self._thread.socket.setsockopt(zmq.SNDTIMEO, SEND_TIMEOUT_MS)
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
        self._dropping_until = time.monotonic() + RETRY_AFTER_S if dropping else None

    def _patiently(self, send: Callable[..., None]) -> Callable[..., None]:
        def send_patiently(*args: Any, **kwargs: Any) -> None:
            if not self._thread._is_master_process():  # forked: ipykernel has a pipe, or ZeroMQ sends nothing
                send(*args, **kwargs)
                return
            patience = HUNG_AFTER_S
            if self._dropping_until is not None and time.monotonic() > self._dropping_until:
                self._drop(False)
                patience = 0.0  # one attempt is enough
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
