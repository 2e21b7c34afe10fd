"""The application differs from ipykernel's before the kernel is there, in its streams, and after its end."""

from __future__ import annotations

import os
import sys
from typing import Any

import zmq
from ipykernel import kernelapp
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp, kernel_aliases
from traitlets import DottedObjectName
from traitlets.utils import filefind

from rpyc_kernel.kernel.jupyter import debugger
from rpyc_kernel.kernel.jupyter.quick_streams import QuickOutStream

ALIASES: dict[str, str] = dict(kernel_aliases)
STARTUP_ERRORS = (OSError, ValueError, KeyError, zmq.ZMQError)
"""The errors that tell why the kernel can't start: files, ports, and the text of options."""


class BaseApp(IPKernelApp):
    """ipykernel's application without subshells, debugger, and a TCP port where the transport is ipc."""

    connection_file: Any
    outstream_class = DottedObjectName(
        f"{QuickOutStream.__module__}.{QuickOutStream.__name__}", help="The class of the streams.", allow_none=True
    ).tag(config=True)

    def init_connection_file(self) -> None:
        """Read or write the connection file as ipykernel does; what is no such file ends in a line, not a traceback."""
        try:
            found = filefind(str(self.connection_file), [".", self.connection_dir])
        except OSError:
            pass  # it is to be made
        else:
            self.connection_file = found
            try:
                self.load_connection_file()
            except Exception as error:  # noqa: BLE001 - whatever it makes of that text
                reason = " ".join(str(error).split())
                sys.exit(f"rpyc-kernel cannot start: {found} is no connection file ({reason}).")
        super().init_connection_file()

    def init_control(self, context: Any) -> None:
        """Open the control channel, without ipykernel's thread for subshells, which would only hand each message on."""
        super().init_control(context)
        self.shell_channel_thread = None

    def init_iopub(self, context: Any) -> None:
        """Open the iopub channel; over ipc without the TCP port on which ipykernel listens for forked processes.

        There, what a forked process prints goes to its file descriptors, which ipykernel watches.
        """
        if self.transport == "ipc":
            kernelapp.IOPubThread = _without_pipe
            os.register_at_fork(after_in_child=_print_to_descriptors)
        super().init_iopub(context)

    def init_kernel(self) -> None:
        """Make the kernel, without ipykernel's debugger."""
        with debugger.left_out():
            super().init_kernel()

    def start(self) -> None:
        """Run the kernel. What the control thread has begun, a shutdown, goes to its end before the iopub thread ends.

        That thread's `atexit` comes first of all. What is published just then would wait for it, for 10 s or for ever.
        """
        super().start()
        if self.control_thread and self.control_thread.is_alive():
            self.control_thread.stop()
            self.control_thread.join()


def _without_pipe(socket: Any, pipe: bool, session: Any) -> IOPubThread:  # noqa: ARG001 - as ipykernel calls it
    return IOPubThread(socket, pipe=False, session=session)


def _print_to_descriptors() -> None:
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for stream in (sys.__stdout__, sys.__stderr__):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # nobody has replaced these
