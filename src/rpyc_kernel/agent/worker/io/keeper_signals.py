"""The interface of the keeper's words to its worker beside requests. Types only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Tuple

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
