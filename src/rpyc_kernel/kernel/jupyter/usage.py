"""Makes the content of a ``usage_reply``: how much processor and memory the session and its machine use."""

from __future__ import annotations

import math
from typing import Any

from rpyc_kernel.transport.plain import plain

MEMORY = ("total", "available", "percent", "used", "free", "active", "inactive", "buffers", "cached", "wired")
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
    if reason:
        found["reason"] = reason
    return found


def _number(value: object) -> float | None:
    if type(value) in (int, float) and math.isfinite(value) and abs(value) < 2**63:  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    return None
