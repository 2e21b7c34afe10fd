"""A front end for tests: it speaks the Jupyter protocol and nothing else.

Everything that comes back is filed under the request that asked for it, with the time it came; every wait has an
end. One thread does all of it: whoever waits reads the sockets, so a test sees messages in the order they came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client import BlockingKernelClient

from tests.kernel.results import Comm, Message, Request

WAIT = 30.0
"""Seconds after which a test gives up waiting: generous, because a shared 2-core machine stalls."""

UNHEARD = 0.05
"""Seconds after a reply in which its idle comes, unless iopub isn't subscribed to yet."""

TURN = 0.1
"""Seconds that one channel is read until the others are."""

Answer = str | Callable[[str], str | None]


class NotSeen(AssertionError):
    """What a test waited for did not come in time. The message shows what came instead."""


class Client:
    """One front end on one kernel."""

    def __init__(self, connection_file: str, alive: Callable[[], bool] = lambda: True, *, room: int = 0) -> None:
        # High-water marks would drop messages while a test does something else. *room*: of how many, 0 for all.
        self.context = zmq.Context()
        self.context.setsockopt(zmq.RCVHWM, room)
        self.context.setsockopt(zmq.SNDHWM, 0)
        self.context.setsockopt(zmq.RECONNECT_IVL, 10)  # ms, until the kernel listens
        self.zmq = BlockingKernelClient(context=self.context)
        self.zmq.load_connection_file(connection_file)
        self.zmq.start_channels(hb=False)
        self.alive = alive
        self.requests: dict[str, Request] = {}
        self.stray: list[Message] = []
        self.comms: dict[str, Comm] = {}
        self.sockets = {
            name: getattr(self.zmq, f"{name}_channel").socket for name in ("iopub", "shell", "stdin", "control")
        }

    # -- talking

    def send(self, channel: str, kind: str, content: dict[str, Any] | bytes, **kw: Any) -> Request:
        """Send one request. What comes back lands in the `Request` as it arrives. *content*: bytes go as they are."""
        message = self.zmq.session.msg(kind, content, metadata=kw.pop("metadata", None))
        if subshell := kw.pop("subshell", None):
            message["header"]["subshell_id"] = subshell
        code = content.get("code", "") if isinstance(content, dict) else ""
        request = Request(message["header"]["msg_id"], kind, code, time.monotonic())
        request.answers = kw.pop("answers", None)
        self.requests[request.id] = request
        self.zmq.session.send(self.sockets[channel], message, buffers=kw.pop("buffers", None))
        assert not kw, kw
        return request

    def ask(self, kind: str, content: dict[str, Any], channel: str = "shell", timeout: float = WAIT) -> dict[str, Any]:
        """Send a request and return the content of its reply."""
        request = self.send(channel, kind, content)
        self.wait_for(lambda: request.reply is not None, timeout, f"the reply to {kind}")
        assert request.reply is not None
        return request.reply

    def start(
        self,
        code: str,
        *,
        answers: Iterable[Answer] | None = None,
        allow_stdin: bool = True,
        silent: bool = False,
        store_history: bool = True,
        stop_on_error: bool = True,
        user_expressions: dict[str, str] | None = None,
    ) -> Request:
        """Send a cell and don't wait. `answers` are given to its `input()`s, in order."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history and not silent,
            "user_expressions": user_expressions or {},
            "allow_stdin": allow_stdin,
            "stop_on_error": stop_on_error,
        }
        return self.send("shell", "execute_request", content, answers=list(answers) if answers is not None else None)

    def run(self, code: str, timeout: float = WAIT, **kw: Any) -> Request:
        """Run a cell and wait for its reply and its idle."""
        return self.finish(self.start(code, **kw), timeout)

    def good(self, code: str, timeout: float = WAIT, **kw: Any) -> Request:
        """Run a cell that has to work."""
        result = self.run(code, timeout, **kw)
        assert result.status == "ok", f"{code!r} gave {result}"
        return result

    def finish(self, request: Request, timeout: float = WAIT) -> Request:
        """Wait until a request has its reply and is idle."""
        self.wait_for(lambda: request.done, timeout, f"the end of {request}")
        return request

    # -- waiting

    def wait_for(self, condition: Callable[[], Any], timeout: float = WAIT, what: str = "") -> None:
        """Read what comes until `condition()`; `NotSeen` after `timeout` seconds or when the kernel has died."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotSeen(f"{what or 'what was waited for'} did not come in {timeout} s. {self.seen()}")
            if not self.pump(min(left, 0.2)) and not self.alive():
                raise NotSeen(f"the kernel died before {what or 'what was waited for'} came. {self.seen()}")

    def wait_output(self, request: Request, text: str, timeout: float = WAIT) -> None:
        """Wait until `text` is in what a cell has printed so far."""
        self.wait_for(lambda: text in request.stdout + request.stderr, timeout, f"the output {text!r}")

    def drain(self, seconds: float = 0.3) -> None:
        """Read what comes for a while: for tests that say that something does *not* come."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.pump(left)

    def seen(self) -> str:
        """The last requests, for a message."""
        return "Last requests:\n  " + "\n  ".join(map(repr, list(self.requests.values())[-4:]))

    def pump(self, timeout: float) -> bool:
        """Take in what has come; wait up to `timeout` seconds for something. False if nothing came.

        Of a channel on which more comes than is read, it takes as much as `TURN` gives time for: what somebody waits
        for may have come, and other channels have their turn.
        """
        poller = zmq.Poller()
        for socket in self.sockets.values():
            poller.register(socket, zmq.POLLIN)
        if not poller.poll(int(timeout * 1000) + 1):
            return False
        for channel, socket in self.sockets.items():
            until = time.monotonic() + TURN
            while time.monotonic() < until:
                _identities, raw = self.zmq.session.recv(socket, zmq.NOBLOCK, content=True)
                if raw is None:
                    break
                self._file(channel, raw)
        return True

    def _file(self, channel: str, raw: dict[str, Any]) -> None:
        message = Message(raw, time.monotonic())
        request = self.requests.get(message.parent)
        if channel == "iopub":
            Comm.follow(self.comms, message)
            if request is not None:
                request.take(message)
            elif message.kind != "iopub_welcome":
                self.stray.append(message)
        elif request is None:
            self.stray.append(message)
        elif channel == "stdin":
            request.inputs.append(message)
            self._answer(request, message)
        else:
            request.reply = message.content
            request.reply_metadata = raw["metadata"]
            request.replied_at = message.at

    def _answer(self, request: Request, asked: Message) -> None:
        if not request.answers:
            return
        answer = request.answers.pop(0)
        if callable(answer):
            answer = answer(asked.content["prompt"])
        if answer is not None:
            self.answer(asked, answer)

    def answer(self, asked: Message, value: str) -> None:
        """Answer an `input_request`."""
        reply = self.zmq.session.msg("input_reply", {"value": value, "status": "ok"}, parent=asked.raw)
        self.zmq.session.send(self.sockets["stdin"], reply)

    # -- the other requests

    def interrupt(self, timeout: float = WAIT) -> None:
        """Press the stop button (`interrupt_mode: message`), and see it acknowledged."""
        assert self.ask("interrupt_request", {}, "control", timeout)["status"] == "ok"

    def interrupted(self, request: Request, timeout: float = WAIT) -> float:
        """Interrupt a cell, wait for its end. Returns seconds from the press to its reply."""
        pressed = time.monotonic()
        self.send("control", "interrupt_request", {})
        self.finish(request, timeout)
        assert request.replied_at is not None
        return request.replied_at - pressed

    def complete(self, code: str, cursor_pos: int | None = None) -> dict[str, Any]:
        pos = len(code) if cursor_pos is None else cursor_pos
        return self.ask("complete_request", {"code": code, "cursor_pos": pos})

    def inspect(self, code: str, cursor_pos: int | None = None, detail_level: int = 0) -> dict[str, Any]:
        pos = len(code) if cursor_pos is None else cursor_pos
        return self.ask("inspect_request", {"code": code, "cursor_pos": pos, "detail_level": detail_level})

    def is_complete(self, code: str) -> dict[str, Any]:
        return self.ask("is_complete_request", {"code": code})

    def history(self, **content: Any) -> list[Any]:
        defaults = {"output": False, "raw": True, "hist_access_type": "tail", "n": 10}
        reply = self.ask("history_request", {**defaults, **content})
        assert reply["status"] == "ok", reply
        return reply["history"]  # type: ignore[no-any-return]

    def kernel_info(self, timeout: float = WAIT) -> dict[str, Any]:
        return self.ask("kernel_info_request", {}, "control", timeout)

    def comm_info(self, target_name: str | None = None) -> dict[str, Any]:
        content = {} if target_name is None else {"target_name": target_name}
        return self.ask("comm_info_request", content)["comms"]  # type: ignore[no-any-return]

    def comm_send(self, comm_id: str, data: dict[str, Any], buffers: list[bytes] | None = None) -> Request:
        """Send a `comm_msg` to the kernel, wait until it was handled (`idle`); there is no reply."""
        return self._comm("comm_msg", {"comm_id": comm_id, "data": data}, buffers)

    def comm_open(self, comm_id: str, target_name: str, data: dict[str, Any]) -> Request:
        return self._comm("comm_open", {"comm_id": comm_id, "target_name": target_name, "data": data}, None)

    def comm_close(self, comm_id: str) -> Request:
        return self._comm("comm_close", {"comm_id": comm_id, "data": {}}, None)

    def _comm(self, kind: str, content: dict[str, Any], buffers: list[bytes] | None) -> Request:
        request = self.send("shell", kind, content, buffers=buffers)
        self.wait_for(lambda: request.idle_at is not None, what=f"the idle of {kind}")
        return request

    def ready(self, timeout: float = WAIT) -> dict[str, Any]:
        """Wait until the kernel answers and its iopub is heard: a subscription takes a moment to arrive."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            request = self.send("shell", "kernel_info_request", {})
            self.wait_for(lambda request=request: request.reply is not None, timeout)  # type: ignore[misc]
            with suppress(NotSeen):
                self.wait_for(lambda request=request: request.done, UNHEARD)  # type: ignore[misc]
                assert request.reply is not None
                return request.reply
        raise NotSeen(f"the kernel's iopub was not heard in {timeout} s")

    def close(self) -> None:
        for request in self.requests.values():
            request.messages.clear()
        self.zmq.stop_channels()
        self.context.destroy(linger=0)
