"""The nursery's process: it imports what kernels and programs import, and then forks one for each message that asks.

A message is JSON: `{"argv", "env", "cwd", "seeds"}` with the descriptors of stdin, stdout and stderr begins what
`python *argv` would be, whose pid is the answer. To `{"pid"}` the answer is that process's exit status as `os.waitpid`
tells it, or null while it runs.

A program that starts a kernel by jupyter_client gets as many *seeds*: children that were forked before the program
began, and become its kernels. So a kernel is its program's own child, as it is everywhere.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn


def main(door: socket.socket, modules: tuple[str, ...]) -> Any:
    """Import the modules, and serve until nobody is at the other end of *door*."""
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # or the first look for garbage in each kernel would copy all of this memory
    assert threading.active_count() == 1, "a process with threads isn't to be forked"
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(door, 1 << 20, 3)
        if not message:
            return None
        request = json.loads(message)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            door.send(json.dumps(status if pid else None).encode())
            continue
        if os.fork() == 0:
            os.setsid()  # before its pid is known: whoever ends it ends its group
            door.send(json.dumps(os.getpid()).encode())
            door.close()
            end(begin, descriptors, **request)
        for each in descriptors:
            os.close(each)


def end(work: Callable[..., object], *arguments: Any, **more: Any) -> NoReturn:
    """Do the work of a process that was forked, and end it as Python ends.

    But for the modules, which Python would take apart: of all that was imported, each page would be copied for that.
    """
    try:
        code = _exit_code(work, *arguments, **more)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError, OSError):  # it is none, or was closed
                stream.flush()
    except BaseException:
        traceback.print_exc()
        code = 120
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _exit_code(work: Callable[..., object], *arguments: Any, **more: Any) -> int:
    try:
        work(*arguments, **more)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 1
    return 0


def begin(descriptors: list[int], argv: list[str], env: dict[str, str], cwd: str, seeds: int = 0) -> Any:
    """Become what `python *argv` is with that environment, in that folder."""
    take(descriptors, env, cwd)
    doors = []
    for _ in range(seeds):
        door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            for each in (door, *(socket for socket, _pid in doors)):
                each.close()
            end(grow, theirs)
        theirs.close()
        doors.append((door, pid))
    if doors:
        Sown(doors).replace_launcher()
    return run(argv)


def take(descriptors: list[int], env: dict[str, str], cwd: str) -> None:
    """Have stdin, stdout and stderr, the environment and the folder be those."""
    for target, each in enumerate(descriptors):
        os.dup2(each, target)
        os.close(each)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    if env.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    for path in reversed(env.get("PYTHONPATH", "").split(os.pathsep)):
        if path and path not in sys.path:
            sys.path.insert(0, path)


def run(argv: list[str]) -> Any:
    """Do what `python *argv` does."""
    if argv[0] == "-m":
        sys.path.insert(0, str(os.getcwd()))  # noqa: PTH109 - a text
        sys.argv = ["-m", *argv[2:]]
        return runpy._run_module_as_main(argv[1])  # type: ignore[attr-defined]
    if argv[0] != "-c":
        sys.path.insert(0, os.path.dirname(argv[0]))  # noqa: PTH120 - a text
        sys.argv = argv
        return runpy.run_path(argv[0], run_name="__main__")
    sys.path.insert(0, "")
    sys.argv = ["-c", *argv[2:]]
    sys.modules["__main__"] = program = types.ModuleType("__main__")
    exec(compile(argv[1], "<string>", "exec"), program.__dict__)
    return None


def grow(door: socket.socket) -> Any:
    """Wait to be asked for a kernel, and become it; end where nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    message, descriptors, _flags, _address = socket.recv_fds(door, 1 << 20, 3)
    if not message:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    door.send(b"begun")
    door.close()
    request = json.loads(message)
    take(descriptors, request["env"], request["cwd"])
    return run(request["argv"])


class Grown(subprocess.Popen[bytes]):
    """A child that this process has already."""

    def __init__(self, pid: int, args: list[str]) -> None:
        self.pid = pid
        self.args = args
        self.stdin = self.stdout = self.stderr = None
        self.returncode = None  # type: ignore[assignment]
        self._child_created = True
        self._communication_started = False
        self._sigint_wait_secs = 0.25
        self._waitpid_lock = threading.Lock()


class Sown:
    """The seeds of this process."""

    def __init__(self, doors: list[tuple[socket.socket, int]]) -> None:
        self._doors = doors

    def replace_launcher(self) -> None:
        """Have jupyter_client's kernels be grown from the seeds, as long as there are any."""
        from jupyter_client.provisioning import local_provisioner

        launch = local_provisioner.launch_kernel

        def grown(cmd: list[str], *, env: dict[str, str], cwd: str | None = None, **kw: Any) -> Any:
            if not self._doors or cmd[:3] != [sys.executable, "-m", "rpyc_kernel"]:
                return launch(cmd, env=env, cwd=cwd, **kw)
            door, pid = self._doors.pop(0)
            request = {"argv": cmd[1:], "env": {**env, "JPY_PARENT_PID": str(os.getpid())}, "cwd": cwd or os.getcwd()}  # noqa: PTH109 - a text
            with open(os.devnull, "rb") as nothing, door:  # noqa: PTH123 - no path
                streams = [kw.get(name) for name in ("stdout", "stderr")]
                descriptors = [nothing.fileno(), *(_descriptor(each, n + 1) for n, each in enumerate(streams))]
                socket.send_fds(door, [json.dumps(request).encode()], descriptors)
                door.recv(10)
            return Grown(pid, cmd)

        local_provisioner.launch_kernel = grown


def _descriptor(stream: Any, default: int) -> int:
    """Return the descriptor of what `subprocess.Popen` takes for a stream."""
    if stream is None:
        return default
    return stream if isinstance(stream, int) else stream.fileno()
