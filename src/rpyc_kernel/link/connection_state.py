"""What a link knows of one of its connections. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rpyc_kernel.link.actions import Abort, Dial, Role, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rpyc_kernel.agent import wire
    from rpyc_kernel.link.actions import Action
    from rpyc_kernel.transport.address import Address

T = TypeVar("T")


class ConnectionState(Generic[T]):
    """One connection after the other.

    Args:
        role: What the connection is for.
        numbers: Where each new connection gets its number from.
        do: Gets the actions.

    Attributes:
        number: The number of the present connection; 0: there is none.
        ready: Whether it was dialled.
        asked: What was sent and has no answer, oldest first.
        due: When there is something to do, if nothing happens until then; a time of the owner's clock.
    """

    def __init__(self, role: Role, numbers: Iterator[int], do: Callable[[Action], None]) -> None:
        self.role = role
        self.due: float | None = None
        self._numbers = numbers
        self._do = do
        self.forget()

    def forget(self) -> None:
        """It is no more."""
        self.number = 0
        self.ready = False
        self.asked: deque[T] = deque()

    def dial(self, address: Address, timeout: float, hello_timeout: float) -> None:
        """Begin a new one."""
        self.number, self.due = next(self._numbers), None
        self._do(Dial(self.role, self.number, address, timeout, hello_timeout))

    def send(self, about: T, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes], timeout: float) -> None:
        """Ask for an operation; *about* is what `asked` is to know of it."""
        self.asked.append(about)
        self._do(Send(self.role, self.number, op, header, buffers, timeout))

    def abort(self, reason: str) -> None:
        """Break it off; its owner is told of that failure as of any other."""
        if self.number:
            self._do(Abort(self.role, self.number, reason))

    def drop(self, reason: str) -> None:
        """Break it off, and hear no more of it."""
        self.abort(reason)
        self.forget()
        self.due = None
