"""``python -m rpyc_kernel``: ipykernel's application with our kernel and its options."""

from __future__ import annotations

import os
import sys

from traitlets import Type

from rpyc_kernel.kernel.jupyter.base_app import ALIASES, STARTUP_ERRORS, BaseApp
from rpyc_kernel.kernel.kernel import RpycKernel
from rpyc_kernel.kernel.known_machine import NOT_ASKED

__all__ = ["RpycKernel", "RpycKernelApp", "main"]


class RpycKernelApp(BaseApp):
    """A Jupyter kernel whose cells run on another machine's Python, reached through RPyC."""

    name = "rpyc-kernel"
    description = __doc__
    aliases = {**ALIASES, "address": "RpycKernel.address", "keep": "RpycKernel.keep"}  # noqa: RUF012
    classes = [RpycKernel, *BaseApp.classes]  # noqa: RUF012 - traitlets reads it from the class
    kernel_class = Type(RpycKernel, klass="ipykernel.kernelbase.Kernel", help="The kernel to run.").tag(config=True)

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Read the options, without those whose value is a parameter that the front end hasn't asked for."""
        given = sys.argv[1:] if argv is None else argv
        super().parse_command_line([each for each in given if not NOT_ASKED.search(each)])


def main(kernel_class: type[RpycKernel] = RpycKernel) -> None:
    """Run the kernel; where it can't start, say why in one line. *kernel_class*: a kernel of one's own."""
    try:
        app = RpycKernelApp.instance(kernel_class=kernel_class)
        app.initialize()
    except STARTUP_ERRORS as error:
        print(f"rpyc-kernel cannot start: {type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
        os._exit(1)  # some of its threads and sockets may have begun, and would wait for each other
    app.start()
