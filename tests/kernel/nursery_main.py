"""The nursery's process: it imports what a kernel imports, and then forks a kernel for each message that asks for one.

A message is JSON: `{"argv", "env", "cwd"}` with the descriptors of stdout and stderr begins a kernel, whose pid is the
answer; to `{"pid"}` that is its exit status as `os.waitpid` tells it, or null while it runs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import socket
import sys
import threading
from typing import Any

#: what a kernel imports before it answers
MODULES = ["rpyc_kernel.kernel.app", "IPython.core.completerlib", "IPython.core.debugger", "psutil", "tornado.queues"]


def main(door: socket.socket) -> Any:
    """Serve until nobody is at the other end of *door*."""
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    for module in MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # or the first look for garbage in each kernel would copy all of this memory
    assert threading.active_count() == 1, "a process with threads isn't to be forked"
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(door, 1 << 20, 2)
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
            return become_kernel(descriptors, **request)
        for each in descriptors:
            os.close(each)


def become_kernel(descriptors: list[int], argv: list[str], env: dict[str, str], cwd: str) -> Any:
    """Do what `python -m rpyc_kernel …` does, with that environment, in that folder."""
    for target, each in zip((1, 2), descriptors, strict=True):
        os.dup2(each, target)
        os.close(each)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path.insert(0, cwd)
    sys.argv = ["-m", *argv]
    return runpy._run_module_as_main("rpyc_kernel")  # type: ignore[attr-defined]
