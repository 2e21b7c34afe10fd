"""A session over a link, without Jupyter: what the kernel does, in a few lines for tests."""

from __future__ import annotations

import queue
import threading
import time
from types import TracebackType
from typing import Any, Self

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address


class Session:
    """Runs cells over a `Link`. A context manager: leaving it ends the session."""

    def __init__(self, address: str, **config: Any) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()
        self.statuses: list[Any] = []
        self.link = Link(
            Address.parse(address),
            self.on_message,
            lambda status, error: self.statuses.append((status, error)),
        )
        self.direct = DirectConnections(self.link)
        self.config = {"shell": "plain", **config}
        self.count = 0
        self.info: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.link.open(self.config, threading.Event())
        self.info = self.until("session_info", "")[-1].content
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.direct.close()
        self.link.close(end=True)

    @property
    def closed(self) -> bool:
        """Whether the link won't be back."""
        return self.link.status is LinkStatus.CLOSED

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up."""
        self.link.hurry()
        self.link.wait_up(cancel)

    def on_message(self, message: Message, _backlog: bool) -> None:
        """On the link's thread."""
        if message.type == "direct_reply":
            self.direct.take(message)
        self.messages.put(message)

    def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send another request than a cell, and return the content of its reply."""
        self.count += 1
        msg_id = f"request-{self.count}"
        self.link.submit(Message(f"{msg_type}_request", content, msg_id))
        return self.until(f"{msg_type}_reply", msg_id)[-1].content

    def start(self, code: str, **more: Any) -> str:
        """Submit a cell, with more content than its code; returns its ``msg_id``."""
        self.count += 1
        msg_id = f"cell-{self.count}"
        content = {"code": code, "silent": False, "store_history": True, "execution_count": self.count, **more}
        self.link.submit(Message("execute_request", content, msg_id))
        return msg_id

    def until(self, msg_type: str, parent: str, timeout: float = 30.0) -> list[Message]:
        """All messages up to the first of that type for that request.

        Raises:
            AssertionError: None has come in time. Its text names what came instead, and what the link said.
        """
        found = []
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                came = [(each.type, each.parent, each.content) for each in found[-9:]]
                raise AssertionError(f"no {msg_type} for {parent!r}; came: {came}; the link: {self.statuses}") from None
            found.append(message)
            if message.type == msg_type and message.parent in (parent, ""):
                return found

    def run(self, code: str) -> tuple[str, dict[str, Any]]:
        """Run a cell; returns its output as one text, with the last value, and the content of its reply."""
        msg_id = self.start(code)
        messages = self.until("execute_reply", msg_id)
        text = "".join(m.content["text"] for m in messages if m.type == "stream" and m.parent == msg_id)
        text += "".join(
            m.content["data"]["text/plain"] for m in messages if m.type == "execute_result" and m.parent == msg_id
        )
        return text, messages[-1].content
