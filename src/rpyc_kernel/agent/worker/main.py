"""The worker's process from its birth: streams, signals, shell, and the thread that sorts requests."""

from __future__ import annotations

import builtins
import faulthandler  # here: what is imported before the fork, both processes share
import gc
import os
import signal
import socket
import sys
import threading
import time

from .. import frames, own_imports, wire
from . import handlers, hurried_exit, recursion, request_context, safe_stop, show
from .cells import Cells, QueuedRequest
from .claims import Claims
from .comms import Comms
from .failures import describe
from .frontend import Frontend
from .import_hooks import when_imported
from .interrupts import Interrupts, signal_main
from .io import output
from .kernel_shim import KernelShim
from .own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .debugger.requests import Debugger
    from .direct import Direct, Operations
    from .introspect import Introspection
    from .io.keeper_channel import FrameWriter, KeeperChannel
    from .netrefs.live import Live
    from .safe_stop import SafeStops
    from .shells.protocol import Shell

    Json = Dict[str, Any]

MAX_REQUEST_BYTES = 1 << 30  #: bytes
#: environment variables that name a pager: it would wait for keys, which nobody can press
PAGERS = ("PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "AWS_PAGER", "BAT_PAGER", "GH_PAGER", "DELTA_PAGER")
ORPHAN_LIFE_S = 1.5  #: seconds that a worker lives whose keeper is gone


def main(channel: KeeperChannel, config: Json) -> None:
    """Run requests until the keeper wants this worker to end.

    When it returns, Python has to end as it does for any program: threads are awaited, exit functions run.

    Args:
        channel: The channel between this worker and its keeper.
        config: The session's configuration, see `keeper.main.main`.

    Raises:
        BaseException: Whatever has failed outside of a cell's own code; the keeper was told.
    """
    writers: List[FrameWriter] = []
    try:
        _run(channel, config, writers)
    except BaseException as error:
        for writer in writers:
            writer.send(frames.FAILED, 0, wire.encode_text(describe(error)))
        raise


def _run(channel: KeeperChannel, config: Json, writers: List[FrameWriter]) -> None:
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if config.get("memory"):
        from ..memory_limit import limit_this_process  # late: few servers bound it

        limit_this_process(str(config.get("session")), config["memory"])
    own_imports.give_path()
    gc.disable()  # until the shell is there: importing IPython makes no garbage, and looking for it takes 6 ms of 60
    channel.take_streams()
    interrupts = Interrupts(channel.signals)
    interrupts.install()
    interrupts.repeat_swallowed()
    writer = channel.open_writer(interrupts)
    writers.append(writer)
    streams = output.install(writer)
    output.mind_children(writer, interrupts)
    frontend = Frontend(writer, interrupts)
    frontend.user_streams = streams
    Claims.frontend = frontend
    cells = Cells(frontend, interrupts)
    sorter = Sorter(channel, frontend, cells, config.get("scratch"))
    OwnThread(sorter.run, "rpyc-kernel-sorter").start()
    request_context.follow_threads()
    recursion.follow_limit()
    handlers.guard(interrupts, cells.caught_beside)
    sys.argv = [""]
    named = config.get("env") or {}
    for name in PAGERS:  # by `update`, which looks at all abstract base classes, it takes 0.2 MiB
        if name not in named:
            os.environ[name] = "cat"
    comms = Comms(frontend)
    frontend.page_host = str(config.get("from", ""))
    show.install(frontend)
    sorter.safe_stops = safe_stop.install(frontend, channel, interrupts)
    shell = _make_shell(frontend, config)
    shell.kernel = KernelShim(frontend, shell.facade, comms, cells)
    _replace_input(frontend)
    _show_crashes()
    cells.shell = shell
    _follow_spawned(shell, config)
    cells.comms = comms
    hurried_exit.release(vars(sys.modules["__main__"]))
    frontend.publish("session_info", _describe(shell), kind=frames.URGENT)
    own_imports.release()
    sorter.ready.set()
    gc.freeze()  # or the first cell would wait for a look at all that was made here
    gc.enable()
    cells.run()
    cells.close()
    hurried_exit.prepare()


class Sorter:
    """Reads requests, and gives each to what answers it; an ``input_reply`` waits behind nothing.

    Attributes:
        ready: Set once there is a shell.
        safe_stops: The functions for a safe stop.
    """

    def __init__(self, channel: KeeperChannel, frontend: Frontend, cells: Cells, scratch: Optional[str]) -> None:
        self._channel = channel
        self._scratch = scratch
        self._frontend = frontend
        self._cells = cells
        self._introspection: Optional[Introspection] = None
        self._live: Optional[Live] = None
        self._direct: Optional[Direct] = None
        self._received = bytearray()
        self.safe_stops: Optional[SafeStops] = None
        self.ready = threading.Event()

    def run(self) -> None:
        """Sort requests until the keeper has closed its end, then end the worker."""
        while self._read():
            pass
        self._end()

    def _read(self) -> bool:
        data = self._channel.receive()
        if not data:
            return False
        received = self._received
        received += data
        size = frames.REQUEST.size
        while len(received) >= size:
            number, length = frames.REQUEST.unpack_from(received)
            if length in frames.WORDS:
                del received[:size]
                self._take_word(number, length)
                continue
            if length > MAX_REQUEST_BYTES:
                return False
            if len(received) < size + length:
                break
            with memoryview(received) as view:
                packet = bytes(view[size : size + length])
            del received[: size + length]
            try:
                message = wire.Message.decode(packet)
            except wire.WireError as error:
                self._refuse(number, packet, error)
            else:
                self._sort(number, message)
        return True

    def _refuse(self, number: int, packet: bytes, error: wire.WireError) -> None:
        """Answer a request that can't be read here: its JSON may be nested deeper than this Python reads."""
        kind, parent = wire.about(packet)
        self._frontend.remember(number, parent)
        text = "the Python there can't read this request (%s)" % error
        failed: Json = {"ename": "RequestError", "evalue": text, "traceback": [text]}
        if kind == "execute_request":
            message = wire.Message("error", failed, parent)
            self._frontend.writer.send_message(frames.MESSAGE, number, message)
        self._frontend.reply(number, wire.reply_type(kind), dict(failed, status="error"))

    def _sort(self, number: int, message: wire.Message) -> None:
        if message.type == "input_reply":
            self._frontend.answer(message.content)
        elif message.type == "show_rest":
            if self._frontend.screen is not None:
                self._frontend.screen.rest(str(message.content.get("display_id")), message.content.get("rests") is True)
        elif message.type == "session_info_request":
            self.ready.wait()
            if self._live is not None:  # another kernel has come: the connections of the one before are nobody's
                self._live.close()
            if self._cells.debugger is not None:
                self._cells.debugger.leave()
            about = dict(_describe(self._cells.shell), comms=self._cells.comms.targets())
            if self._frontend.screen is not None:
                self._frontend.screen.rest("", False)
            self._frontend.publish("session_info", about, kind=frames.URGENT)
            self._frontend.ask_again()
        elif message.type in ("complete_request", "inspect_request", "is_complete_request"):
            self.ready.wait()
            self._introspection_of().ask(number, message)
        elif message.type == "debug_request":
            self.ready.wait()
            self._debugger_of().take(number, message)
        elif message.type.startswith("rpyc_"):
            self.ready.wait()
            self._live_of().take(number, message)
        elif message.type == "direct_request":
            self.ready.wait()
            if self._direct is None:
                from .direct import Direct  # late: few sessions need it

                families = {"values": self._cells.transfers, "files": _files}
                self._direct = Direct(self._frontend, families, self._live_of().carry)
            self._direct.listen(number, message)
        else:
            self._cells.put(QueuedRequest(number, message))

    def _introspection_of(self) -> Introspection:
        if self._introspection is None:
            from .introspect import Introspection  # late: a notebook that is only run asks nothing

            self._introspection = Introspection(self._frontend, self._cells.shell)
        return self._introspection

    def _debugger_of(self) -> Debugger:
        debugger = self._cells.debugger
        if debugger is None:
            from .debugger.requests import Debugger  # late: few sessions need it

            introspection = self._introspection_of()
            debugger = Debugger(self._frontend, self._cells.shell, introspection.ask, self._scratch)
            introspection.look_for_debugger = debugger.look
            self._cells.have_debugger(debugger)
        return debugger

    def _live_of(self) -> Live:
        if self._live is None:
            from .netrefs.live import Live  # late: few sessions need it

            self._live = Live(self._frontend, self._cells.shell, self._cells.transfers)
        return self._live

    def _take_word(self, number: int, word: int) -> None:
        """Do what the keeper says beside requests."""
        signals = self._channel.signals
        if word == frames.LEAVE:
            self._cells.end()
            return
        if word == frames.HURRY:
            hurried_exit.hurry()
            return
        if word in (frames.HEARD, frames.RUN):
            if self.safe_stops is not None and self.safe_stops.registry is not None:
                self.safe_stops.registry.take_word(word, number)
            return
        if word == frames.CARRIES:
            signals.carries = number
            return
        if signals.note_interrupt(number):
            signal_main()
        else:
            self._cells.interrupts.repeat()
        self._cells.wake()

    def _end(self) -> None:
        """The keeper is gone: end in order if that takes no longer than `ORPHAN_LIFE_S`, else at once."""
        self._cells.end()
        time.sleep(ORPHAN_LIFE_S)
        try:
            os.killpg(0, signal.SIGKILL)
        except (AttributeError, OSError):  # Windows
            if os.name == "nt":
                from ..windows import kill_tree

                kill_tree(os.getpid())  # where there is no job, which would have ended this one by now
            os._exit(1)


def _make_shell(frontend: Frontend, config: Json) -> Shell:
    """Make the shell of this session: IPython's where it is installed, unless the other is wanted."""
    wanted = config.get("shell", "auto")
    if wanted != "plain":
        try:
            import IPython  # noqa: F401
        except ImportError:
            if wanted == "ipython":
                print("IPython is not installed on this machine: the built-in shell runs instead.", file=sys.stderr)
        else:
            try:
                from .shells.ipython.shell import IPythonShell

                return IPythonShell(str(config.get("profile") or "default"))
            except Exception as error:
                print("IPython does not start on this machine (%s): the built-in shell runs instead." % error)
    from .shells.plain.shell import PlainShell

    return PlainShell(frontend)


def _follow_spawned(shell: Shell, config: Json) -> None:
    """Give what cells define to the processes that multiprocessing starts afresh."""

    def follow(spawn: Any) -> None:
        from . import spawned_main  # late: few sessions need it

        spawned_main.follow(spawn, shell.cells, config.get("scratch"))

    when_imported("multiprocessing.spawn", follow)


def _replace_input(frontend: Frontend) -> None:
    """Have ``input`` and ``getpass`` ask the front end."""

    def ask(prompt: object = "") -> str:
        """Ask the front end for a line of text."""
        return frontend.input(prompt)

    def ask_secretly(prompt: object = "Password: ", stream: object = None, **_more: object) -> str:  # noqa: ARG001 - as in getpass
        """Ask the front end for a line that it doesn't show."""
        return frontend.input(prompt, password=True)

    def replace_getpass(getpass: Any) -> None:
        getpass.getpass = ask_secretly

    builtins.input = ask
    when_imported("getpass", replace_getpass)


def _show_crashes() -> None:
    """Have the interpreter show where it is when it crashes."""
    try:
        faulthandler.enable(2)
    except (RuntimeError, OSError):
        pass


def _describe(shell: Shell) -> Json:
    return {
        "shell": shell.name,
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "cwd": _cwd(),
        "execution_count": shell.execution_count,
    }


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "(a folder that was removed)"


def _files() -> Operations:
    from .files import Files  # late: few sessions need it

    return Files()
