"""The interface of the channel to the keeper, which a forked and a spawned worker have differently. Types only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..interrupts import Interrupts
    from .frame_writer import FrameWriter
    from .keeper_signals import KeeperSignals

    class KeeperChannel(Protocol):
        """The worker's end of the channel to its keeper: `forked.ForkedChannel` or `spawned.SpawnedChannel`."""

        @property
        def signals(self) -> KeeperSignals:
            """The keeper's words beside requests."""

        def take_streams(self) -> None:
            """Give the process the fd 0, 1 and 2 of a worker."""

        def open_writer(self, interrupts: Interrupts) -> FrameWriter:
            """Open the way out, for frames."""

        def receive(self) -> bytes:
            """Wait for bytes of requests; ``b""`` once the keeper has closed its end."""
