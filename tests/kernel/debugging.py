"""A front end's debugger, for tests: it speaks the Debug Adapter Protocol over the control channel."""

from __future__ import annotations

import itertools
from typing import Any

from tests.kernel.client import WAIT, Client
from tests.kernel.results import Request

Json = dict[str, Any]


class DebuggerFrontEnd:
    """Does what JupyterLab's debugger does, in its order.

    Attributes:
        info: The body of the last answer to ``debugInfo``.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._numbers = itertools.count(1)
        self.info: Json = {}
        self._seen = len(self._stops())

    def ask(self, command: str, timeout: float = WAIT, /, **arguments: Any) -> Json:
        """Return the response to a request, whether it was done or not."""
        content = {"type": "request", "seq": next(self._numbers), "command": command, "arguments": arguments}
        reply = self.client.ask("debug_request", content, "control", timeout)
        assert (reply["type"], reply["command"], reply["request_seq"]) == ("response", command, content["seq"]), reply
        return reply

    def do(self, command: str, timeout: float = WAIT, /, **arguments: Any) -> Json:
        """Return the body of the response to a request that has to be done."""
        reply = self.ask(command, timeout, **arguments)
        assert reply["success"], reply
        return reply["body"]  # type: ignore[no-any-return]

    def start(self) -> None:
        """Switch the debugger on."""
        self.look()
        assert self.do("initialize", clientID="test", linesStartAt1=True)["supportsSetVariable"]
        self.do("attach")
        assert self.look()["isStarted"]

    def look(self) -> Json:
        """Ask for its state, as a page does that was just loaded."""
        self.info = self.do("debugInfo")
        return self.info

    def break_at(self, code: str, *lines: int, **more: Any) -> list[Json]:
        """Set breakpoints in a cell; return what became of them."""
        path = self.do("dumpCell", code=code)["sourcePath"]
        assert path.startswith(self.info["tmpFilePrefix"])
        asked = [{"line": line, **more} for line in lines]
        found = self.do("setBreakpoints", source={"path": path}, breakpoints=asked, sourceModified=False)
        self.do("configurationDone")
        return found["breakpoints"]  # type: ignore[no-any-return]

    def events(self) -> list[Json]:
        """All events so far."""
        messages = [message for request in self.client.requests.values() for message in request.messages]
        messages += self.client.stray
        found = [message for message in messages if message.kind == "debug_event"]
        return [message.content for message in sorted(found, key=lambda message: message.at)]

    def stopped(self, timeout: float = WAIT) -> list[Json]:
        """Wait until a thread stops that had not been stopped before; return its frames."""
        self.client.wait_for(lambda: len(self._stops()) > self._seen, timeout, "a stop")
        self._seen += 1
        self.thread = self._stops()[self._seen - 1]["body"]["threadId"]
        return self.frames()

    def _stops(self) -> list[Json]:
        return [each for each in self.events() if each["event"] == "stopped"]

    def frames(self) -> list[Json]:
        return self.do("stackTrace", threadId=self.thread)["stackFrames"]  # type: ignore[no-any-return]

    def run_to_stop(self, code: str, **options: Any) -> tuple[Request, list[Json]]:
        """Send a cell, and wait until it stops; return the request and the frames."""
        cell = self.client.start(code, **options)
        return cell, self.stopped()

    def step(self, command: str = "next") -> list[Json]:
        self.do(command, threadId=self.thread)
        return self.stopped()

    def go_on(self, cell: Request) -> Request:
        """Continue to the end of the cell."""
        self.do("continue", threadId=self.thread)
        return self.client.finish(cell)

    def variables(self, frame: Json, scope: int = 0) -> dict[str, Json]:
        """The variables of a frame, by name."""
        scopes = self.do("scopes", frameId=frame["id"])["scopes"]
        found = self.do("variables", variablesReference=scopes[scope]["variablesReference"])["variables"]
        return {each["name"]: each for each in found}
