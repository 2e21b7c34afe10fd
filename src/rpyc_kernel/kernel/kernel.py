"""The kernel: decides where each part of a cell runs, and carries requests to the machine and its answers back."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from traitlets import Dict, Enum, Float, Unicode

from rpyc_kernel import __version__
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import CommandError, DialCancelledError, RpycKernelError
from rpyc_kernel.kernel import logs, routing
from rpyc_kernel.kernel.commands import command_help
from rpyc_kernel.kernel.exchange import Exchange
from rpyc_kernel.kernel.machines import Machine, Machines
from rpyc_kernel.kernel.memory import Memory
from rpyc_kernel.kernel.publisher import Publisher
from rpyc_kernel.kernel.stop_button import StoppableKernel
from rpyc_kernel.link.pump import LinkStatus
from rpyc_kernel.transport.address import Address

log = logging.getLogger(__name__)

DEFAULT_KEEP = 24 * 3600.0  # seconds
LOOKUP_TIMEOUT = 10.0  # seconds for completion and inspection
EXECUTE_SLEEP = 0.0005  # seconds, ipykernel's default
NOTHING = {"status": "ok", "payload": [], "user_expressions": {}}


class RpycKernel(StoppableKernel):
    """An IPython kernel whose cells run on another machine, unless they are marked as local."""

    implementation = "rpyc-kernel"
    implementation_version = __version__

    address = Unicode("", help="The machine to connect to with the first cell: host, host:port …").tag(config=True)
    keep = Float(DEFAULT_KEEP, help="Seconds that an idle session stays without a kernel.").tag(config=True)
    cwd = Unicode("", help="The folder on that machine in which cells start.").tag(config=True)
    environment = Dict(help="Environment variables for the Python on that machine.").tag(config=True)
    python = Unicode("", help="The Python on that machine; without it, the one that runs the server.").tag(config=True)
    log_level = Enum(logs.LEVELS, "WARNING", help="How much our own log tells.").tag(config=True)
    log_file = Unicode("", help="Where our own log goes instead of the terminal of the server.").tag(config=True)
    remote_shell = Unicode("auto", help="auto, plain or ipython.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        logs.set_up(self.log_level, self.log_file, self.log.handlers)
        self._count = 1
        self._memory = Memory(getattr(self.parent, "abs_connection_file", None))
        self._publisher = Publisher(self.session, self.iopub_socket, self._topic)
        self._exchange = Exchange(self._publisher, self.session, self.stdin_socket)
        self._machines = Machines(self._exchange.on_message, self._on_status)
        for msg_type in ("comm_open", "comm_msg", "comm_close"):
            self.shell_handlers[msg_type] = self._comm_request

    def start(self) -> None:
        """Start to take requests."""
        self._exchange.loop = asyncio.get_event_loop()
        super().start()

    # --- what front ends ask about the kernel

    @property
    def banner(self) -> str:
        """What a console shows first."""
        return f'rpyc-kernel {__version__}: cells run on another machine\'s Python. $connect("host:port") names it.\n'

    @property
    def execution_count(self) -> int:
        """The number of the next cell, one count for whatever machine it runs on."""
        return getattr(self, "_count", 1)

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        """Ignore ipykernel's counting; `do_execute` counts."""

    @property
    def kernel_info(self) -> dict[str, Any]:
        """The content of a ``kernel_info_reply``: the other machine's Python once it is known."""
        info: dict[str, Any] = dict(super().kernel_info, supported_features=[])
        machine = self._machines.current
        if machine and machine.info.get("python"):
            version = str(machine.info["python"])[:40]
            info["language_info"] = dict(info["language_info"], version=version)
        return info

    async def comm_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """The comms of both sides."""
        target = parent["content"].get("target_name") or None
        known = {comm_id: comm.target_name for comm_id, comm in self.comm_manager.comms.items()}
        known.update(self._publisher.comms)
        comms = {comm_id: {"target_name": name} for comm_id, name in known.items() if target in (None, name)}
        self.session.send(stream, "comm_info_reply", {"status": "ok", "comms": comms}, parent, ident)

    async def create_subshell_request(self, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Refuse: the other machine runs cells one after the other."""
        content = {"status": "error", "ename": "NotSupported", "evalue": "no subshells here", "traceback": []}
        self.session.send(socket, "create_subshell_reply", content, parent, ident)

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
        parent = self.get_parent("shell")
        msg_id = self._exchange.begin(parent, self._get_shell_context_var(self._shell_parent_ident))
        store_history = store_history and not silent
        if store_history:
            self.shell.history_manager.store_inputs(self._count, code)
        self._execute_sleep = 0.0  # ipykernel's pause before a reply: what comes from elsewhere is in order without it
        reply: dict[str, Any] = dict(NOTHING)
        try:
            steps = routing.route(code)
            for index, step in enumerate(steps):
                if self._pressed:
                    reply = self._publisher.error("KeyboardInterrupt", "stopped before this part of the cell", msg_id)
                    break
                expressions = user_expressions if index == len(steps) - 1 else None
                reply = await self._run_step(step, msg_id, silent, store_history, expressions or {}, allow_stdin)
                if reply["status"] != "ok":
                    break
        except DialCancelledError:
            reply = self._publisher.error("KeyboardInterrupt", "connecting was stopped", msg_id)
        except RpycKernelError as error:
            reply = self._publisher.error(type(error).__name__, str(error), msg_id)
        finally:
            self._exchange.end(msg_id)
        reply["execution_count"] = self._count
        if store_history:
            self._count += 1
        return reply

    async def _run_step(
        self,
        step: routing.Step,
        msg_id: str,
        silent: bool,
        store_history: bool,
        user_expressions: dict[str, str],
        allow_stdin: bool,
    ) -> dict[str, Any]:
        if isinstance(step, routing.Command):
            self._say(await self._run_command(step), msg_id)
            return dict(NOTHING)
        if isinstance(step, routing.Local):
            return await self._run_locally(step.code, silent, user_expressions, allow_stdin)
        machine = self._machines.current
        if silent and machine is None:
            return dict(NOTHING)  # start-up cells of a front end open no connection
        machine = await self._reach(machine)
        while machine.news:
            self._say(machine.news.pop(0), msg_id, "stderr")
        content = {
            "code": step.code,
            "silent": silent,
            "store_history": store_history,
            "user_expressions": user_expressions,
            "allow_stdin": allow_stdin,
            "execution_count": self._count,
        }
        return await self._ask_machine(machine, Message("execute_request", content, msg_id))

    async def _run_locally(
        self, code: str, silent: bool, user_expressions: dict[str, str], allow_stdin: bool
    ) -> dict[str, Any]:
        shell = self.shell  # its displayhook counts from execution_count or from one less, by IPython's version
        shell.execution_count = self._count + shell.execution_count - shell.displayhook.prompt_count
        self._execute_sleep = EXECUTE_SLEEP
        with self._local_cell():
            reply: dict[str, Any] = await super().do_execute(
                code, silent, store_history=False, user_expressions=user_expressions, allow_stdin=allow_stdin
            )
        return reply

    async def _run_command(self, step: routing.Command) -> str:
        arguments = step.arguments
        if step.name == "help":
            return command_help(arguments["command"])
        if step.name == "connect":
            config = self._session_config()
            for name in ("cwd", "python", "keep", "env"):
                if arguments.get(name) not in (None, "", {}):
                    config[name] = arguments[name]
            return await self._connect(arguments["address"], config, new=arguments["new"])
        if step.name == "disconnect":
            self._memory.write("", {})
            return await self._blocking(lambda _cancel: self._machines.disconnect(end=arguments["end"]))
        if step.name == "hosts":
            return self._machines.hosts()
        raise CommandError(f"{step.source} is not known.")

    async def _connect(self, address: str, config: dict[str, Any], *, new: bool = False) -> str:
        """Name a machine; from here on cells run there or nowhere, after a restart too.

        Where that fails, they stay with the machine that was named before, if there is one.
        """
        checked = str(Address.parse(address))
        if not (self._memory.read() or {}).get("address"):
            self._memory.write(checked, config)
            self._machines.leave_default()
        line = await self._blocking(lambda cancel: self._machines.connect(checked, config, cancel, new=new))
        self._memory.write(checked, config)
        return line

    async def _reach(self, machine: Machine | None) -> Machine:
        """The machine where the cell runs, connected."""
        if machine is None:
            known = self._memory.read() or ({"address": self.address} if self.address else None)
            if known and known["address"]:
                log.info(await self._connect(known["address"], known.get("config") or self._session_config()))
            elif known:
                raise CommandError('Not connected. $connect("host:port") names the machine on which cells run.')
            else:
                await self._blocking(lambda cancel: self._machines.default(self._session_config(), cancel))
            machine = self._machines.current
            assert machine is not None
        elif machine.link.status is LinkStatus.CLOSED:
            error = machine.link.error
            raise error or CommandError(f'The session is closed. $connect("{machine.name}") starts another.')
        elif machine.link.status is not LinkStatus.UP:
            await self._blocking(machine.link.revive)
        return machine

    def _session_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"keep": self.keep, "shell": self.remote_shell}
        config["env"] = {str(name): str(value) for name, value in self.environment.items()}
        config["name"] = os.environ.get("JPY_SESSION_NAME", "")
        config.update({name: value for name, value in (("cwd", self.cwd), ("python", self.python)) if value})
        return config

    async def _ask_machine(self, machine: Machine, message: Message) -> dict[str, Any]:
        """A request that the stop button reaches."""
        with self._stoppable(lambda: self._interrupt_remote(machine, message.parent)):
            return await self._exchange.request(machine, message)

    def _say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        self._publisher.send("stream", {"name": name, "text": text + "\n"}, msg_id)

    # --- completion, inspection, completeness, history

    async def do_complete(self, code: str, cursor_pos: int | None) -> dict[str, Any]:
        """Complete on the machine where the code would run, and our own commands here."""
        cursor_pos = len(code) if cursor_pos is None else cursor_pos
        ours = routing.complete_command(code, cursor_pos)
        if routing.is_local(code):
            return dict(super().do_complete(code, cursor_pos))
        content = {"code": code, "cursor_pos": cursor_pos}
        reply = await self._look_up("complete_request", content)
        if ours is None:
            return reply or dict(NO_MATCHES, cursor_start=cursor_pos, cursor_end=cursor_pos)
        theirs = reply["matches"] if reply and reply.get("cursor_start") == ours.start else []
        matches = [*ours.matches, *(match for match in theirs if match not in ours.matches)]
        return dict(NO_MATCHES, matches=matches, cursor_start=ours.start, cursor_end=ours.end)

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Inspect on the machine where the code would run."""
        if routing.is_local(code):
            return dict(super().do_inspect(code, cursor_pos, detail_level, omit_sections))
        content = {"code": code, "cursor_pos": cursor_pos, "detail_level": detail_level}
        reply = await self._look_up("inspect_request", dict(content, omit_sections=list(omit_sections)))
        return reply or {"status": "ok", "found": False, "data": {}, "metadata": {}}

    async def _look_up(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """Ask the current machine, if it can be asked now."""
        machine = self._machines.current
        if machine is None or machine.link.status is not LinkStatus.UP:
            return None
        msg_id = self._publisher.remember(self.get_parent("shell"))
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                return await self._exchange.request(machine, Message(msg_type, content, msg_id))
        except (TimeoutError, RpycKernelError):
            return None

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Whether a console should run what was typed."""
        status, indent = self.shell.input_transformer_manager.check_complete(routing.strip_commands(code))
        reply = {"status": status}
        if status == "incomplete":
            reply["indent"] = " " * (indent or 0)
        return reply

    # --- comms

    async def _comm_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """A comm message of the front end: to the local comm of that id, else to the other machine."""
        content = parent["content"]
        comm_id = content.get("comm_id")
        msg_type = parent["header"]["msg_type"]
        local = comm_id in self.comm_manager.comms or content.get("target_name") in self.comm_manager.targets
        machine = self._machines.current
        if local or machine is None or machine.link.status is not LinkStatus.UP:
            getattr(self.comm_manager, msg_type)(stream, ident, parent)
            return
        if msg_type == "comm_open":
            self._publisher.comms[str(comm_id)] = str(content.get("target_name", ""))
        elif msg_type == "comm_close":
            self._publisher.comms.pop(str(comm_id), None)
        msg_id = self._publisher.remember(parent)
        buffers = [bytes(buffer) for buffer in parent.get("buffers", ())]
        message = Message(msg_type, content, msg_id, parent.get("metadata"), buffers)
        try:
            await self._ask_machine(machine, message)
        except RpycKernelError as error:
            log.info("a %s was not delivered: %s", msg_type, error)

    # --- links, interrupt and shutdown

    def _interrupt_remote(self, machine: Machine, msg_id: str) -> None:
        if machine.link.status is LinkStatus.UP:
            machine.link.interrupt(msg_id)
            self.io_loop.add_callback(self._exchange.stop_asking, msg_id)
        else:
            error = machine.link.error or CommandError(f"The link to {machine.name} is down.")
            self.io_loop.add_callback(self._exchange.fail, machine, error)

    def _on_status(self, machine: Machine, status: LinkStatus, error: RpycKernelError | None) -> None:
        """A link has changed, on any thread."""
        log.info("%s: %s %s", machine.name, status.value, error or "")
        self._exchange.on_status(machine, status, error)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the sessions on the other machines, then this process."""
        if not restart:
            self._memory.forget()
        await asyncio.to_thread(self._machines.close)
        return dict(super().do_shutdown(restart))


NO_MATCHES = {"status": "ok", "matches": [], "metadata": {}}
