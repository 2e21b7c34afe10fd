"""Describe the machine that the figures come from, without names and paths."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.table import TIMES


def describe() -> str:
    """Describe processor, memory, system, versions and load in one paragraph."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("ipykernel", "ipython", "rpyc", "jupyter_client"))
    release = platform.release().partition("-")[0]  # without what its builder added
    return (
        f"{os.cpu_count()} {TIMES} {_processor()}, {_memory():.0f} GiB, {platform.system()} {release}, "
        f"{platform.python_implementation()} {platform.python_version()}, {versions}. "
        f"Load at the start of the run: {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> float:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) / (1 << 20)
    return 0.0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
