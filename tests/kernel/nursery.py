"""Kernels that a nursery forks (`tests/nursery.py`): those that the tests start with their own command and environment.

To all others applies what applies to them.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from jupyter_client.provisioning import local_provisioner

from tests.nursery import OF_KERNELS, Process, may_fork, nursery

FORKED = "TESTS_FORKED_KERNEL"
"""A variable of a kernel's environment, which the kernel doesn't see."""

_OWN = (
    "HOME",
    "IPYTHONDIR",
    "JPY_",
    "JUPYTER_CONFIG",
    "JUPYTER_DATA",
    "JUPYTER_RUNTIME",
)  # differ from kernel to kernel
_launch = local_provisioner.launch_kernel


def launch(cmd: list[str], *, env: dict[str, str], **kw: Any) -> Any:
    """Do what jupyter_client's `launch_kernel` does; an environment with `FORKED` asks for a kernel of the nursery."""
    if FORKED not in env:
        return _launch(cmd, env=env, **kw)
    env = {name: value for name, value in env.items() if name != FORKED}
    if not may_fork():
        return _launch(cmd, env=env, **kw)
    common = sorted((name, value) for name, value in env.items() if not name.startswith(_OWN))
    request = {"argv": cmd[1:], "env": env, "cwd": kw["cwd"]}
    streams = (subprocess.DEVNULL, kw["stdout"], kw["stderr"])
    return Process(nursery(sys.executable, OF_KERNELS, *common), request, streams)


local_provisioner.launch_kernel = launch
