"""The debugger of the notebook: what a front end wants to be stopped, whichever Python runs the cells.

Cells are debugged where they run (`agent/worker/debugger/`). Here is what must outlive a Python there, a page and a
link: whether the debugger was started, and the breakpoints. A Python that doesn't know them yet, since the one before
has died, was restarted, or is on another machine, is told before its first cell.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.agent.murmur2 import file_name
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.commands import route
from rpyc_kernel.kernel.jupyter.debugger import CAPABILITIES, checked, event, failure, info, response
from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.kernel.ports import HostedSession
    from rpyc_kernel.kernel.sessions.session import RemoteSession

START_TIMEOUT_S = 60.0  # of debugpy in a Python that takes a breakpoint's place; boards are slow
MAX_CELLS = 500  # whose text is kept
MAX_SOURCES = 500  # that have breakpoints
MAX_BREAKPOINTS = 1000  # in one of them
MAX_THREADS = 10000
LOCAL = "Cells that run on this machine (%%local) are not debugged."
NOT_THERE = "Nothing runs there yet: run a cell first."
KEPT = ("setExceptionBreakpoints", "setFunctionBreakpoints")
EMPTY: dict[str, dict[str, Any]] = {
    "configurationDone": {},
    "threads": {"threads": []},
    "inspectVariables": {"variables": []},
    "modules": {"modules": [], "totalModules": 0},
}
"""The bodies of responses while no Python is there that could be asked."""


class Sessions(Protocol):
    """The notebook's sessions."""

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run."""


class EventLoopHost(Protocol):
    """Has the kernel's event loop, once that has started."""

    loop: asyncio.AbstractEventLoop | None


class EventOutput(Protocol):
    """Publishes events."""

    def send(self, msg_type: str, content: dict[str, Any], parent: str) -> None:
        """Send a message to IOPub."""

    def say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a line in a cell."""


class NotebookDebugger:
    """The debugger of one notebook. Requests are handled in the event loop; `info` may be asked on any thread.

    Args:
        sessions: Those of the notebook.
        host: Has the event loop.
        output: Takes the events.

    Attributes:
        started: Whether a front end has started it.
        last_cell: The cell that shows why it can't be started, "" before there is one.
    """

    def __init__(self, sessions: Sessions, host: EventLoopHost, output: EventOutput) -> None:
        self.started = False
        self.last_cell = ""
        self._host = host
        self._sessions = sessions
        self._output = output
        self._prefix = f"/rpyc-kernel/{os.getpid()}-{uuid.uuid4().hex[:8]}/"
        self._session: RemoteSession | None = None  # whose cell is debugged, or was last
        self._knowing: dict[RemoteSession, tuple[str, int, int]] = {}  # which Python there knows the breakpoints
        self._starting = asyncio.Lock()
        self._initialize: dict[str, Any] = {}
        self._attach: dict[str, Any] = {}
        self._cells: OrderedDict[str, str] = OrderedDict()  # texts, by path
        self._wanted: OrderedDict[str, dict[str, Any]] = OrderedDict()  # arguments of setBreakpoints, by path
        self._shown: dict[str, list[dict[str, Any]]] = {}  # the same, with the lines to which debugpy has moved them
        self._others: dict[str, dict[str, Any]] = {}  # arguments, by command
        self._stopped: dict[int, None] = {}
        self._parent = ""  # the request that events follow

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which requests are handled."""
        return self._host.loop

    def info(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ``debugInfo``. Any thread may ask."""
        return response(request, info(self._prefix, dict(self._shown), list(self._stopped), started=self.started))

    # --- what the link tells, on its thread

    def event(self, session: RemoteSession, content: dict[str, Any]) -> None:
        """Publish an event of the debugger there, and keep in mind what is stopped."""
        told = event(content)
        if told is None or not self.started or (session is not self._session and session not in self._knowing):
            return
        if told["event"] == "stopped":
            self._session = session
        elif session is not self._session:
            return
        thread = told["body"].get("threadId")
        if told["event"] == "stopped" and type(thread) is int and len(self._stopped) < MAX_THREADS:
            self._stopped[thread] = None
        elif told["event"] == "continued":
            if told["body"].get("allThreadsContinued"):
                self._stopped.clear()
            elif type(thread) is int:
                self._stopped.pop(thread, None)
        self._output.send("debug_event", told, self._parent)

    def python_ended(self, session: HostedSession) -> None:
        """Tell the front end that what was stopped there is gone."""
        if self._stopped and session is self._session:
            body = {"threadId": next(iter(self._stopped)), "allThreadsContinued": True}
            self._stopped.clear()
            told = {"type": "event", "seq": 0, "event": "continued", "body": body}
            self._output.send("debug_event", told, self._parent)

    # --- requests, in the event loop

    @loop_only
    async def request(self, request: dict[str, Any], msg_id: str) -> dict[str, Any]:
        """Do what a front end asks; return the content of the ``debug_reply``."""
        self._parent = msg_id
        command, arguments = request["command"], request.get("arguments")
        arguments = arguments if isinstance(arguments, dict) else {}
        request = {**request, "type": "request", "arguments": arguments}
        if command == "initialize":
            return await self._start(request, msg_id)
        if not self.started:
            return failure(request, "The debugger is not started.")
        if command == "attach":
            self._attach = arguments
        elif command == "dumpCell" and not isinstance(arguments.get("code"), str):
            return failure(request, "dumpCell needs the text of a cell.")
        elif command == "dumpCell":
            self._keep_cell(arguments["code"])
        elif command in KEPT:
            self._others[command] = arguments
            self._changed()
        elif command == "setBreakpoints":
            return await self._set_breakpoints(request, arguments, msg_id)
        async with self._starting:  # what was asked while it started comes behind that
            session = self._there()
        if command == "disconnect":
            self._forget()
        if session is None:
            return self._alone(request, arguments)
        reply = checked(request, await self._ask(session, request, msg_id))
        if command == "attach" and not reply["success"]:
            self.started = False
        return reply

    async def _start(self, request: dict[str, Any], msg_id: str) -> dict[str, Any]:
        """Start the debugger in the Python that runs the cells, or have it started in the first that does."""
        async with self._starting:
            self._initialize = request["arguments"]
            session = self._sessions.current
            if session is not None and session.status is LinkStatus.UP and session.info:
                python, self._session = session.python, session
                reply = checked(request, await self._ask(session, request, msg_id))
                if not reply["success"]:
                    if self.last_cell:  # JupyterLab says it in the browser's console, where nobody looks
                        self._output.say(reply["message"], self.last_cell, "stderr")
                    return reply
                self._knowing[session] = python
            self.started = True
        return response(request, CAPABILITIES)

    def _there(self) -> RemoteSession | None:
        """Return the session whose Python knows the breakpoints, if that one still runs."""
        session = self._session
        return session if session is not None and not session.closed and self._knows(session) else None

    def _knows(self, session: RemoteSession) -> bool:
        return self._knowing.get(session) == session.python

    def _changed(self) -> None:
        """What is to be stopped has changed: of all Pythons only the one that is asked now knows that."""
        session = self._session
        self._knowing = {session: self._knowing[session]} if session in self._knowing else {}

    def _alone(self, request: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer without a Python there."""
        command = request["command"]
        if command == "attach":
            self._output.send(
                "debug_event", {"type": "event", "seq": 0, "event": "initialized", "body": {}}, self._parent
            )
        elif command == "dumpCell":
            return response(request, {"sourcePath": self._prefix + file_name(arguments["code"])})
        elif command == "source":
            path = str((arguments.get("source") or {}).get("path"))
            return (
                response(request, {"content": self._cells[path]})
                if path in self._cells
                else failure(request, NOT_THERE)
            )
        elif command not in EMPTY and command not in ("disconnect", *KEPT):
            return failure(request, NOT_THERE)
        return response(request, EMPTY.get(command))

    def _forget(self) -> None:
        self.started = False
        self._session = None
        self._knowing.clear()
        self._stopped.clear()
        self._wanted.clear()
        self._shown.clear()
        self._others.clear()

    def _keep_cell(self, code: str) -> None:
        path = self._prefix + file_name(code)
        self._cells[path] = code
        self._cells.move_to_end(path)
        if len(self._cells) > MAX_CELLS:
            self._cells.popitem(last=False)

    async def _set_breakpoints(self, request: dict[str, Any], arguments: dict[str, Any], msg_id: str) -> dict[str, Any]:
        source, wanted = arguments.get("source"), arguments.get("breakpoints") or []
        path = source.get("path") if isinstance(source, dict) else None
        if not isinstance(path, str) or not isinstance(wanted, list) or len(wanted) > MAX_BREAKPOINTS:
            return failure(request, "setBreakpoints needs the path of a source, and a list of lines.")
        lines = [each for each in wanted if isinstance(each, dict) and type(each.get("line")) is int]
        if self._is_local(path):
            unset = [{"verified": False, "message": LOCAL, "line": each["line"]} for each in lines]
            return response(request, {"breakpoints": unset})
        self._changed()
        self._wanted.pop(path, None)
        self._shown.pop(path, None)
        if lines:
            self._wanted[path], self._shown[path] = {**arguments, "breakpoints": lines}, lines
            if len(self._wanted) > MAX_SOURCES:
                self._shown.pop(self._wanted.popitem(last=False)[0], None)
        async with self._starting:
            session = self._there()
        if session is None:
            return response(request, {"breakpoints": [{"verified": True, "line": each["line"]} for each in lines]})
        reply = checked(request, await self._ask(session, request, msg_id))
        self._move(path, reply)
        return reply

    def _move(self, path: str, reply: dict[str, Any]) -> None:
        """Note the lines to which breakpoints were moved, for a page that asks later."""
        moved = reply["body"].get("breakpoints") if reply["success"] else None
        shown = self._shown.get(path, [])
        if not isinstance(moved, list) or len(moved) != len(shown):
            return
        lines = [each.get("line") if isinstance(each, dict) else None for each in moved]
        self._shown[path] = [
            {**each, "line": line} if type(line) is int and 0 < line < 1 << 31 else each
            for each, line in zip(shown, lines, strict=True)
        ]

    def _is_local(self, path: str) -> bool:
        """Tell whether a cell runs here as a whole, as far as its text is known."""
        with suppress(RpycKernelError):
            steps = route.route(self._cells.get(path, ""))
            return any(isinstance(step, route.LocalCode) for step in steps) and not any(
                isinstance(step, route.RemoteCode) for step in steps
            )
        return False

    # --- a Python that doesn't know

    @loop_only
    async def be_ready(self, session: RemoteSession) -> str:
        """Before a cell: tell the Python there what is to be stopped. Return a sentence where it can't be, else ""."""
        if self._knows(session):
            self._session = session
            return ""
        async with self._starting:
            if self._knows(session) or not self.started:
                return ""
            python, self._session = session.python, session
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    text = await self._tell_all(session)
            except TimeoutError:
                text = f"debugpy there has not answered within {START_TIMEOUT_S:g} s."
            if text:
                self.started = False
            else:
                self._knowing[session] = python
        return f"The debugger is off. {text}" if text else ""

    async def _tell_all(self, session: RemoteSession) -> str:
        told: list[tuple[str, dict[str, Any]]] = [("disconnect", {})] if session in self._knowing else []
        told += [("initialize", self._initialize), ("attach", self._attach)]
        told += [("dumpCell", {"code": self._cells[path]}) for path in self._wanted if path in self._cells]
        told += [("setBreakpoints", arguments) for arguments in self._wanted.values()]
        told += list(self._others.items())
        for number, (command, arguments) in enumerate(told):
            request = {"type": "request", "seq": number, "command": command, "arguments": arguments}
            reply = checked(request, await self._ask(session, request, f"debug-{uuid.uuid4().hex}"))
            if not reply["success"] and command in ("initialize", "attach"):
                return str(reply["message"])
            if command == "setBreakpoints":
                self._move(arguments["source"]["path"], reply)
        return ""

    async def _ask(self, session: RemoteSession, request: dict[str, Any], msg_id: str) -> dict[str, Any]:
        content = {"request": request, "prefix": self._prefix}
        try:
            return await session.request(Message("debug_request", content, msg_id))
        except RpycKernelError as error:
            return {"evalue": str(error)}
