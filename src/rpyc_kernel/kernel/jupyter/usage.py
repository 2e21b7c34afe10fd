"""Makes the content of a ``usage_reply``: how much processor and memory the session and its machine use."""

from __future__ import annotations

import math
from typing import Any

from rpyc_kernel.transport.plain import plain

MEMORY = ("total", "available", "percent", "used", "free", "active", "inactive", "buffers", "cached", "wired")
GPU = ("percent", "memory", "memory_total", "temperature")
MAX_SENSORS = 16
MAX_NAME_CHARACTERS = 80
NUMBERS = ("pid", "kernel_cpu", "kernel_memory", "host_cpu_percent", "cpu_count")


def content(answer: dict[str, Any], reason: str = "") -> dict[str, Any]:
    """Return every field that front ends read, None where the other machine's *answer* has no number.

    Args:
        answer: The other machine's, checked here; {} if there is none.
        reason: Why nothing is known, a sentence that jupyter-resource-usage shows.
    """
    memory = answer.get("host_virtual_memory")
    memory = memory if isinstance(memory, dict) else {}
    found: dict[str, Any] = {"hostname": plain(str(answer.get("hostname") or ""), 253)}
    found.update({name: _number(answer.get(name)) for name in NUMBERS})
    found["host_virtual_memory"] = {name: _number(memory.get(name)) for name in MEMORY}
    found["temperatures"] = readings(answer.get("temperatures"))
    found["gpus"] = gpus(answer.get("gpus"))
    if reason:
        found["reason"] = reason
    return found


def readings(told: object) -> list[list[str | float]]:
    """Return the name and the figure of each sensor, in degrees Celsius, of what the other machine has told."""
    return [
        [plain(str(each[0]), MAX_NAME_CHARACTERS), figure]
        for each in (told[:MAX_SENSORS] if isinstance(told, list) else [])
        if isinstance(each, list) and len(each) == 2 and (figure := _number(each[1])) is not None
    ]


def gpus(told: object) -> list[dict[str, Any]]:
    """Return what is known of each graphics processor, of what the other machine has told."""
    return [
        {"name": plain(str(each.get("name", "")), MAX_NAME_CHARACTERS)}
        | {name: _number(each.get(name)) for name in GPU}
        for each in (told[:MAX_SENSORS] if isinstance(told, list) else [])
        if isinstance(each, dict)
    ]


def _number(value: object) -> float | None:
    if type(value) in (int, float) and math.isfinite(value) and abs(value) < 2**63:  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    return None
