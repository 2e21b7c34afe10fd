"""``get_ipython().kernel``, for either shell: answers what widgets and libraries ask of ipykernel's kernel."""

from __future__ import annotations

import socket
import sys

from .. import frames
from .frontend import header_of
from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Callable, Dict, Generator, List, Optional

    from ..wire import Json
    from .cells import Cells
    from .comms import Comms
    from .frontend import Frontend
    from .shells.protocol import ShellFacade

#: classes of ipykernel for which the shim passes once their module is imported, the most special one first
CLASSES = (("ipykernel.ipkernel", "IPythonKernel"), ("ipykernel.kernelbase", "Kernel"))


class Done:
    """An awaitable that has its result already."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


class Loop:
    """An event loop by the names of tornado's ``IOLoop``. Callable from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asyncio_loop = loop

    def add_callback(self, callback: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Call a function soon."""
        self.asyncio_loop.call_soon_threadsafe(lambda: callback(*args, **options))

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Call a function in so many seconds."""
        self.add_callback(self.asyncio_loop.call_later, delay, lambda: callback(*args, **options))


class FrontendSession:
    """Stands for jupyter_client's ``Session``: publishes what is sent through it, on whichever socket."""

    session = username = ""

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend

    def msg(
        self, msg_type: str, content: Any = None, parent: Any = None, header: Any = None, metadata: Any = None
    ) -> Json:
        """A message with its header."""
        return {
            "header": header or {"msg_id": "", "msg_type": msg_type, "session": "", "username": "", "version": "5.3"},
            "msg_id": "",
            "msg_type": msg_type,
            "parent_header": header_of(parent),
            "content": content or {},
            "metadata": metadata or {},
        }

    def send(
        self,
        _stream: Any,
        msg_or_type: Any,
        content: Any = None,
        parent: Any = None,
        ident: Any = None,
        buffers: Any = None,
        track: bool = False,
        header: Any = None,
        metadata: Any = None,
    ) -> Json:
        """Publish a message to the cell of its parent; to the running one if that is not known."""
        message = msg_or_type
        if not isinstance(message, dict):
            message = self.msg(message, content, parent, header, metadata)
        token = self._frontend.claim(message.get("parent_header"))
        try:
            self._frontend.publish(
                message["msg_type"], message["content"], message["metadata"], [bytes(each) for each in buffers or ()]
            )
        finally:
            current.reset(token)
        return dict(message)


class KernelShim:
    """Knows the running request, and publishes. Passes for a kernel of ipykernel's where ipykernel is loaded.

    Args:
        frontend: Publishes.
        shell: The result of ``get_ipython()``.
        comms: The comms of the session.
        cells: Runs cells.
    """

    implementation, language = "ipython", "python"
    eventloop = shell_stream = control_stream = stdin_socket = None
    iopub_thread = control_thread = shell_channel_thread = parent = None
    int_id = -1
    _aborting = False

    def __init__(self, frontend: Frontend, shell: ShellFacade, comms: Comms, cells: Cells) -> None:
        self._frontend = frontend
        self._comms = comms
        comms.kernel = self
        self._cells = cells
        self.shell = shell
        self.session = FrontendSession(frontend)
        self.iopub_socket = object()
        self.ident = ""
        self.shell_handlers: Dict[str, Any] = comms.handlers
        self.shell_handlers["execute_request"] = self.execute_request

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        for module, name in CLASSES:
            found = getattr(sys.modules.get(module), name, None)
            if found is not None:
                return found
        return KernelShim

    @property
    def comm_manager(self) -> Any:
        """The manager of the ``comm`` package, or of `comm_shim`."""
        return self._comms.manager

    @property
    def io_loop(self) -> Any:
        """The event loop that cells run in, as tornado's where that is installed."""
        self._cells.have_loop()
        loop = self._cells.main_loop.loop
        if loop is None:
            raise AttributeError("no event loop runs in this session yet: a cell with await or asyncio begins it")
        try:
            from tornado.ioloop import IOLoop
        except ImportError:
            return Loop(loop)
        return getattr(IOLoop, "_ioloop_for_asyncio", {}).get(loop) or IOLoop.current()

    @property
    def log(self) -> Any:
        """A logger, as a kernel has one."""
        import logging

        return logging.getLogger("ipykernel")

    @property
    def user_ns(self) -> Any:
        """The variables of the cells."""
        return self.shell.user_ns

    @property
    def user_module(self) -> Any:
        """The module that cells run in."""
        return self.shell.user_module

    @property
    def config(self) -> Any:
        """The shell's configuration."""
        return self.shell.config

    @property
    def execution_count(self) -> int:
        """The number of the next cell."""
        return int(self.shell.execution_count)

    @property
    def banner(self) -> str:
        """The first line of a console."""
        return "Python %s on %s" % (sys.version.split()[0], socket.gethostname())

    # the request that the running code belongs to

    def get_parent(self, channel: Optional[str] = None) -> Json:
        """The request that the running code belongs to; for the control channel, the header of the last request on it.

        Code that names the shell channel, as ipyparallel's thread does, means the cell that runs.
        """
        if channel == "control":
            return self._frontend.control_parent()
        return self._frontend.parent(settle=channel != "shell")

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Let the running code belong to another request."""
        if channel == "shell":
            self._frontend.claim(parent)

    @property
    def _parent_ident(self) -> Dict[str, List[bytes]]:
        """By channel, who sent the request that came last."""
        return {channel: self._frontend.identities(channel) for channel in ("shell", "control")}

    @property
    def _parent_header(self) -> Json:
        return self.get_parent()

    # messages and questions

    @property
    def _allow_stdin(self) -> bool:
        """Whether the front end of the running cell can be asked."""
        return self._frontend.allow_stdin

    def topic(self, topic: str) -> bytes:
        """The topic that ipykernel puts before a message which it publishes."""
        return ("kernel.%s.%s" % (self.ident, topic)).encode()

    def send_response(
        self,
        stream: Any,
        msg_or_type: Any,
        content: Any = None,
        ident: Any = None,
        buffers: Any = None,
        track: bool = False,
        header: Any = None,
        metadata: Any = None,
        **_more: Any,
    ) -> Json:
        """Publish a message to whoever started the running code."""
        return self.session.send(
            stream, msg_or_type, content, self.get_parent(), ident, buffers, track, header, metadata
        )

    def raw_input(self, prompt: object = "") -> str:
        """Ask the front end for a line of text."""
        return self._frontend.input(prompt)

    def getpass(self, prompt: object = "", stream: object = None) -> str:
        """Ask the front end for a line that it doesn't show."""
        return self._frontend.input(prompt, password=True)

    def _publish_status(self, *_status: Any, **_more: Any) -> None:
        """Do nothing: the kernel on Jupyter's machine tells when it is busy and idle."""

    # requests

    def do_one_iteration(self) -> Done:
        """Handle the comm messages that wait, in the midst of a cell; cells wait for their turn."""
        self._cells.iterate()
        return Done()

    async def execute_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Never called: libraries replace it so that no cell runs within `do_one_iteration`, which runs none anyway."""

    def do_shutdown(self, restart: bool) -> Json:
        """End the Python of the session when this cell has ended; a fresh one takes its place."""
        text = "The Python on %s ends after this cell, and its variables with it; the next cell runs in a fresh one.\n"
        self._frontend.stream("stderr", text % socket.gethostname())
        self._frontend.writer.send(frames.RESTART, 0, b"")
        self._cells.end()
        return {"status": "ok", "restart": restart}
