"""What a session's machine is and how it is: for ``%info``, and in part for ``usage_request``.

Nothing is installed for it. What isn't known is left out: on Linux most is read from ``/proc`` and ``/sys``, elsewhere
little is known.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time

from .gpu import Gpu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    Json = Dict[str, Any]

MODELS = ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model")  #: of boards
DMI = "/sys/class/dmi/id/"  #: of PCs
#: what makers write where they have nothing to say
NOTHING = (
    "",
    "default string",
    "none",
    "not specified",
    "system product name",
    "system manufacturer",
    "to be filled by o.e.m.",
)
MAX_SENSORS = 16
MIN_CELSIUS, MAX_CELSIUS = -60.0, 200.0  #: another figure is none; a sensor without power tells such


class MachineFacts:
    """Finds out about the machine.

    Args:
        root: The folder in which ``/proc``, ``/sys`` and ``/etc`` are.

    Attributes:
        gpu: Knows its graphics processors.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self.gpu = Gpu(root)

    def describe(self, pid: Optional[int]) -> Json:
        """Describe it; fields that aren't known are left out.

        Args:
            pid: The worker's, in whose folder the disk is looked at.
        """
        found: Json = {
            "host": socket.gethostname(),
            "model": self._model(),
            "os": self._os(),
            "kernel": " ".join(filter(None, (platform.system(), platform.release(), platform.machine()))),
            "python": platform.python_version(),
            "executable": sys.executable,
            "cpu": self._processor(),
            "cpu_count": os.cpu_count(),
            "load": _load(),
            "uptime": self._uptime(),
            "disk": _disk(pid),
            "temperatures": self.temperatures(),
            "gpus": self.gpu.figures(),
            "gpu_pending": self.gpu.pending,
        }
        return {name: value for name, value in found.items() if value or value == 0.0}

    def temperatures(self) -> List[Tuple[str, float]]:
        """The names of the sensors that there are, and what they tell in degrees Celsius."""
        found = []
        for folder, name_of, wanted in (("thermal", "type", "thermal_zone"), ("hwmon", "name", "hwmon")):
            base = "%s/sys/class/%s" % (self._root, folder)
            for entry in _entries(base, wanted):
                sensor = os.path.join(base, entry)
                name = _read(os.path.join(sensor, name_of)) or entry
                inputs = (
                    ["temp"]
                    if folder == "thermal"
                    else [each for each in _entries(sensor, "temp") if each.endswith("_input")]
                )
                for each in inputs:
                    label = _read(os.path.join(sensor, each.replace("_input", "_label"))) if folder == "hwmon" else ""
                    celsius = _celsius(_read(os.path.join(sensor, each)))
                    if celsius is not None:
                        found.append((" ".join(filter(None, (name, label))), celsius))
        return found[:MAX_SENSORS]

    def _model(self) -> str:
        for path in MODELS:
            model = _read(self._root + path)
            if model:
                return model
        words = [_read(self._root + DMI + name) for name in ("sys_vendor", "product_name")]
        return " ".join(word for word in words if word.lower() not in NOTHING)

    def _os(self) -> str:
        if sys.platform == "darwin":
            return "macOS " + platform.mac_ver()[0]
        if os.name == "nt":  # before all files: on the drive of a Wine there are Linux's
            return "Windows %d.%d.%d" % sys.getwindowsversion()[:3]  # type: ignore[attr-defined]
        for path in ("/etc/os-release", "/usr/lib/os-release"):
            for line in _read(self._root + path).splitlines():
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip("\"'")
        return ""

    def _processor(self) -> str:
        for line in _read(self._root + "/proc/cpuinfo").splitlines():
            name, _colon, value = line.partition(":")
            if name.strip().lower() in ("model name", "cpu model", "uarch"):
                return value.strip()
        return os.environ.get("PROCESSOR_IDENTIFIER", "")  # of Windows

    def _uptime(self) -> Optional[float]:
        try:
            return float(_read(self._root + "/proc/uptime").split()[0])
        except (ValueError, IndexError):
            pass
        return time.monotonic() if os.name == "nt" else None  # which begins there with the machine


def _read(path: str) -> str:
    """The text of a small file, without what ends it; "" where it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace").strip("\0 \n\t")
    except OSError:
        return ""


def _entries(folder: str, prefix: str) -> List[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.startswith(prefix))
    except OSError:
        return []


def _celsius(text: str) -> Optional[float]:
    """Degrees of a text in thousandths; some old kernels write whole ones."""
    try:
        figure = float(text)
    except ValueError:
        return None
    celsius = figure / 1000.0 if abs(figure) >= MAX_CELSIUS else figure
    return celsius if MIN_CELSIUS < celsius < MAX_CELSIUS else None


def _load() -> Optional[List[float]]:
    try:
        return list(os.getloadavg())
    except (OSError, AttributeError):
        return None


def _disk(pid: Optional[int]) -> Optional[Json]:
    """How large the disk is on which the worker's folder lies, and how much of it is free for this user."""
    try:
        path = os.readlink("/proc/%d/cwd" % pid) if pid is not None else os.path.expanduser("~")
    except OSError:
        path = os.path.expanduser("~")
    try:
        if hasattr(os, "statvfs"):
            found = os.statvfs(path)
            return {"path": path, "total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize}
        import shutil  # late: on Windows alone

        usage = shutil.disk_usage(path)
        return {"path": path, "total": usage.total, "free": usage.free}
    except OSError:
        return None
