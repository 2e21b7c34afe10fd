"""Comms (https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages) by the ``comm`` package.

Widgets and other libraries make their comms through that package, where the machine has it; what it would have sent
over ZMQ goes through the `Port`.
"""

from __future__ import annotations

import sys

from .on_import import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..wire import Message
    from .port import Port


class Comms:
    """Receives comm messages from the front end, and sends those of this process."""

    def __init__(self, port: Port) -> None:
        self._manager: Any = None  # the CommManager, once the package is imported
        self._port = port
        when_imported("comm", self._set_up)

    def _set_up(self, comm: Any) -> None:
        from comm.base_comm import BaseComm, CommManager

        port = self._port

        class PortComm(BaseComm):
            """A comm whose messages go through the port."""

            def publish_msg(
                self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
            ) -> None:
                content = dict(data={} if data is None else data, comm_id=self.comm_id, **keys)
                port.publish(msg_type, content, metadata or {}, [bytes(buffer) for buffer in buffers or ()])

            def handle_msg(self, msg: Any) -> None:
                """Call whoever listens. (BaseComm's own needs IPython.)"""
                if "IPython" in sys.modules:
                    super().handle_msg(msg)
                elif self._msg_callback:
                    self._msg_callback(msg)

        manager = self._manager = CommManager()
        comm.create_comm = PortComm
        comm.get_comm_manager = lambda: manager

    @property
    def manager(self) -> Any:
        """The CommManager of this process; None where the package isn't installed."""
        if self._manager is None:
            try:
                import comm  # noqa: F401
            except ImportError:
                return None
        return self._manager

    def handle(self, message: Message) -> None:
        """Give a ``comm_open``, ``comm_msg`` or ``comm_close`` to whom it concerns."""
        manager = self.manager
        if manager is None:
            if message.type == "comm_open":  # nobody here can answer
                self._port.publish("comm_close", {"comm_id": message.content.get("comm_id", ""), "data": {}})
            return
        envelope = {
            "header": {"msg_type": message.type, "msg_id": message.parent},
            "content": message.content,
            "metadata": message.metadata,
            "buffers": [memoryview(bytes(buffer)) for buffer in message.buffers],
        }
        getattr(manager, message.type)(None, None, envelope)
