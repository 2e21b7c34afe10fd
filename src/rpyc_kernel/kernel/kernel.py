"""The kernel: decides where each part of a cell runs, and answers Jupyter's requests for the session there."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Enum, Float, Unicode

from rpyc_kernel._version import __version__
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import (
    CopyStoppedError,
    DialCancelledError,
    RemoteClosedError,
    RpycKernelError,
    WaitingStoppedError,
    WithdrawnError,
)
from rpyc_kernel.kernel import known_machine
from rpyc_kernel.kernel.beside import BesideHints
from rpyc_kernel.kernel.cells import NOTHING, Cell, RunningCells
from rpyc_kernel.kernel.comm_router import CommRouter
from rpyc_kernel.kernel.commands import registry, route, values
from rpyc_kernel.kernel.commands.context import CommandContext
from rpyc_kernel.kernel.commands.sync import refresh
from rpyc_kernel.kernel.debugging import NotebookDebugger
from rpyc_kernel.kernel.jupyter import logs, stdin
from rpyc_kernel.kernel.jupyter.documents import belongs_to_notebook, is_run_by_server
from rpyc_kernel.kernel.lookups import LookupKernel
from rpyc_kernel.kernel.page.actions import BesideCells, PageActions
from rpyc_kernel.kernel.page.feed import StatusFeed
from rpyc_kernel.kernel.page.figures import machine_figures
from rpyc_kernel.kernel.page.pictures import PagePictures
from rpyc_kernel.kernel.page.status import ConnectionStatus
from rpyc_kernel.kernel.parallel import ParallelRuns
from rpyc_kernel.kernel.sessions import deferred_end, identity
from rpyc_kernel.kernel.sessions.config import DEFAULT_KEEP_S, session_config
from rpyc_kernel.kernel.sessions.interrupt_policy import InterruptPolicy
from rpyc_kernel.kernel.sessions.labels import NamedOutput
from rpyc_kernel.kernel.sessions.registry import SessionRegistry
from rpyc_kernel.kernel.sessions.remote_variable import RemoteVariable
from rpyc_kernel.kernel.sessions.resolve import Resolver
from rpyc_kernel.kernel.sessions.state_file import StateFile
from rpyc_kernel.link.link import HEARTBEAT_S
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.discovery import registry as registries

if TYPE_CHECKING:
    from rpyc_kernel.kernel.sessions.requests import Show
    from rpyc_kernel.kernel.sessions.session import RemoteSession

log = logging.getLogger(__name__)

USAGE_TIMEOUT_S = 5.0  # front ends give up after 10
END_TIMEOUT_S = 2.0  # for sessions that were given up just before the end; Jupyter kills a kernel after five


class RpycKernel(LookupKernel):
    """An IPython kernel whose cells run on another machine, unless they are marked as local.

    Attributes:
        state: What the next kernel has to know.
        output: Shows something in a cell.
        cells: The cells that run.
        sessions: The notebook's sessions.
        debugger_state: What is to be stopped in the cells.
        interrupts: What a press of the stop button means.
        router: Carries comm messages.
        resolver: Finds the session in which a cell runs.
        remote_variable: The name ``remote`` in local cells.
        connection: How the notebook is connected, as pages show it.
        parallel: The cells that run on several machines.
    """

    implementation = "rpyc-kernel"
    implementation_version = __version__

    address = Unicode("", help="The machine to connect to with the first cell: host, host:port …").tag(config=True)
    keep = Float(DEFAULT_KEEP_S, help="Seconds that an idle session stays without a kernel.").tag(config=True)
    heartbeat = Float(HEARTBEAT_S, help="Seconds without an answer after which a link counts as lost.").tag(config=True)
    paced = Bool(True, help="Publish what had been waiting no faster than a Jupyter server passes on.").tag(config=True)
    cwd = Unicode("", help="The folder on that machine in which cells start.").tag(config=True)
    environment = Dict(help="Environment variables for the Python on that machine.").tag(config=True)
    python = Unicode("", help="The Python on that machine; without it, the one that runs the server.").tag(config=True)
    registry = Unicode("", help="The RPyC registry to ask for services; without it, the usual places.").tag(config=True)
    log_level = Enum(logs.LEVELS, "WARNING", help="How much our own log tells.").tag(config=True)
    log_file = Unicode("", help="Where our own log goes instead of the terminal of the server.").tag(config=True)
    remote_shell = Unicode("auto", help="auto, plain or ipython.").tag(config=True)
    remote_profile = Unicode("", help="IPython's profile there; by default that of this kernel.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        logs.set_up(self.log_level, self.log_file, self.log.handlers)
        self._lines = 0  # of the history; a session that is taken over may count its cells from anywhere
        self.state = StateFile(getattr(self.parent, "abs_connection_file", None))
        self.output = self.make_publisher(paced=self.paced)
        ask = partial(stdin.ask, self.session, self.stdin_socket)
        self.cells = RunningCells(self.output, ask, self.arrived_until_now)
        registries.named = self.registry or None  # for scripts' `discover` and `service` in local cells too
        options = {"heartbeat": self.heartbeat, "holder": identity.holder()}
        self.connection = ConnectionStatus()
        self.sessions = SessionRegistry(self.cells, self._on_missed, known_machine.begun, self.connection, **options)
        self.router = CommRouter(self.cells, self.sessions, self._request, lambda: self.comm_manager.targets)
        self.debugger_state = self.cells.debugger = NotebookDebugger(self.sessions, self.cells, self.output)
        self.interrupts = InterruptPolicy(self.cells)
        self._beside = BesideHints()
        self._of_notebook = belongs_to_notebook()
        self.parallel = ParallelRuns()
        self.resolver = Resolver(self.sessions, self.state, self, self, self.output, self.interrupts)
        self.remote_variable = RemoteVariable(self.shell, self.resolver, self, self.cells)
        beside = BesideCells(self.stoppable)
        machines = Resolver(self.sessions, self.state, self, beside, self.output, self.interrupts)
        actions = PageActions(machines, beside)
        figures = partial(machine_figures, machines, self.do_usage)
        pictures = PagePictures(self.cells, self.pages, self.output.show, self._rest_pictures, self._is_of_page)
        self.output.around = pictures
        feed = StatusFeed(self.cells, self.pages, self.connection.content, figures, actions.do, pictures)
        self.connection.begin(self.sessions.hosts, lambda: machines.awaited, self._is_fresh, feed.changed)
        self.cells.watch(self.connection)
        self.cells.watch(self.interrupts)
        self.pages.serve(feed)

    def _is_fresh(self) -> bool:
        return self.count == 1 and not self.address and not self.state.known.address and not self.state.known.named

    def _is_of_page(self, msg_id: str) -> bool:
        return self.output.client_of(msg_id) in self.pages.clients

    def _rest_pictures(self, display: str, rests: bool) -> None:
        """On any thread."""
        if self.cells.loop is not None:
            self.cells.loop.call_soon_threadsafe(partial(self.sessions.rest_pictures, display, rests=rests))

    def start(self) -> None:
        """Start to take requests."""
        self.cells.loop = asyncio.get_event_loop()
        for address, session in self.state.known.missed:
            deferred_end.end_when_reachable(address, session, self.state.ended)
        super().start()

    # --- what front ends ask about the kernel

    @property
    def banner(self) -> str:
        """The text that a console shows first."""
        return f'rpyc-kernel {__version__}: cells run on another machine\'s Python. $connect("host:port") names it.\n'

    def python_version(self) -> str:
        """Return the version of the other machine's Python, "" as long as it isn't known."""
        session = self.sessions.current
        return str(session.info.get("python") or "")[:40] if session else ""

    async def do_usage(self) -> tuple[dict[str, Any], str]:
        """Return what the session and its machine use, and the reason where that isn't known."""
        session = self.sessions.current
        if session is None:
            return {}, "not connected to a machine yet"
        try:
            answer, _packets = await asyncio.to_thread(session.ask, "usage", {}, USAGE_TIMEOUT_S)
        except RpycKernelError as error:
            return {"hostname": session.info.get("host"), "pid": session.info.get("pid")}, str(error)
        return answer, ""

    async def do_debug(self, request: dict[str, Any], parent: dict[str, Any]) -> dict[str, Any]:
        """Do a request of the debugger's; return the response. On the control channel's thread."""
        msg_id = self.output.remember(parent)
        if request["command"] == "debugInfo" or self.cells.loop is None:
            return self.debugger_state.info(request)

        async def work() -> dict[str, Any]:
            return await self.debugger_state.request(request, msg_id)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self.cells.loop))

    def pressed(self) -> None:
        """Tell the session of a press for which none of its requests is interrupted: it may have a safe stop."""
        session = self.sessions.current
        if session is not None and session.status is LinkStatus.UP and not session.requests.queue():
            session.interrupt("")

    def do_comm_info(self) -> dict[str, str]:
        """Return the target's name by the id of each comm that is open there."""
        return self.cells.comms.targets()

    # --- cells

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: Any = None,
    ) -> dict[str, Any]:
        """Run a cell step by step, each where it belongs; the first step that fails ends it."""
        parent, ident = self.requester()
        msg_id = self.output.remember(parent)
        self.cells.begin(msg_id, parent, ident)
        if not silent:
            self.debugger_state.last_cell = msg_id
        if self._of_notebook and is_run_by_server(parent.get("header", {})):
            self.output.begin_in_document(msg_id)
        cell = Cell(msg_id, self.count, self.count, silent, store_history and not silent, allow_stdin, text=code)
        if cell.store_history:
            self.count += 1
            self._lines += 1
            self.shell.history_manager.store_inputs(self._lines, code)
        reply: dict[str, Any] = dict(NOTHING)
        try:
            commands = "%" in code or "$" in code  # there may be some
            steps = route.route(code) if commands else [route.RemoteCode(code, 1)]
            for index, step in enumerate(steps):
                if self.targets.interrupted:
                    raise KeyboardInterrupt
                cell.user_expressions = (user_expressions or {}) if index == len(steps) - 1 else {}
                reply = await self._run_step(step, cell)
                if reply["status"] != "ok":
                    break
        except KeyboardInterrupt:  # also a signal for local code that had not begun, or had just ended
            reply = self.output.error("KeyboardInterrupt", "stopped before this part of the cell", msg_id)
        except (CopyStoppedError, DialCancelledError, WaitingStoppedError, WithdrawnError) as error:
            reply = self.output.error("KeyboardInterrupt", str(error), msg_id)
        except RpycKernelError as error:
            reply = self.output.error(type(error).__name__, str(error), msg_id)
        except Exception as error:
            log.exception("a cell could not be run")
            text = f"rpyc-kernel itself failed, which is a bug ({type(error).__name__}: {error}); its log says where."
            reply = self.output.error("InternalError", text, msg_id)
        finally:
            self.cells.end(msg_id)
        reply["execution_count"] = cell.shown
        return reply

    def runs_beside(self, code: str) -> bool:
        """Tell whether a cell is ``%restart`` alone, which is there for a cell that doesn't end."""
        try:
            steps = route.route(code)
        except RpycKernelError:
            return False
        steps = steps[1:] if isinstance(steps[0], route.Machine) else steps
        return len(steps) == 1 and isinstance(steps[0], route.Command) and steps[0].name == "restart"

    async def _run_step(self, step: route.Step, cell: Cell) -> dict[str, Any]:
        if isinstance(step, route.Machine):
            cell.machine = step.name
            return dict(NOTHING)
        if isinstance(step, route.Command):
            return await registry.run(step, self._context(cell))
        if isinstance(step, route.LocalCode):
            return await self._run_locally(step, cell)
        everywhere = self.parallel.everywhere
        if everywhere is not None and not cell.silent and not cell.machine:
            return await registry.run(
                route.Command("px", {**everywhere, "code": step.code}, step.line, step.code), self._context(cell)
            )
        session = None if cell.machine else self.sessions.current
        if session is None and cell.silent and not cell.machine:
            return dict(NOTHING)  # start-up cells of a front end open no connection
        if session is None or session.status is not LinkStatus.UP:
            session = await self.resolver.resolve(cell)
        if cell.store_history:
            cell.shown, self.count = cell.count, max(self.count, cell.count + 1)
        if session is not self.sessions.current and not cell.silent:
            self.output.say(f"On {session.label}:", cell.msg_id)
        return await self.run_in(session, step.code, cell)

    def _context(self, cell: Cell) -> CommandContext:
        parts = self.run_there, self._request_there, self.cells.ask_user, self, self.parallel
        return CommandContext(cell, self.output, self.resolver, self.shell.user_ns, self, *parts)

    async def _request_there(self, msg_type: str, content: dict[str, Any], cell: Cell) -> dict[str, Any]:
        """Send a request for a command to where the cells run; return the content of its reply."""
        return await self._request(await self.resolver.resolve(cell), Message(msg_type, content, cell.msg_id))

    async def run_there(self, code: str, cell: Cell) -> dict[str, Any]:
        """Run code where the cells run, for a command; return the content of its reply. Raises a RpycKernelError.

        It is as if the user had written it, but it doesn't enter that Python's history.
        """
        session = await self.resolver.resolve(cell)
        return await self.run_in(session, code, replace(cell, store_history=False, user_expressions={}))

    async def run_in(
        self, session: RemoteSession, code: str, cell: Cell, show: Show | None = None, *, beside: bool = False
    ) -> dict[str, Any]:
        """Run code in that session; return the content of its reply. Raises a RpycKernelError.

        Args:
            session: The session.
            code: The code.
            cell: The cell to which it belongs.
            show: How its output is shown.
            beside: The cell doesn't wait for it, and a stop of a cell doesn't reach it.
        """
        if session.watched and not cell.silent:
            await refresh(session, self, self.output, cell.msg_id)
        deaths = session.deaths  # before it is looked at whether this cell must be told of one
        if not cell.silent:
            if text := session.refusal(*self.arrival):
                return self.output.error("WorkerDied", text, cell.msg_id)
            if text := session.take_news():
                self.output.say(text, cell.msg_id, "stderr")
        content = {
            "code": code,
            "silent": cell.silent,
            "store_history": cell.store_history,
            "user_expressions": cell.user_expressions,
            "allow_stdin": cell.allow_stdin,
            "execution_count": cell.count,
            "deaths": deaths,
            "origin": self.origin(),
        }
        if self.debugger_state.started and not cell.silent:
            if text := await self.debugger_state.be_ready(session):
                self.output.say(text, cell.msg_id, "stderr")
            if cell.text != code and cell.store_history:
                content["cell"] = cell.text  # by which the front end knows it
        metadata = self.get_parent("shell").get("metadata")
        request = Message("execute_request", content, cell.msg_id, metadata)
        reply = await self._request(session, request, show, beside=beside)
        if reply.get("status") == "error" and not cell.silent and (text := self._beside.hint(reply, session.name)):
            self.output.say(text, cell.msg_id, "stderr")
        return reply

    async def _run_locally(self, step: route.LocalCode, cell: Cell) -> dict[str, Any]:
        """Run code here, with copies of what it asks for from there, and give there copies of what it names."""
        inputs, outputs = step.options.get("input", []), step.options.get("output", [])
        if not (inputs or outputs):
            return await self.run_local_code(step.code, cell)
        context, run = self._context(cell), partial(self.run_local_code, step.code, cell)
        copies = await values.loaded(context)
        return dict(await copies.around(run, context, inputs, outputs, step.options.get("max")))

    def refuse_questions(self, msg_id: str, reason: str) -> None:
        """Answer each ``input()`` of a cell with an error that gives that *reason*; with "" no longer."""
        self.cells.refuse_questions(msg_id, reason)

    async def run_local_code(self, code: str, cell: Cell) -> dict[str, Any]:
        """Run code in the local IPython; return the content of its reply."""
        if not cell.silent:
            await self.remote_variable.give(code, cell)
        try:
            reply = await self.execute_locally(
                code,
                cell.count,
                silent=cell.silent,
                user_expressions=cell.user_expressions,
                allow_stdin=cell.allow_stdin,
            )
        finally:
            self.remote_variable.take_back()
        if reply.get("ename") == RemoteClosedError.__name__ and self.sessions.current is not None:
            self.sessions.current.told_by_connection()
        return reply

    def session_config(self) -> dict[str, Any]:
        """Return how a session of this notebook begins, by the options of the kernel."""
        return session_config(
            keep=self.keep,
            kept="keep" in self.config.get("RpycKernel", {}),
            shell=self.remote_shell,
            profile=self.remote_profile or getattr(self.parent, "profile", "default"),
            environment=self.environment,
            cwd=self.cwd,
            python=self.python,
        )

    async def _request(
        self, session: RemoteSession, message: Message, show: Show | None = None, *, beside: bool = False
    ) -> dict[str, Any]:
        """Send a request that the stop button reaches, once it is the one that runs there."""
        press = partial(self.interrupts.press, session, message.parent)
        if show is None and self.sessions.several:
            show = NamedOutput(session.label)
        with self.targets.stoppable(press, beside=beside or message.type.startswith("comm_")):
            return await session.request(message, show)

    # --- comms

    async def do_comm(self, message: dict[str, Any]) -> bool:
        """Carry a comm message of the front end to the session whose comm it is."""
        return await self.router.carry(message)

    # --- the end

    def _on_missed(self, address: str, session: str) -> None:
        """Have a session ended later that should have ended and could not be reached. On any thread."""
        self.state.missed(address, session)
        deferred_end.end_when_reachable(address, session, self.state.ended)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the sessions on the other machines (not one that the user keeps, unless for a restart), then this one."""
        unreached = await asyncio.to_thread(self.sessions.close, keep=not restart)
        if restart:
            self.state.restarted(unreached)
        else:
            await asyncio.to_thread(deferred_end.wait, END_TIMEOUT_S)
            self.state.forget()
        return dict(super().do_shutdown(restart))
