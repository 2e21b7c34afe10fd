"""Kernels that a user has installed: by Jupyter's own commands, started by their name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from tests import nursery
from tests.kernel.kernels import Kernel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def kernelspec(env: dict[str, str], *argv: str, prefix: str = "", code: int = 0) -> str:
    """Run ``jupyter kernelspec …`` and return what it prints. *prefix*: it takes that for the environment it is in."""
    script = "import sys; {}from jupyter_client.kernelspecapp import KernelSpecApp; KernelSpecApp.launch_instance()"
    command = ["-c", script.format(f"sys.prefix = {prefix!r}; " if prefix else ""), *argv]
    home = env["HOME"]  # neither the repository nor the kernel's own folder
    if prefix:  # which counts when Jupyter is imported
        done = subprocess.run(
            [sys.executable, *command], env=env, cwd=home, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    else:
        done = nursery.run(command, env=env, cwd=home, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


class InstalledKernel(Kernel):
    """A kernel by the name under which it was installed among *folders*, and its first front end."""

    def __init__(self, name: str, folder: Path, *options: str, **kw: Any) -> None:
        super().__init__(*options, alone=True, **kw)
        specs = KernelSpecManager(kernel_dirs=[str(folder)])
        specs.ensure_native_kernel = False
        self.manager = KernelManager(
            kernel_name=name, kernel_spec_manager=specs, connection_file=str(self.folder / "kernel.json")
        )
        self.manager.shutdown_wait_time = 10.0
