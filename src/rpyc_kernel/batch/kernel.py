"""A kernel of our own for one command: started by this Python, on one machine, wherever Jupyter looks for kernels."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from rpyc_kernel.agent.boot import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.hosts.target import Target


class OneKernel(KernelSpecManager):
    """Knows one kernel, whatever name is asked for."""

    def __init__(self, spec: KernelSpec, **more: Any) -> None:
        super().__init__(**more)
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return it."""
        return self._spec


@contextmanager
def kernel_on(machine: Target, session_name: str) -> Iterator[OneKernel]:
    """Within it, kernels can be started whose cells run on a machine.

    What they are told is in a private file, which only this user can read: an argument or a variable of a process, all
    users could.

    Args:
        machine: Where the cells run.
        session_name: What people call the session there.
    """
    options = {"address": str(machine.address), **machine.options}
    if "env" in options:
        options["environment"] = options.pop("env")
    with tempfile.TemporaryDirectory(prefix="rpyc-kernel-") as folder:
        path = Path(folder) / "config.json"
        write_file(str(path), json.dumps({"RpycKernel": options}).encode(), sync=False)
        spec = json.loads(files("rpyc_kernel").joinpath("kernelspec", "kernel.json").read_text("utf-8"))
        spec["argv"] = [sys.executable, *spec["argv"][1:], "--config", str(path)]
        spec["env"] = {"JPY_SESSION_NAME": f"{session_name}.ipynb"}
        yield OneKernel(KernelSpec(resource_dir="", **spec))
