"""Processes that are forked from one which has imported all: most of what a Python begins with is imports.

Kernels are (`tests/kernel/nursery.py`), and programs and servers that tests start. To a process of its own applies what
applies to it; whatever a test says of how a process begins, it says of one that was not forked.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: what a kernel imports before it answers
OF_KERNELS = (
    "rpyc_kernel.kernel.app",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "psutil",
    "tornado.queues",
)
#: what programs import beside that
OF_PROGRAMS = (
    "nbclient", "nbformat.v4", "rich.progress", "rpyc_kernel.cli.main", "rpyc_kernel.batch.run",
    "rpyc_kernel.batch.progress", "rpyc_kernel.program", "rpyc_kernel.live.remote", "rpyc_kernel.doctor.checks",
    "jupyter_client.kernelspecapp",
)  # fmt: skip
#: what a Jupyter server imports
OF_JUPYTER = (
    "jupyter_server.serverapp", "jupyter_lsp", "jupyter_server_terminals", "jupyterlab.labapp", "notebook.app",
)  # fmt: skip
#: what a stock server imports
OF_SERVERS = ("rpyc.core.service", "rpyc.utils.server")

LANG = "C.UTF-8"

_PROGRAM = """import socket, sys
sys.path[0] = {folder!r}
from nursery_main import main
del sys.path[0]
main(socket.socket(fileno={fd}), {modules!r})
"""


class Process:
    """A process that a nursery has forked: as much of `subprocess.Popen` as jupyter_client and tests use.

    Attributes:
        stdin: What it reads, where a pipe was asked for; None otherwise, as with the next two.
        stdout: What it prints.
        stderr: What it prints to stderr.
    """

    def __init__(self, nursery: Nursery, request: dict[str, Any], streams: tuple[Any, Any, Any]) -> None:
        ours: list[Any] = [None, None, None]
        theirs: list[int] = []
        opened: list[int] = []
        for number, stream in enumerate(streams):
            if stream is subprocess.PIPE:
                ends = os.pipe()
                opened.append(ends[0] if number == 0 else ends[1])
                theirs.append(opened[-1])
                ours[number] = os.fdopen(ends[1], "wb") if number == 0 else os.fdopen(ends[0], "rb")
            elif stream is subprocess.DEVNULL:
                opened.append(os.open(os.devnull, os.O_RDWR))
                theirs.append(opened[-1])
            elif stream is subprocess.STDOUT:
                theirs.append(theirs[1])
            else:
                theirs.append(stream if isinstance(stream, int) else stream.fileno())
        self.stdin, self.stdout, self.stderr = ours
        self._nursery = nursery
        self.args = request["argv"]
        self.pid: int = nursery.ask(request, theirs)
        self.returncode: int | None = None
        for each in opened:
            os.close(each)

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        if self.returncode is None:
            status = self._nursery.ask({"pid": self.pid})
            self.returncode = None if status is None else os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        if self.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            select.select([descriptor], [], [], timeout)
            os.close(descriptor)
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
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
    """A process that forks others; it ends with this one."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> Any:
        """Send a message and return the answer."""
        with self._lock:
            socket.send_fds(self._door, [json.dumps(request).encode()], descriptors)
            answer = self._door.recv(1 << 10)
        assert answer, "the process that forks others has ended"
        return json.loads(answer)


@functools.cache
def nursery(python: str, modules: tuple[str, ...], *env: tuple[str, str]) -> Nursery:
    """Return the nursery of that Python, with these modules, which has begun with this environment."""
    door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        program = _PROGRAM.format(folder=str(Path(__file__).parent), fd=theirs.fileno(), modules=modules)
        process = subprocess.Popen(
            [python, "-c", program], env=dict(env), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd="/"
        )

    def close() -> None:
        door.close()
        process.wait()

    atexit.register(close)
    return Nursery(door)


def network() -> str:
    """Return the network namespace of this thread: a test may have entered one of its own, where no nursery is."""
    namespace = Path("/proc/thread-self/ns/net")
    return str(namespace.readlink()) if namespace.is_symlink() else ""


_HOME = network()


def may_fork() -> bool:
    """Whether processes of this thread can be forked by a nursery."""
    return sys.platform == "linux" and network() == _HOME


@functools.cache  # a test may have folders of its own
def _base() -> list[tuple[str, str]]:
    """Return what a nursery begins with: a Python reads its locale before anything else, JupyterLab makes folders."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "PATH")
    return [("LANG", LANG), *((name, os.environ[name]) for name in names if name in os.environ)]


def start_server(command: Sequence[str], *, env: Mapping[str, str], cwd: str | Path, log: Any) -> Process:
    """Start the program of a stock server, `[python, "-c", text]`, which prints into *log*."""
    request = {"argv": list(command[1:]), "env": dict(env), "cwd": str(cwd)}
    return Process(nursery(command[0], OF_SERVERS, *_base()), request, (subprocess.DEVNULL, log, log))


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | Path = "",
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    kernels: int = 0,
    modules: tuple[str, ...] = OF_PROGRAMS,
) -> Any:
    """Start what `python *argv` is, with what it imports there already; elsewhere than on Linux, start just that.

    Args:
        argv: `-c` and a program, `-m` and a module, or a script's path; and arguments.
        env: Its whole environment.
        cwd: Its folder; by default this process's.
        stdin: As in `subprocess.Popen`, and so are the next two.
        stdout: Where it prints.
        stderr: Where it prints to stderr.
        kernels: How many kernels that it starts are forked too. They are its own children.
        modules: What it finds imported, beside what kernels do.

    Returns:
        A `subprocess.Popen`, or a `Process`, which has the same members as far as tests use them.
    """
    argv = list(argv)
    if not may_fork():
        command = [sys.executable, *argv]
        return subprocess.Popen(command, env=env, cwd=cwd or None, stdin=stdin, stdout=stdout, stderr=stderr)
    request = {"argv": argv, "env": dict(env), "cwd": str(cwd or Path.cwd()), "seeds": kernels}
    return Process(nursery(sys.executable, OF_KERNELS + modules, *_base()), request, (stdin, stdout, stderr))


def run(argv: Sequence[str], *, timeout: float = 150.0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program as `start` begins it to its end; returns what it has printed, as texts."""
    process = start(argv, **options)
    texts = {}
    threads = []
    for name in ("stdout", "stderr"):
        if stream := getattr(process, name):

            def read(name: str = name, stream: Any = stream) -> None:
                with stream:
                    texts[name] = stream.read().decode()

            threads.append(threading.Thread(target=read, daemon=True))
            threads[-1].start()
    try:
        code = process.wait(timeout)
        for thread in threads:
            thread.join(timeout)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(argv, code, texts.get("stdout"), texts.get("stderr"))
