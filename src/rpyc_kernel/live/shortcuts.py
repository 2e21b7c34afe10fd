"""When a live connection dials a shortcut, and the thread that does it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.agent.direct.live_frames import LiveFrames
    from rpyc_kernel.link.direct import DirectConnections
    from rpyc_kernel.link.link import Link

MISSED_FRAMES = 8  # that went in messages, after which a shortcut is dialled: it costs as much as ten round trips
RETRY_INTERVAL_S = 5.0  # between two attempts of which the first failed


class Dialler:
    """Dials shortcuts for one live connection, in the background and where they are worth it.

    Args:
        link: The session's link.
        direct: The session's direct connections.
        connection: The id of the live connection.
        frames: Gets the shortcuts.
    """

    def __init__(self, link: Link, direct: DirectConnections, connection: str, frames: LiveFrames) -> None:
        self._link = link
        self._direct = direct
        self._connection = connection
        self._frames = frames
        self._missed = 0
        self._not_before = 0.0
        self._dialling = False
        self._closed = threading.Event()

    def missed(self) -> None:
        """Note that a frame went in a message: after some of them a shortcut is dialled. It doesn't wait."""
        self._missed += 1
        if self._missed < MISSED_FRAMES or self._dialling or time.monotonic() < self._not_before:
            return
        if self._link.status is not LinkStatus.UP or self._link.hello.get("pooled"):  # a pool has few threads
            return
        self._dialling = True
        threading.Thread(target=self._dial, name="rpyc-kernel-shortcut", daemon=True).start()

    def lost(self) -> None:
        """Note that the shortcut was lost."""
        self._missed = 0

    def close(self) -> None:
        """Dial no more."""
        self._closed.set()

    def _dial(self) -> None:
        try:
            with contextlib.suppress(RpycKernelError):  # then everything goes in messages, as before
                sock, begun = self._direct.dial({"live": self._connection}, self._closed)
                self._missed = 0
                shortcut = self._frames.open(sock, begun, speaks=True)
                if self._closed.is_set():
                    shortcut.close()
                return
            self._not_before = time.monotonic() + RETRY_INTERVAL_S
        finally:
            self._dialling = False
