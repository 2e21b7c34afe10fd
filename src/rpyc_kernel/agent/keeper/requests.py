"""The requests that were accepted from the kernel: which are open, and which run. A plain object without I/O."""

from __future__ import annotations

from .. import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..wire import Bytes

EXECUTE = "execute_request"
MAX_PARENTS = 4096  #: of so many requests the msg_id is known, also after their end


class Request:
    """One request on its way through the worker."""

    __slots__ = ("begun", "execution_count", "number", "packet", "parent", "type")

    def __init__(self, number: int, type: str, parent: str, packet: Bytes) -> None:
        self.number = number  # the client's, strictly increasing
        self.type = type  # msg_type
        self.parent = parent  # msg_id
        self.packet = packet  # the message
        self.execution_count = 0  # of a cell that counts
        self.begun = False  # whether its code started to run


class Requests:
    """The requests that have no reply yet, and the rule that none is taken twice.

    Attributes:
        accepted: The number of the last request that was taken.
        open: The requests without a reply, by number.
        execution_count: The number of the last cell that counts.
        parts: The parts of the one long request that is on its way.
        deaths: How many workers have died unasked. A cell of a kernel that knew of fewer is not run.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.execution_count = 0
        self.deaths = 0
        self.open: Dict[int, Request] = {}
        self.parts = wire.Parts()
        self.last_cell: Optional[Request] = None
        self._parents: Dict[int, str] = {}  # msg_ids of the last requests: what they have started may print for long

    def accept(
        self, number: int, type: str, parent: str, packet: Bytes, answered: bool, part: Any = None
    ) -> Optional[Request]:
        """Take a request, or a part of one.

        Args:
            number: The client's number of it; the numbers follow each other.
            type: Its ``msg_type``.
            parent: Its ``msg_id``.
            packet: The message, or a part of it.
            answered: Whether the worker will end the request with a reply.
            part: Of a part: the id of the message, where the part begins, and the size, see `wire.part_packet`.

        Returns:
            The request; None if it was taken before, and for a part that isn't the last.

        Raises:
            ValueError: A number was left out, so something was lost on the way; or the request is lost.
        """
        if number <= self.accepted:
            return None
        if number != self.accepted + 1:
            raise ValueError("request %d came after %d" % (number, self.accepted))
        if part is not None:
            if part[1] == 0:
                self.parts.clear()  # a long request was taken back
            whole = self.parts.take(part, packet)
            if whole is None:
                self.accepted = number
                return None
            packet = whole
        self.accepted = number
        request = Request(number, type, parent, packet)
        self._parents[number] = parent
        if len(self._parents) > MAX_PARENTS:
            del self._parents[next(iter(self._parents))]
        if answered:
            self.open[number] = request
        return request

    def count(self, request: Request, content: Dict[str, Any]) -> None:
        """Note the execution count of a cell with that content, if it counts."""
        if content.get("silent") or not content.get("store_history", True):
            return
        count = content.get("execution_count")
        if type(count) is not int or count <= 0:
            count = self.execution_count + 1  # as the shell counts
        self.execution_count = request.execution_count = count

    def parent_of(self, number: int) -> str:
        """The msg_id of a request, also after its end; that of the last cell where the request is too long ago."""
        return self._parents.get(number) or self.foreign_parent

    def begin(self, number: int) -> None:
        """The worker runs the request now."""
        request = self.open.get(number)
        if request is not None:
            request.begun = True
            if request.type == EXECUTE:
                self.last_cell = request

    def end(self, number: int) -> None:
        """The request has its reply."""
        self.open.pop(number, None)

    def named(self, parent: str) -> Optional[Request]:
        """The open request with that msg_id."""
        for request in self.open.values():
            if request.parent == parent:
                return request
        return None

    @property
    def cell(self) -> Optional[Request]:
        """The cell that runs."""
        for request in self.open.values():
            if request.begun and request.type == EXECUTE:
                return request
        return None

    def lost(self) -> List[Request]:
        """The requests that died with their worker: they had begun, or go to the worker beside the cells."""
        return [request for request in self.open.values() if request.begun or request.type != EXECUTE]

    def until(self, number: int) -> List[Request]:
        """The open requests up to that number."""
        return [request for request in self.open.values() if request.number <= number]

    @property
    def foreign_parent(self) -> str:
        """The msg_id for output that doesn't come from the worker's Python: of the running cell, else the last."""
        request = self.cell or self.last_cell
        return request.parent if request else ""
