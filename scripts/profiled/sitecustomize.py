"""Write down each call of a function of ours; Python imports this where the folder is in PYTHONPATH (`cell_way.py`).

A line of the file that RPYC_KERNEL_CALLS names: nanoseconds of the monotonic clock, process, event, module, function.
A forked process goes on writing: the profile function is the thread's, and the file is opened for each line.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

AGENT = "_rpyc_kernel_agent_"  # the agent's package, where it is mounted
FILE = os.environ.get("RPYC_KERNEL_CALLS", "")


def own_name(frame: FrameType) -> str:
    """Name the module of a frame as it is called in the package; "" where it isn't one of ours."""
    name = str(frame.f_globals.get("__name__", ""))
    if name.startswith(AGENT):
        return "rpyc_kernel.agent" + name[len(AGENT) + 16 :]
    if frame.f_code.co_filename == "<rpyc-kernel boot>":
        return "rpyc_kernel.agent.boot"
    return name if name.partition(".")[0] == "rpyc_kernel" else ""


def write_down(frame: FrameType, event: str, _: Any) -> None:
    """Write one line where a function of ours is called, or where it returns, awaits or yields."""
    if event in ("call", "return") and (name := own_name(frame)):
        line = f"{time.monotonic_ns()} {os.getpid()} {event} {name} {frame.f_code.co_qualname}\n"
        try:
            file = os.open(FILE, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:  # the measurement has ended
            sys.setprofile(None)
            return
        os.write(file, line.encode())
        os.close(file)


if FILE:
    threading.setprofile(write_down)
    sys.setprofile(write_down)
