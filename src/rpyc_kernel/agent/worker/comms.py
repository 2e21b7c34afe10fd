"""Comms (https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages) by the ``comm`` package.

Widgets and other libraries make their comms through that package; what it would have sent over ZMQ goes through the
`Port`. Imported only where the package is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..wire import Message
    from .port import Port


class NoComms:
    """For a machine without the ``comm`` package: every comm that a front end opens is closed again."""

    def handle(self, message: Message) -> None:
        """Nobody here can answer."""


class Comms(NoComms):
    """Receives comm messages from the front end, and sends those of this process.

    :raises ImportError: the ``comm`` package isn't there
    """

    def __init__(self, port: Port) -> None:
        import comm
        from comm.base_comm import BaseComm, CommManager

        class PortComm(BaseComm):
            """A comm whose messages go through the port."""

            def publish_msg(
                self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
            ) -> None:
                content = dict(data={} if data is None else data, comm_id=self.comm_id, **keys)
                port.publish(msg_type, content, metadata or {}, [bytes(buffer) for buffer in buffers or ()])

        self.manager = CommManager()
        comm.create_comm = PortComm
        comm.get_comm_manager = lambda: self.manager

    def handle(self, message: Message) -> None:
        """Give a ``comm_open``, ``comm_msg`` or ``comm_close`` to whom it concerns."""
        envelope = {
            "header": {"msg_type": message.type, "msg_id": message.parent},
            "content": message.content,
            "metadata": message.metadata,
            "buffers": [memoryview(bytes(buffer)) for buffer in message.buffers],
        }
        getattr(self.manager, message.type)(None, None, envelope)
