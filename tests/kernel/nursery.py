"""Kernels that are forked from a process which has imported all: a kernel spends most of its start on imports.

Only those that the tests start with their own command and environment are; to all others applies what applies to them.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import local_provisioner

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
_PROGRAM = """import socket, sys
sys.path[0] = {folder!r}
from nursery_main import main
del sys.path[0]
main(socket.socket(fileno={fd}))
"""


class Kernel:
    """A kernel's process: as much of `subprocess.Popen` as jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        if self.returncode is None:
            status = self._nursery.ask({"pid": self.pid})
            self.returncode = None if status is None else os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("a kernel", timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it hasn't ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process, started with the first kernel; it ends with this one."""

    def __init__(self, env: dict[str, str]) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            program = _PROGRAM.format(folder=str(Path(__file__).parent), fd=theirs.fileno())
            command = [sys.executable, "-c", program]
            self._process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd="/"
            )
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], descriptors: tuple[int, ...] = ()) -> Any:
        """Send a message and return the answer."""
        with self._lock:
            socket.send_fds(self._door, [json.dumps(request).encode()], descriptors)
            answer = self._door.recv(1 << 10)
        assert answer, "the process that forks kernels has ended"
        return json.loads(answer)

    def close(self) -> None:
        self._door.close()
        self._process.wait()


@functools.cache
def _nursery(*env: tuple[str, str]) -> Nursery:
    return Nursery(dict(env))


def _network() -> str:
    """Return the network namespace of this thread: a test may have entered one of its own, where no nursery is."""
    namespace = Path("/proc/thread-self/ns/net")
    return str(namespace.readlink()) if namespace.is_symlink() else ""


_HOME = _network()


def launch(cmd: list[str], *, env: dict[str, str], **kw: Any) -> Any:
    """Do what jupyter_client's `launch_kernel` does; an environment with `FORKED` asks for a kernel of the nursery."""
    if FORKED not in env:
        return _launch(cmd, env=env, **kw)
    env = {name: value for name, value in env.items() if name != FORKED}
    if _network() != _HOME:
        return _launch(cmd, env=env, **kw)
    common = {name: value for name, value in env.items() if not name.startswith(_OWN)}
    nursery = _nursery(*sorted(common.items()))
    log = kw["stdout"].fileno()
    return Kernel(nursery, nursery.ask({"argv": cmd[3:], "env": env, "cwd": kw["cwd"]}, (log, log)))


local_provisioner.launch_kernel = launch
