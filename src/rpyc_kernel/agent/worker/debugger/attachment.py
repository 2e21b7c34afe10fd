"""Attaches debugpy to this worker, over a pair of sockets within it.

debugpy's own ways have a program beside this one, its adapter, and ports of 127.0.0.1, to which any user of the machine
could connect. pydevd, which is what of debugpy runs in the debugged process, speaks the Debug Adapter Protocol itself:
here it gets one end of a pair of sockets. There is no port, and no other process.

What is used of pydevd's insides stands in this file, and in `variables`.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading

from ...boot import ORIGIN
from . import dap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterator, Optional

    Json = Dict[str, Any]

#: what debugpy reads when it is imported: no warning of frozen modules, steps over a cell's parts, no frame evaluation
SETTINGS = {
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYDEVD_IPYTHON_COMPATIBLE_DEBUGGING": "1",
    "PYDEVD_USE_FRAME_EVAL": "NO",
}
OURS = (ORIGIN, "<rpyc-kernel boot>")  #: what the names of our files begin with
STATE_RUN = 1  #: pydevd's


class Attachment:
    """debugpy in this process. Made on a thread of our own.

    Raises:
        ImportError: debugpy isn't installed here.
        Exception: It is, and doesn't start; debugpy's own exceptions.
    """

    def __init__(self) -> None:
        before = {name: os.environ.get(name) for name in SETTINGS}
        self._hook = getattr(sys, "breakpointhook", None)
        os.environ.update(SETTINGS)
        importlib.invalidate_caches()  # it may have been installed by a cell
        try:
            server = importlib.import_module("debugpy.server")
            self.pydevd: Any = importlib.import_module("pydevd")
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        self._files: Any = importlib.import_module("pydevd_file_utils")
        self._tracing: Any = importlib.import_module("pydevd_tracing")
        self._tracing.TracingFunctionHolder._warn = False  # of `sys.settrace`, which a second press of stop uses
        self._threads: Any = importlib.import_module("_pydevd_bundle.pydevd_additional_thread_info")
        self._debugpy_hook = getattr(sys, "breakpointhook", None)
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        self._stream = self._socket.makefile("rb")
        self._traces = True
        self._connect(theirs, os.path.dirname(os.path.dirname(str(server.__file__))))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _connect(self, theirs: socket.socket, folder: str) -> None:
        pydevd = self.pydevd
        dial = pydevd.start_client
        pydevd.start_client = lambda _host, _port: theirs
        try:
            pydevd.settrace(
                host="127.0.0.1",  # which nobody dials
                port=0,
                suspend=False,
                wait_for_ready_to_run=False,
                block_until_connected=True,
                patch_multiprocessing=False,
                notify_stdin=False,
                dont_trace_start_patterns=(*OURS, folder),
            )
        finally:
            pydevd.start_client = dial
        self._db: Any = pydevd.get_global_debugger()
        self._db.disable_tracing()  # of this thread

    def send(self, message: Json) -> None:
        """Send a message to debugpy. Any thread may call it."""
        data = dap.encode(message)
        with self._lock:
            self._socket.sendall(data)

    def messages(self) -> Iterator[Json]:
        """Yield what debugpy sends."""
        while True:
            message = dap.read(self._stream)
            if message is None:
                return
            yield message

    def name(self, code_name: str, path: str) -> None:
        """From now on code of that file name belongs to the file of that path."""
        self._files.NORM_PATHS_AND_BASE_CONTAINER[code_name] = (path, path, os.path.basename(path))

    def follow(self, traces: bool) -> None:
        """Say whether code is to be traced, from the next cell on."""
        self._traces = traces
        if hasattr(sys, "breakpointhook"):
            sys.breakpointhook = self._debugpy_hook if traces else self._hook  # type: ignore[assignment]

    def begin_cell(self) -> None:
        """Trace the cell that begins (on the main thread): an exception in a trace function has ended the tracing.

        A step that has led out of the cell before ends with that.
        """
        info = self._threads.set_additional_thread_info(threading.main_thread())
        if info.pydev_state == STATE_RUN:
            self._end_step(info)
        if self._traces:
            self._db.enable_tracing()
        else:
            self._db.disable_tracing()

    def let_go(self, frame: Optional[FrameType]) -> None:
        """If the main thread waits at a breakpoint, let it go: an exception is about to be raised in its *frame*."""
        while frame is not None:
            name = frame.f_code.co_name
            if name == "do_it":
                return  # an expression is evaluated there; the exception ends that
            if name == "_do_wait_suspend":
                info = self._threads.set_additional_thread_info(threading.main_thread())
                info.pydev_state = STATE_RUN
                self._end_step(info)
                return
            frame = frame.f_back

    def _end_step(self, info: Any) -> None:
        info.pydev_step_cmd = info.pydev_original_step_cmd = -1
        info.pydev_step_stop = None
        if hasattr(info, "update_stepping_info"):
            info.update_stepping_info()

    def _forget(self) -> None:
        """In a forked process nobody debugs: its breakpoints would wait for ever."""
        try:
            monitoring: Any = getattr(sys, "monitoring", None)
            if monitoring is not None:
                tool = monitoring.DEBUGGER_ID
                monitoring.set_events(tool, 0)
                for event in vars(monitoring.events).values():
                    if isinstance(event, int) and event and event & (event - 1) == 0:
                        monitoring.register_callback(tool, event, None)
            self._tracing.SetTrace(None)
            threading.settrace(None)
            self.pydevd.set_global_debugger(None)
        except Exception:
            pass
        self.follow(False)
        self.begin_cell = lambda: None  # type: ignore[method-assign]
