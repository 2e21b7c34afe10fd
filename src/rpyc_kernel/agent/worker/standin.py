"""``get_ipython().kernel``: what widgets and libraries ask of a kernel, for either shell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..wire import Json
    from .comms import Comms
    from .port import Port


class KernelStandIn:
    """Knows the running request, and publishes."""

    def __init__(self, port: Port, shell: Any, comms: Comms) -> None:
        self._port = port
        self._comms = comms
        self.shell = shell
        self.iopub_socket = None
        self.session = None

    @property
    def comm_manager(self) -> Any:
        """That of the ``comm`` package; None where it isn't installed."""
        return self._comms.manager

    def get_parent(self, channel: Optional[str] = None) -> Json:
        """The request that the running code belongs to; of its header, what identifies it."""
        msg_id = self._port.parents.get(self._port.request, "")
        return {"header": {"msg_id": msg_id, "msg_type": "execute_request"}, "content": {}, "metadata": {}}

    @property
    def _parent_header(self) -> Json:
        return self.get_parent()

    @property
    def execution_count(self) -> int:
        """The number of the next cell."""
        return int(self.shell.execution_count)

    def send_response(self, _stream: Any, msg_or_type: str, content: Optional[Json] = None, **keys: Any) -> None:
        """Publish a message to whoever started the running code."""
        self._port.publish(msg_or_type, content or {}, keys.get("metadata"), keys.get("buffers"))
