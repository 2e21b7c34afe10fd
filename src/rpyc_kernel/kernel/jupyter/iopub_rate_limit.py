"""Computes how fast a backlog may be published so that a Jupyter server passes all of it on to the page.

A Jupyter server drops what comes too fast, for good: by default what is above 1,000 messages or 1 MB of ``stream``
text a second (``iopub_msg_rate_limit`` and ``iopub_data_rate_limit``, counted over the ``rate_limit_window`` of 3 s;
``_limit_rate`` in ``jupyter_server.services.kernels.connection.channels``). Of ``stream`` messages it counts every
byte of header, parent, metadata and content as JSON; any other message is one message and no bytes, so that a picture
of 8 MB waits for nothing. ``status``, ``execute_input`` and ``comm_open`` aren't counted.

It counts in the window before the moment at which *it* handles a message. A server that was busy for a while handles
what we sent in a longer time within a shorter one, so that ours is longer than its window by as long as it may be busy.
We use up the window at once and then wait until it has passed: a hundred thousand lines take one pause of 4.5 s, and
what was missed in a short outage takes none. A steady pace (a token bucket) that leaves a busy server the same time
would need 6.6 s for those lines, and would slow down the short ones too.

Plain arithmetic: the caller gives the time, and does the waiting.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW_S = 3.0  # the server's default
SERVER_BUSY_S = 1.5  # that the server may be busy with something else
MAX_MESSAGES = 2900  # in a window; the server drops messages above 3,000
MAX_BYTES = 2_900_000  # in a window; the server drops messages above 3,000,000
MAX_BURST_MESSAGES = 500  # in a short window; ZeroMQ queues 1,000 for a slow reader, and drops the rest without a word
BURST_WINDOW_S = 0.5

OVERHEAD_BYTES = 700  # of a message beside its text; 470 with the headers of JupyterLab
GRAIN_S = 0.02  # messages that were published within it are remembered as one entry
UNCOUNTED = frozenset({"status", "execute_input", "comm_open"})


def stream_bytes(text: str) -> int:
    """Return the bytes that a server counts for a ``stream`` message: the text in JSON, and the headers."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) + OVERHEAD_BYTES


def estimate_stream_bytes(text: str) -> int:
    """Estimate `stream_bytes` without a look for what JSON escapes, a hundred times as fast: enough for live output."""
    return len(text.encode("utf-8", "replace")) * 21 // 20 + OVERHEAD_BYTES


class IOPubRateLimit:
    """Counts what was published lately, and hence knows when the next message of a backlog may be.

    Times are seconds of any clock that only goes forward. Several threads need a lock around it.
    """

    def __init__(self) -> None:
        self._lately: deque[tuple[float, int, int]] = deque()  # time, messages, bytes; the oldest first

    def published(self, now: float, msg_type: str, content: dict[str, Any], *, live: bool = False) -> None:
        """Count a message that goes out now, of a backlog or *live*: the server can't tell the two apart."""
        if msg_type in UNCOUNTED:
            return
        count = estimate_stream_bytes if live else stream_bytes
        size = count(str(content.get("text", ""))) if msg_type == "stream" else 0
        messages = 1
        if self._lately and now - self._lately[-1][0] < GRAIN_S:
            # An entry has the time of its first message; the last one is at most GRAIN_S younger, and waited for too.
            at, earlier, bytes_before = self._lately.pop()
            self._lately.append((at, messages + earlier, size + bytes_before))
        else:
            self._lately.append((now, messages, size))
        while now - self._lately[0][0] > WINDOW_S + SERVER_BUSY_S + GRAIN_S:
            self._lately.popleft()

    def delay(self, now: float, msg_type: str, content: dict[str, Any]) -> float:
        """Return the seconds until that message of a backlog may go out; 0 for at once. Ask again when they are over.

        A message of more than a window's bytes waits for an empty window.
        """
        if msg_type in UNCOUNTED or not self._lately:
            return 0.0
        room = max(0, MAX_BYTES - stream_bytes(str(content.get("text", "")))) if msg_type == "stream" else None
        return max(
            self._until_room(now, BURST_WINDOW_S, MAX_BURST_MESSAGES - 1, None),
            self._until_room(now, WINDOW_S + SERVER_BUSY_S, MAX_MESSAGES - 1, room),
        )

    def _until_room(self, now: float, span: float, messages: int, room: int | None) -> float:
        """Return the seconds until at most *messages* and *room* bytes have gone out in the last *span* seconds."""
        for at, sent, size in self._newest_first(now - span - GRAIN_S):
            if sent > messages or (room is not None and size > room):
                return at + span + GRAIN_S - now
        return 0.0

    def _newest_first(self, since: float) -> Iterator[tuple[float, int, int]]:
        """Yield for each entry since then its time, and the messages and bytes that have gone out from it on."""
        messages = size = 0
        for at, more_messages, more_size in reversed(self._lately):
            if at <= since:
                return
            messages, size = messages + more_messages, size + more_size
            yield at, messages, size
