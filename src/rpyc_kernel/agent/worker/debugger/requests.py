"""The debugger of a session: answers ``debug_request``s, and tells what happens by ``debug_event``s.

The requests are those of the Debug Adapter Protocol, and Jupyter's own
(https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request). A thread of its own takes them one after
the other and passes most on to debugpy, whose responses and events another thread reads. So they are answered while a
cell runs, and while one is stopped at a breakpoint. What runs the user's code while nothing is stopped (``repr`` of
variables) is looked up by the threads of `..introspect`, which leave behind what takes too long.
"""

from __future__ import annotations

import queue
import time

from ... import frames, wire
from ..own_thread import OwnThread
from ..request_context import NOBODY, current
from . import answers, dap
from .cell_files import CellFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, Optional, Set, Tuple

    from ...wire import Message
    from ..frontend import Frontend
    from ..shells.protocol import Shell
    from .attachment import Attachment

    Json = Dict[str, Any]
    Then = Callable[[Json], None]

#: commands that debugpy does; of any other it says nothing
PASSED_ON = frozenset(
    [
        *("initialize", "attach", "configurationDone", "disconnect"),
        *("setBreakpoints", "setExceptionBreakpoints", "setFunctionBreakpoints"),
        *("continue", "next", "stepIn", "stepOut", "stepInTargets", "pause", "goto", "gotoTargets"),
        *("threads", "stackTrace", "scopes", "variables", "evaluate", "setVariable", "setExpression"),
        *("completions", "exceptionInfo", "source"),
    ]
)
#: commands that concern a frame of a thread that is stopped
IN_FRAMES = frozenset(["evaluate", "setVariable", "setExpression", "completions", "exceptionInfo", "scopes"])
#: what is looked up beside the cells while nothing is stopped
LOOKED_UP = frozenset(("inspectVariables", "richInspectVariables", "variables"))
#: what a cell behind it waits for
SETTLING = frozenset(
    ["initialize", "attach", "disconnect", "setBreakpoints", "setExceptionBreakpoints", "setFunctionBreakpoints"]
)
SETTLE_S = 10.0  #: seconds that a cell waits
SETTLE_POLL_INTERVAL_S = 0.005
#: events that a front end is told
TOLD = frozenset(["initialized", "stopped", "continued", "thread", "breakpoint", "module", "output", "process"])
MISSING = (
    "debugpy is not installed on the machine where the cells run, so they can't be debugged. "
    "Run %pip install debugpy in a cell, then start the debugger again."
)


class Debugger:
    """Debugs the cells of one session.

    Args:
        frontend: Takes the replies and events.
        shell: Runs the cells.
        look_up: Answers a request beside the cells: it gets the request's number and message.
        scratch: The session's own folder, if it has one.
    """

    def __init__(
        self, frontend: Frontend, shell: Shell, look_up: Callable[[int, Message], None], scratch: Optional[str]
    ) -> None:
        self._frontend = frontend
        self._shell = shell
        self._look_up = look_up
        self.files = CellFiles(scratch)
        self._queue: queue.SimpleQueue[Tuple[int, Message]] = queue.SimpleQueue()
        self._attachment: Optional[Attachment] = None
        self._attached = False
        self._sent = 0
        self._unsettled: Set[int] = set()  # the numbers of requests for which a cell waits
        self._waiting: Dict[int, Tuple[Json, Then]] = {}
        self._stopped: Dict[int, None] = {}  # the threads that are
        self._last = 0  # the number of the last request, which events follow
        self._parent = ""
        self._variables: Any = None
        self._formatted: Dict[int, Tuple[Json, Json]] = {}
        self._cell_text: Optional[str] = None
        OwnThread(self._work, "rpyc-kernel-debugger").start()

    # --- on other threads

    def take(self, number: int, message: Message) -> None:
        """Answer a request soon (on the sorter's thread)."""
        if (message.content.get("request") or {}).get("command") in SETTLING:
            self._unsettled.add(number)
        self._queue.put((number, message))

    def begin_cell(self, content: Json) -> None:
        """A cell is about to run (on the main thread): what was asked before is done first, breakpoints above all."""
        deadline = time.monotonic() + SETTLE_S
        while self._unsettled and not self._stopped and time.monotonic() < deadline:
            time.sleep(SETTLE_POLL_INTERVAL_S)
        self._cell_text = content.get("cell")
        if self._attachment is not None:
            self._attachment.begin_cell()

    def let_go(self, frame: Optional[FrameType]) -> None:
        """The cell is interrupted, in its frame (on the main thread): it stays at a breakpoint no longer."""
        if self._attachment is not None and self._stopped:
            self._attachment.let_go(frame)

    def leave(self) -> None:
        """Another kernel has the session: what is stopped goes on, without breakpoints."""
        if self._attached:
            message = wire.Message("debug_request", {"request": {"command": "disconnect"}}, "")
            self._queue.put((0, message))

    def look(self, message: Message) -> Json:
        """Do what `LOOKED_UP` asks while nothing is stopped (on a thread of the introspection)."""
        request = message.content["request"]
        command, arguments = request["command"], request.get("arguments") or {}
        if command == "richInspectVariables":
            name = arguments.get("variableName")
            data, metadata = self._shell.format(self._shell.facade.user_ns[str(name)])
            return dap.response(request, {"data": data, "metadata": metadata})
        from . import variables

        reference = int(arguments.get("variablesReference", 0)) if command == "variables" else 0
        if not reference or self._variables is None:
            self._variables = variables.SessionVariables(self._shell.facade.user_ns)
        return dap.response(request, {"variables": variables.shown(self._variables.children(reference))})

    # --- requests, on the debugger's thread

    def _work(self) -> None:
        current.set(NOBODY)
        while True:
            number, message = self._queue.get()
            request = message.content.get("request")
            if not isinstance(request, dict):
                request = {}
            self._frontend.parents[number] = message.parent
            try:
                self._do(number, message, request)
            except ImportError:
                self._reply(number, dap.failure(request, MISSING))
            except Exception as error:
                self._reply(number, dap.failure(request, "%s: %s" % (type(error).__name__, error)))

    def _do(self, number: int, message: Message, request: Json) -> None:
        command, arguments = request.get("command"), request.get("arguments")
        if not isinstance(arguments, dict):
            arguments = request["arguments"] = {}
        if number:
            self._last, self._parent = number, message.parent
        self.files.prefix = message.content.get("prefix") or self.files.prefix
        own: Optional[Callable[[Json, Json], Json]] = getattr(self, "_do_" + str(command), None)
        if command == "initialize":
            self._start()
        elif self._attachment is None and command != "dumpCell":
            self._reply(number, dap.failure(request, "The debugger is not started."))
            return
        if command in LOOKED_UP and not self._stopped:
            if command == "richInspectVariables" and not str(arguments.get("variableName")).isidentifier():
                self._reply(number, dap.response(request, {"data": {}, "metadata": {}}))
            else:
                self._look_up(number, message)
        elif command == "richInspectVariables":
            self._format(number, request, arguments)
        elif command == "source" and not (arguments.get("source") or {}).get("sourceReference"):
            text = self.files.read(str((arguments.get("source") or {}).get("path")))
            self._reply(number, dap.response(request, {"content": text}))
        elif command == "modules":
            self._reply(number, dap.response(request, answers.modules(arguments)))
        elif own is not None:
            self._reply(number, own(request, arguments))
        elif command == "copyToGlobals":
            self._copy_to_globals(number, request, arguments)
        elif command not in PASSED_ON:
            self._reply(number, dap.failure(request, "This debugger knows no %r." % command))
        elif command in IN_FRAMES and not self._stopped:
            self._reply(number, dap.failure(request, "No cell is stopped."))
        else:
            self._pass_on(number, request, arguments)

    def _start(self) -> None:
        if self._attachment is not None:
            self._attachment.follow(True)
            return
        from .attachment import Attachment  # late: it imports debugpy

        attachment = self._attachment = Attachment()
        self._shell.name_cells(self._name)
        OwnThread(self._listen, "rpyc-kernel-debugpy", (attachment,)).start()

    def _name(self, code_name: str, file_name: str) -> None:
        """A cell was compiled under that name. Where it is a part of a cell, the front end knows the whole."""
        if self._cell_text is not None:
            from ...murmur2 import file_name as name_of

            file_name, self._cell_text = name_of(self._cell_text), None
        if self._attachment is not None:
            self._attachment.name(code_name, self.files.path(file_name))

    def _pass_on(self, number: int, request: Json, arguments: Json) -> None:
        command = request["command"]
        if command == "initialize":
            arguments = dict({"adapterID": "rpyc-kernel"}, **arguments)
        elif command == "attach":
            arguments = answers.attach_arguments(arguments)
        elif command == "disconnect":
            arguments = {"restart": False, "terminateDebuggee": False}

        def done(reply: Json) -> None:
            body = reply.get("body")
            if command == "variables" and isinstance(body, dict):
                from . import variables

                body["variables"] = variables.shown(body.get("variables", []))
            elif command == "stackTrace" and isinstance(body, dict):
                answers.leave_out_program(body)
            elif command == "attach":
                self._attached = True
                self._send({"command": "configurationDone"}, lambda _reply: self._reply(number, reply))
                return
            elif command == "disconnect":
                self._detached()
            self._reply(number, reply)

        self._send(self.files.to_here(dict(request, arguments=arguments)), done)

    def _detached(self) -> None:
        self._attached = False
        self._stopped.clear()
        self._variables = None
        if self._attachment is not None:
            self._attachment.follow(False)

    def _do_dumpCell(self, request: Json, arguments: Json) -> Json:  # noqa: N802 - as the command is named
        return dap.response(request, {"sourcePath": self.files.write(str(arguments["code"]))})

    def _do_configurationDone(self, request: Json, _arguments: Json) -> Json:  # noqa: N802
        return dap.response(request)

    def _copy_to_globals(self, number: int, request: Json, arguments: Json) -> None:
        source, target = arguments.get("srcVariableName"), arguments.get("dstVariableName")
        if not (str(source).isidentifier() and str(target).isidentifier()):
            self._reply(number, dap.failure(request, "A variable's name is needed, of which a copy is to be made."))
            return
        if not self._stopped:
            self._reply(number, dap.failure(request, "No cell is stopped."))
            return
        wanted = {"expression": "globals()[%r]" % target, "value": source, "frameId": arguments.get("srcFrameId")}
        told = dict(request, command="setExpression", arguments=wanted)
        self._send(told, lambda reply: self._reply(number, dict(reply, command="copyToGlobals")))

    def _format(self, number: int, request: Json, arguments: Json) -> None:
        """Have the stopped frame give a variable to this shell's formatter, which runs on the frame's thread."""
        name = str(arguments.get("variableName"))
        if not name.isidentifier():
            self._reply(number, dap.response(request, {"data": {}, "metadata": {}}))
            return
        expression = "__import__('sys').modules[%r].FORMATTERS[%d](%s)" % (__name__, number, name)

        def format_value(value: Any) -> None:
            self._formatted[number] = self._shell.format(value)

        def done(reply: Json) -> None:
            FORMATTERS.pop(number, None)
            data, metadata = self._formatted.pop(number, ({}, {}))
            if reply.get("success") and data:
                self._reply(number, dap.response(request, {"data": data, "metadata": metadata}))
            else:
                self._reply(number, dap.failure(request, str(reply.get("message") or "It can't be shown.")))

        FORMATTERS[number] = format_value
        wanted = {"expression": expression, "frameId": arguments.get("frameId"), "context": "clipboard"}
        self._send(dict(request, command="evaluate", arguments=wanted), done)

    # --- debugpy

    def _send(self, request: Json, then: Then) -> None:
        assert self._attachment is not None
        self._sent += 1
        number = self._sent
        self._waiting[number] = request, then
        self._attachment.send(dict(request, type="request", seq=number))

    def _listen(self, attachment: Attachment) -> None:
        current.set(NOBODY)
        for message in attachment.messages():
            try:
                if message.get("type") == "event":
                    self._tell(message)
                elif message.get("type") == "response":
                    request, then = self._waiting.pop(message.get("request_seq", 0))
                    then(dict(message, request_seq=request.get("seq", 0)))
            except Exception:  # whatever is wrong with one message
                continue

    def _tell(self, message: Json) -> None:
        event, body = message.get("event"), message.get("body") or {}
        if event == "stopped":
            self._stopped[body.get("threadId", 0)] = None
        elif event == "continued":
            self._variables = None
            if body.get("allThreadsContinued"):
                self._stopped.clear()
            else:
                self._stopped.pop(body.get("threadId", 0), None)
        elif event == "output" and body.get("category") in ("telemetry", "console"):
            return
        if (event in TOLD and self._attached) or event == "initialized":
            content = {"type": "event", "seq": 0, "event": event, "body": self.files.to_there(body)}
            told = wire.Message("debug_event", content, self._parent)
            self._frontend.writer.send_message(frames.URGENT, self._last, told)

    def _reply(self, number: int, reply: Json) -> None:
        if not number:
            return
        self._unsettled.discard(number)
        reply = dict(reply, body=self.files.to_there(reply.get("body") or {}))
        try:
            self._frontend.reply(number, "debug_reply", reply)
        finally:
            self._frontend.parents.pop(number, None)


#: what takes a value of a stopped frame, by the number of the request
FORMATTERS: Dict[int, Callable[[Any], None]] = {}
