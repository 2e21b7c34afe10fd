"""How busy graphics processors are. A program is asked in the background, so that nobody waits for it.

Jetson boards and AMD's driver tell it in ``/sys``; for NVIDIA's cards there is ``nvidia-smi``, which may take a second.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Json = Dict[str, Any]

PROGRAM = "nvidia-smi"
QUERY = ("--query-gpu=name,utilization.gpu,memory.used,memory.total,temperature.gpu", "--format=csv,noheader,nounits")
FRESH_S = 2.0  #: that figures of the program are good
TIMEOUT_S = 10.0  #: that it may take
MAX_OUTPUT_BYTES = 1 << 16
MAX_GPUS = 16
LOADS = ("/sys/devices/gpu.0/load", "/sys/devices/platform/gpu.0/load")  #: of Jetson boards, in thousandths


class Gpu:
    """Knows the graphics processors of this machine.

    Args:
        root: The folder in which ``/sys`` is.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._program = _find(PROGRAM)
        self._found: List[Json] = []  # by the program
        self._asked = 0.0
        self._pid = self._pipe = 0
        self._output = b""

    def figures(self) -> List[Json]:
        """What is known of each: ``name``, ``percent`` busy, bytes of ``memory`` of ``memory_total``, ``temperature``.

        What the program says comes with a later question.
        """
        found = self._of_sys()
        if self._program:
            self._follow()
            if not self._pid and time.monotonic() - self._asked > FRESH_S:
                self._ask()
            found += self._found
        return found[:MAX_GPUS]

    @property
    def pending(self) -> bool:
        """Whether more will be known in a moment."""
        return bool(self._pid) and not self._found

    def _of_sys(self) -> List[Json]:
        found: List[Json] = []
        for path in LOADS:
            load = _number(self._root + path)
            if load is not None:
                found.append({"name": "Jetson", "percent": load / 10.0})
                break
        cards = self._root + "/sys/class/drm"
        try:
            names = sorted(name for name in os.listdir(cards) if name.startswith("card") and "-" not in name)
        except OSError:
            names = []
        for name in names:
            device = os.path.join(cards, name, "device")
            percent = _number(os.path.join(device, "gpu_busy_percent"))
            if percent is not None:
                memory = [_number(os.path.join(device, "mem_info_vram_" + what)) for what in ("used", "total")]
                found.append({"name": name, "percent": percent, "memory": memory[0], "memory_total": memory[1]})
        return found

    # the program

    def _ask(self) -> None:
        """Start it. There is no `subprocess`, which would take a third of a MiB of the keeper."""
        self._asked = time.monotonic()
        try:
            reader, writer = os.pipe()
            pid = os.fork()
        except (OSError, AttributeError):
            return
        if pid == 0:
            try:
                nothing = os.open(os.devnull, os.O_RDWR)
                for fd, target in ((nothing, 0), (writer, 1), (nothing, 2)):
                    os.dup2(fd, target)
                os.setsid()
                os.execv(self._program, [self._program, *QUERY])
            finally:
                os._exit(127)
        os.close(writer)
        os.set_blocking(reader, False)
        self._pid, self._pipe, self._output = pid, reader, b""

    def _follow(self) -> None:
        """Take what it has said, if it has ended; end one that takes too long."""
        if not self._pid:
            return
        try:
            while True:
                data = os.read(self._pipe, 1 << 14)
                if not data or len(self._output) > MAX_OUTPUT_BYTES:
                    break
                self._output += data
        except BlockingIOError:
            if time.monotonic() - self._asked < TIMEOUT_S:
                return
            self._output = b""
        except OSError:
            self._output = b""
        os.close(self._pipe)
        for finish in (lambda: os.kill(self._pid, signal.SIGKILL), lambda: os.waitpid(self._pid, 0)):
            try:
                finish()
            except OSError:
                pass
        self._pid = 0
        self._found = read_query(self._output.decode("utf-8", "replace"))


def read_query(text: str) -> List[Json]:
    """What the program has said, a card in each line; a figure that it doesn't know is None."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 5:
            continue
        percent, used, total, temperature = [_float(field) for field in fields[1:]]
        card: Json = {"name": fields[0], "percent": percent, "temperature": temperature}
        card.update(memory=used and used * 1048576, memory_total=total and total * 1048576)
        found.append(card)
    return found


def _float(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None


def _number(path: str) -> Optional[float]:
    try:
        with open(path, "rb") as file:
            return float(file.read(64))
    except (OSError, ValueError):
        return None


def _find(program: str) -> str:
    """The path of a program, "" where it isn't installed, or can't be run beside this process."""
    if not hasattr(os, "fork"):
        return ""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, program)
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    return ""
