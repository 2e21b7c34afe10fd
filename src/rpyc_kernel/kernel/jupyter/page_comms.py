"""The comms of pages that have our extension: opened by the page, and ended in this kernel, whatever runs.

A comm message is Jupyter's own way to a kernel, and the kernel takes it while a cell runs elsewhere
(``concurrent_shell.py``). On the control channel, which no local cell blocks, a kernel can't tell a page what the page
has not asked for. These aren't ipykernel's `Comm`: such a one publishes under the header of the cell that runs, and
`comm_info_reply` would show it among the user's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jupyter_client.session import Session

TARGET = "rpyc_kernel.status"
"""The target's name. ``kernel_info_reply`` has it, by which a page knows our kernels, and subclasses of theirs."""


MAX_CLIENTS = 1024  # a page that is loaded again is another one


class PageOwner(Protocol):
    """Deals with pages. In the event loop."""

    def opened(self, page: str) -> None:
        """Take note of a new page."""

    def closed(self, page: str) -> None:
        """Take note of a page that has gone."""

    def asked(self, page: str, data: dict[str, Any]) -> None:
        """Do what a page asks for."""


class PageComms:
    """The comms of target `TARGET`, each of which is a page.

    Attributes:
        clients: The ``session`` of each client that has opened one, the newest last.
    """

    def __init__(self, session: Session, iopub: Any, topic: Callable[[str], bytes]) -> None:
        self._session = session
        self._iopub = iopub
        self._topic = topic
        self._owner: PageOwner | None = None
        self._open: set[str] = set()
        self.clients: dict[str, None] = {}

    def serve(self, owner: PageOwner) -> None:
        """Have *owner* deal with pages from now on."""
        self._owner = owner

    def take(self, msg_type: str, content: dict[str, Any], client: str = "") -> bool:
        """Take a comm message of a front end, by its ``session``. Return whether it was a page's."""
        page = content.get("comm_id")
        if self._owner is None or not isinstance(page, str):
            return False
        if msg_type == "comm_open" and content.get("target_name") == TARGET:
            self._open.add(page)
            self.clients[client] = None
            if len(self.clients) > MAX_CLIENTS:
                del self.clients[next(iter(self.clients))]
            self._owner.opened(page)
        elif page not in self._open:
            return False
        elif msg_type == "comm_close":
            self._open.discard(page)
            self._owner.closed(page)
        elif isinstance(data := content.get("data"), dict):
            self._owner.asked(page, data)
        return True

    def send(self, page: str, data: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send *data*, which is JSON, and bytes beside it to a page. Any thread may call it."""
        self._publish("comm_msg", page, data, buffers)

    def close(self, page: str) -> None:
        """Tell a page that it is told nothing any more; it may open another comm."""
        self._open.discard(page)
        self._publish("comm_close", page, {})

    def _publish(self, msg_type: str, page: str, data: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        content = {"comm_id": page, "data": data}
        ident = self._topic("comm")
        self._session.send(self._iopub, msg_type, content, parent={}, ident=ident, buffers=[*buffers] or None)
