"""Messages out of the packets that come. No I/O."""

from __future__ import annotations

from rpyc_kernel.agent import wire


class MessageReader:
    """Reads packets in their order, and puts the messages together that travel in parts."""

    def __init__(self) -> None:
        self._parts = wire.Parts()
        self._parent = ""  # the msg_id that the last packet belongs to

    def read(self, packet: memoryview) -> list[wire.Message]:
        """Read one packet.

        Returns:
            The message; none for a part that isn't the last one; for an unreadable message what is shown in its place.

        Raises:
            WireError: The packet is no message.
        """
        kind, parent = wire.about(packet)
        self._parent = parent or self._parent
        try:
            if not wire.is_part(packet):
                message = wire.Message.decode(packet)
                message.sealed = wire.is_sealed(packet)
            else:
                header, buffers = wire.unpack(packet)
                whole = self._parts.take(header["part"], buffers[0])
                if whole is None:
                    return []
                message = wire.Message.decode(whole)
        except wire.WireError as error:
            if not kind:
                raise
            return _replacement(kind, parent, str(error))
        if message.type == "session_info":  # a new Python: the parts that the one before had sent have no end
            self._parts.clear()
        return [message]

    def missing(self, reason: str) -> list[wire.Message]:
        """What is shown in the place of the next message, of which nothing is known."""
        return _replacement("", self._parent, reason)


def _replacement(kind: str, parent: str, reason: str) -> list[wire.Message]:
    failed = {"ename": "MessageError", "evalue": reason, "traceback": [reason]}
    if kind.endswith("_reply"):
        reply = wire.Message(kind, {**failed, "status": "error"}, parent)
        return [wire.Message("error", failed, parent), reply] if kind == "execute_reply" else [reply]
    return [wire.Message("stream", {"name": "stderr", "text": f"[nothing is shown here: {reason}]\n"}, parent)]
