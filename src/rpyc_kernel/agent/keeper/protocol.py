"""The interfaces of a broker's connection (`peer`) and of a worker (`worker.process`) for a session. Types only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Protocol

    from ..wire import Bytes
    from .long_poll import Pull

    class Peer(Protocol):
        """A connection from a broker."""

        epoch: int  #: of the link that came by it last
        pull: Optional[Pull]  #: the pull that waits for an answer

        def answer(self, packet: bytes) -> None:
            """Answer the oldest question, and so the pull."""

    class Worker(Protocol):
        """The process that runs the cells."""

        @property
        def pid(self) -> int: ...

        @property
        def ready(self) -> bool:
            """Whether it has said that it can run cells."""

        @property
        def restarts(self) -> bool:
            """Whether the code of a cell has asked for a fresh one."""

        @property
        def why(self) -> str:
            """Why it has ended, by its own words."""

        def send(self, number: int, packet: Bytes) -> None: ...
        def interrupt(self, number: int) -> None: ...
        def tell_speed(self, carries: int) -> None: ...
        def leave(self) -> None: ...
        def hurry(self) -> None: ...
        def terminate(self) -> None: ...
        def kill(self) -> None: ...
