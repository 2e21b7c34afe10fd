"""A second thread that answers completion, inspection and whether code is complete, also while a cell runs."""

from __future__ import annotations

import queue
import threading

from .. import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..wire import Json, Message
    from .port import Port


class Introspection:
    """Starts its thread with the first question."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.shell: Any = None
        self._questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: Any = None

    def ask(self, number: int, message: Message) -> None:
        """Answer a ``complete_request``, an ``inspect_request`` or an ``is_complete_request`` soon."""
        self._questions.put((number, message))
        if self._thread is None:
            self._thread = threading.Thread(target=self._answer, name="rpyc-kernel-introspection", daemon=True)
            self._thread.start()

    def _answer(self) -> None:
        while True:
            number, message = self._questions.get()
            self.port.parents[number] = message.parent
            try:
                content = self._look_up(message)
            except BaseException:  # whatever a user's __dir__ or property raises
                content = _nothing(message.type, message.content)
            try:
                self.port.reply(number, wire.reply_type(message.type), content)
            finally:
                self.port.parents.pop(number, None)

    def _look_up(self, message: Message) -> Json:
        content = message.content
        if message.type == "is_complete_request":
            return dict(self.shell.is_complete(content["code"]))
        code, cursor = content["code"], content["cursor_pos"]
        if message.type == "complete_request":
            return dict(self.shell.complete(code, cursor))
        sections = set(content.get("omit_sections") or ())
        return dict(self.shell.inspect(code, cursor, content.get("detail_level", 0), sections))


def _nothing(msg_type: str, content: Json) -> Json:
    if msg_type == "inspect_request":
        return {"status": "ok", "found": False, "data": {}, "metadata": {}}
    if msg_type == "is_complete_request":
        return {"status": "unknown"}
    cursor = content.get("cursor_pos", 0)
    return {"status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor, "metadata": {}}
