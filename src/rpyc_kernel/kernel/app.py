"""``python -m rpyc_kernel``: ipykernel's application with our kernel and its options."""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

import zmq
from ipykernel.kernelapp import IPKernelApp, kernel_aliases, kernel_flags
from traitlets import Type
from traitlets.utils import filefind

from rpyc_kernel.kernel.jupyter import debugger
from rpyc_kernel.kernel.jupyter.forked import UnixIOPubThread
from rpyc_kernel.kernel.kernel import RpycKernel

ALIASES = {
    **kernel_aliases,
    "address": "RpycKernel.address",
    "keep": "RpycKernel.keep",
}


class RpycKernelApp(IPKernelApp):
    """A Jupyter kernel whose cells run on another machine's Python, reached through RPyC."""

    name = "rpyc-kernel"
    description = __doc__
    aliases = ALIASES
    flags = kernel_flags
    classes = [RpycKernel, *IPKernelApp.classes]  # noqa: RUF012 - traitlets reads it from the class
    kernel_class = Type(RpycKernel, klass="ipykernel.kernelbase.Kernel", help="The kernel to run.").tag(config=True)

    def init_connection_file(self) -> None:
        """As ipykernel's; a file that is no connection file is told in a line instead of a traceback."""
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
        """As ipykernel's, without the thread for subshells, which would only hand each message on."""
        super().init_control(context)
        self.shell_channel_thread = None

    def init_kernel(self) -> None:
        """As ipykernel's, without its debugger."""
        with debugger.left_out():
            super().init_kernel()

    def start(self) -> None:
        """As ipykernel's. What the control thread has begun, a shutdown, goes to its end before the iopub thread ends.

        That thread's `atexit` comes first of all. What is published just then would wait for it, for 10 s or for ever.
        """
        super().start()
        if self.control_thread and self.control_thread.is_alive():
            self.control_thread.stop()
            self.control_thread.join()

    def init_iopub(self, context: Any) -> None:
        """As ipykernel's, which listens on a TCP port for its forked processes even where the transport is ipc."""
        if self.transport != "ipc":
            super().init_iopub(context)
            return
        socket = context.socket(zmq.XPUB)
        socket.linger = 1000
        self._apply_curve_server_options(socket)
        self.iopub_port = self._bind_socket(socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = UnixIOPubThread(socket, f"{self.ip}-forked", self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    connection_file: Any
    iopub_port: Any
    subcommands: ClassVar[dict[str, Any]] = {}


def main(kernel_class: type[RpycKernel] = RpycKernel) -> None:
    """Run the kernel; where it can't start, say why in one line. *kernel_class*: a kernel of one's own."""
    try:
        app = RpycKernelApp.instance(kernel_class=kernel_class)
        app.initialize()
    except (OSError, ValueError, KeyError, zmq.ZMQError) as error:
        print(f"rpyc-kernel cannot start: {type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
        os._exit(1)  # some of its threads and sockets may have begun, and would wait for each other
    app.start()
