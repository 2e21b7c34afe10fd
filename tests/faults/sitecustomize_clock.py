"""Python's clocks, moved by whoever writes into a file. `clocks.py` puts it where a process imports it."""

import mmap
import os
import struct
import time
from pathlib import Path


def _moved(clock, file, place):
    return lambda: clock() + struct.unpack_from("d", file, place)[0]


def _move() -> None:
    with Path(os.environ["RK_CLOCKS"]).open("rb") as opened:
        file = mmap.mmap(opened.fileno(), 16, prot=mmap.PROT_READ)
    time.time = _moved(time.time, file, 0)
    time.monotonic = _moved(time.monotonic, file, 8)


if os.environ.get("RK_CLOCKS"):
    _move()
