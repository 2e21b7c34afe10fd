"""``%info``: what the machine is on which cells run, and how it is."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.jupyter import usage
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import aligned, plain
from rpyc_kernel.values.describe import size_text

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.sessions.session import RemoteSession

GPU_TIMEOUT_S = 3.0  # in which a program may say how graphics processors are
GPU_POLL_INTERVAL_S = 0.2
MAX_CHARACTERS = 200


@command(
    "info",
    "Tells what the machine is on which cells run: model, system, Python, processor, memory, disk, temperature, GPU.",
    examples=("%info",),
)
async def info(context: CommandContext) -> str:
    """Tell what the machine is, and how it is."""
    session = await context.sessions.resolve(context.cell)
    if session.status is LinkStatus.LOST:
        await context.blocking(session.wait_up)
    machine, figures = await context.blocking(lambda cancel: _ask(session, cancel))
    return describe(session.name, session.info, machine, figures)


def _ask(session: RemoteSession, cancel: threading.Event) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask the machine; once more where a program there has not yet said how its graphics processors are."""
    end = time.monotonic() + GPU_TIMEOUT_S
    machine, _packets = session.ask("machine", {})
    while machine.get("gpu_pending") is True and time.monotonic() < end and not cancel.wait(GPU_POLL_INTERVAL_S):
        machine, _packets = session.ask("machine", {})
    return machine, session.ask("usage", {})[0]


def describe(name: str, info: dict[str, Any], machine: dict[str, Any], figures: dict[str, Any]) -> str:
    """Return what is known as lines; what the other machine has told is checked here.

    Args:
        name: The machine, as the user calls it.
        info: The session's ``session_info``.
        machine: The keeper's answer to ``machine``.
        figures: The keeper's answer to ``usage``.
    """

    def text(field: object) -> str:
        return plain(str(field), MAX_CHARACTERS) if isinstance(field, str) else ""

    known = usage.content(figures)
    shell = "" if info.get("shell", "plain") == "plain" else text(info.get("shell"))
    rows = {
        "model": text(machine.get("model")),
        "system": _joined(", ", text(machine.get("os")), text(machine.get("kernel"))),
        "Python": _joined(", ", text(info.get("python")), shell, text(info.get("executable"))),
        "processor": _joined(", ", _processor(text(machine.get("cpu")), known["cpu_count"]), _load(machine)),
        "memory": _room("available", known["host_virtual_memory"]["available"], known["host_virtual_memory"]["total"]),
        "disk": _disk(machine.get("disk")),
        "temperature": ", ".join(f"{sensor} {degrees:.1f} °C" for sensor, degrees in known["temperatures"]),
        "GPU": "; ".join(map(_gpu, known["gpus"])),
        "up": "" if (up := _number(machine.get("uptime"))) is None else listing.duration(up),
    }
    host = text(machine.get("host"))
    title = name if host in ("", name) else f"{host} ({name})"
    return "\n".join([title, aligned([(field, value) for field, value in rows.items() if value])])


def _processor(model: str, count: float | None) -> str:
    if not count:
        return model
    return f"{model}, {count:.0f} of them" if model else f"{count:.0f} processor{'s' * (count > 1)}"


def _load(machine: dict[str, Any]) -> str:
    load = machine.get("load")
    figures = [figure for each in load if (figure := _number(each)) is not None] if isinstance(load, list) else []
    return "load " + " ".join(f"{figure:.2f}" for figure in figures[:3]) if figures else ""


def _disk(told: object) -> str:
    if not isinstance(told, dict):
        return ""
    room = _room("free", _number(told.get("free")), _number(told.get("total")))
    return room and f"{room} at {plain(str(told.get('path', '')), MAX_CHARACTERS)}"


def _gpu(card: dict[str, Any]) -> str:
    parts = [
        card["name"],
        "" if card["percent"] is None else f"{card['percent']:.0f} % busy",
        "" if card["memory"] is None else f"{size_text(card['memory'])} used" + _of(card["memory_total"]),
        "" if card["temperature"] is None else f"{card['temperature']:.0f} °C",
    ]
    return ", ".join(filter(None, parts))


def _room(word: str, free: float | None, total: float | None) -> str:
    return "" if free is None else f"{size_text(free)}{_of(total)} {word}"


def _of(total: float | None) -> str:
    return "" if total is None else f" of {size_text(total)}"


def _joined(comma: str, *parts: str) -> str:
    return comma.join(filter(None, parts))


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 2.0**63:
        return float(value)
    return None
