"""The interfaces of the channel to the keeper, which a forked and a spawned worker have differently. Types only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Tuple

    from ..interrupts import Interrupts
    from .frame_writer import FrameWriter

    class KeeperSignals(Protocol):
        """The keeper's words to its worker beside requests: `shared_page.Page`, or `spawned.SpawnedSignals`.

        Attributes:
            carries: bytes a second that the link to the kernel carries; 0 while that isn't known.
        """

        carries: int

        @property
        def interrupt(self) -> Tuple[int, int]:
            """The serial number of the last interrupt, and the number of the request that it is meant for."""

        def note_interrupt(self, __number: int) -> bool:
            """Note that an interrupt for this request has come; returns whether the worker has to send the signal."""

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
