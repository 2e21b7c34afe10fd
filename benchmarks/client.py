"""A front end that measures: sends one request and notes when its answers came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 300.0


@dataclass
class Answer:
    """What came for one request. All times are seconds since the request was sent.

    Attributes:
        msg_id: The request's.
        reply: When the reply came; 0.0 until then, as with the other times.
        idle: When the kernel said that it is idle.
        shown: When the first output came.
        printed: Characters of text so far.
        content: The reply's content.
    """

    msg_id: str
    reply: float = 0.0
    idle: float = 0.0
    shown: float = 0.0
    printed: int = 0
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> float:
        """The time at which the front end knew that the request was over."""
        return max(self.reply, self.idle)


class Client:
    """The front end of one kernel, which need not listen yet.

    Args:
        connection_file: The kernel's connection file.
        alive: Whether the kernel's process still runs.
    """

    def __init__(self, connection_file: str, alive: Callable[[], bool]) -> None:
        self._context = zmq.Context()
        for option, value in ((zmq.RCVHWM, 0), (zmq.SNDHWM, 0), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, 5)):
            self._context.setsockopt(option, value)
        self._client = BlockingKernelClient(context=self._context)
        self._client.load_connection_file(connection_file)
        self._client.start_channels(stdin=False, hb=False)
        self._alive = alive
        self._sockets = [self._client.shell_channel.socket, self._client.iopub_channel.socket]
        self._poller = zmq.Poller()
        for socket in self._sockets:
            self._poller.register(socket, zmq.POLLIN)
        self._started = 0.0

    def close(self) -> None:
        """Close the connection; the kernel goes on."""
        self._client.stop_channels()
        self._context.destroy(linger=0)

    def run(self, code: str, *, reply_only: bool = False) -> Answer:
        """Run a cell until its reply and idle have come.

        Args:
            code: The cell.
            reply_only: Don't wait for idle: a kernel that has just started may not have published it.
        """
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        return self.ask("execute_request", {**content, "stop_on_error": True}, reply_only=reply_only)

    def interrupted(self, code: str, marker: str, pause: float) -> float:
        """Interrupt a cell that runs.

        Args:
            code: The cell.
            marker: What the cell prints when it has begun.
            pause: Seconds from the marker to the interrupt.

        Returns:
            Seconds from the interrupt to the cell's reply.
        """
        answer = self.send("execute_request", {"code": code, "silent": False, "allow_stdin": False})
        self.wait(answer, lambda: answer.printed >= len(marker))
        time.sleep(pause)
        self.send("interrupt_request", {}, channel="control")
        began = time.perf_counter() - self._started
        answer.reply = answer.idle = 0.0
        self.wait(answer, lambda: bool(answer.reply and answer.idle))
        assert answer.content.get("ename") == "KeyboardInterrupt", answer.content
        return answer.reply - began

    def complete(self, code: str) -> Answer:
        """Complete at the end of the code."""
        return self._look_up("complete_request", {"code": code, "cursor_pos": len(code)}, "matches")

    def inspect(self, code: str) -> Answer:
        """Inspect at the end of the code."""
        content = {"code": code, "cursor_pos": len(code), "detail_level": 0}
        return self._look_up("inspect_request", content, "data")

    def shutdown(self) -> None:
        """Ask the kernel to end."""
        self.send("shutdown_request", {"restart": False}, channel="control")

    def _look_up(self, msg_type: str, content: dict[str, Any], answered: str) -> Answer:
        answer = self.ask(msg_type, content)
        assert answer.content[answered], answer.content
        return answer

    def send(self, msg_type: str, content: dict[str, Any], channel: str = "shell") -> Answer:
        """Send a request without waiting for its answer."""
        session = self._client.session
        message = session.msg(msg_type, content)
        answer = Answer(message["header"]["msg_id"])
        if channel == "shell":
            self._started = time.perf_counter()
        session.send(getattr(self._client, f"{channel}_channel").socket, message)
        return answer

    def ask(self, msg_type: str, content: dict[str, Any], *, reply_only: bool = False) -> Answer:
        """Send a request, and wait for its reply and idle."""
        answer = self.send(msg_type, content)
        self.wait(answer, lambda: bool(answer.reply and (answer.idle or reply_only)))
        return answer

    def wait(self, answer: Answer, done: Callable[[], bool]) -> None:
        """Read messages until a condition holds.

        Args:
            answer: Where the messages that belong to it are noted.
            done: The condition.

        Raises:
            ChildProcessError: The kernel has ended.
            TimeoutError: The condition didn't hold within `TIMEOUT_S` seconds.
        """
        while not done():
            if not self._poller.poll(200):
                if not self._alive():
                    raise ChildProcessError("the kernel has ended")
                if time.perf_counter() - self._started > TIMEOUT_S:
                    raise TimeoutError(f"no end of the cell within {TIMEOUT_S:g} s; so far {answer}")
            for socket in self._sockets:
                while self._take(socket, answer):
                    pass

    def _take(self, socket: Any, answer: Answer) -> bool:
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        now = time.perf_counter() - self._started
        session = self._client.session
        message = session.deserialize(session.feed_identities(parts)[1])
        if message["parent_header"].get("msg_id") != answer.msg_id:
            return True
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            answer.idle = now if content["execution_state"] == "idle" else answer.idle
        elif kind.endswith("_reply"):
            answer.reply, answer.content = now, content
        elif kind in ("stream", "execute_result"):
            answer.shown = answer.shown or now
            answer.printed += len(content.get("text", ""))
        return True
