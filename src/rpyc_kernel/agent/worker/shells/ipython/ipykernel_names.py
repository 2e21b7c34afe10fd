"""The modules and classes that libraries find under ipykernel's names, whether it is installed here or not."""

from __future__ import annotations

import socket
import sys
import types

from ...import_hooks import when_imported
from ...io.output import OutStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "ipykernel.zmqshell"


def take_names(*classes: type) -> None:
    """Let classes of ours be those of ``ipykernel.zmqshell``, by which others know a notebook."""
    module = types.ModuleType(NAME)
    for each in classes:
        each.__module__ = NAME
        setattr(module, each.__name__, each)
    sys.modules[NAME] = module
    when_imported("ipykernel", lambda ipykernel: setattr(ipykernel, "zmqshell", module))
    when_imported("ipykernel.connect", _have_no_connection_file)


class AppShim:
    """``IPKernelApp.instance()``: passes for ipykernel's application; has the session's kernel, shell and config."""

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.shell, self.config, self.log = kernel, kernel.shell, kernel.config, kernel.log

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", AppShim)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError("%s: the session on %s has no ipykernel application" % (name, socket.gethostname()))


def stand_in(kernel: Any, displayhook: type) -> None:
    """Let ipykernel's own code, and code that asks whether it runs, find this kernel."""

    def adopt(kernelbase: Any) -> None:
        kernelbase.Kernel._instance = kernel

    def adopt_app(kernelapp: Any) -> None:
        kernelapp.IPKernelApp._instance = AppShim(kernel)

    when_imported("ipykernel.kernelbase", adopt)
    when_imported("ipykernel.kernelapp", adopt_app)
    when_imported("ipykernel.displayhook", lambda module: setattr(module, "ZMQShellDisplayHook", displayhook))
    when_imported("ipykernel.iostream", lambda module: module.OutStream.register(OutStream))


def _have_no_connection_file(connect: Any) -> None:
    def get_connection_file(*_args: Any, **_options: Any) -> Any:
        """There is none on this machine."""
        text = (
            "The kernel's connection file is where Jupyter runs, not on %s. In a %%%%local cell, "
            "ipykernel.get_connection_file() gives it."
        )
        raise RuntimeError(text % socket.gethostname())

    for name in ("get_connection_file", "get_connection_info", "connect_qtconsole"):
        setattr(connect, name, get_connection_file)
