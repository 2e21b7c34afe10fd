"""What libraries find under ipykernel's names, whether it is installed on this machine or not."""

from __future__ import annotations

import socket
import sys
import types

from ..on_import import when_imported

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


def stand_in(kernel: Any) -> None:
    """Let ipykernel's own code, its comms above all, find this kernel when it looks for the one that runs."""

    def adopt(kernelbase: Any) -> None:
        kernelbase.Kernel._instance = kernel

    when_imported("ipykernel.kernelbase", adopt)


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
