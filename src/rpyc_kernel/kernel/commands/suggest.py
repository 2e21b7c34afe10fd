"""Suggests machines and sessions for completion in a command: those known here, without dialling anybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.errors import HostsFileError, RpycKernelError
from rpyc_kernel.hosts import file, recent
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import sources, ssh_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rpyc_kernel.kernel.commands.complete import Argument
    from rpyc_kernel.kernel.commands.context import SessionSource
    from rpyc_kernel.kernel.commands.spec import Suggests

MAX_FILES = 1000
TIMEOUT_S = 1.0  # a folder of the user's may be on a network, too


async def suggestions(argument: Argument, source: SessionSource) -> list[str]:
    """Return what may stand in place of what was typed of *argument*; nothing where that takes too long."""
    finders: dict[Suggests, Callable[[], Iterable[str]]] = {
        "machine": lambda: machines(source),
        "connected": lambda: [session.label for session in source.hosts().sessions],
        "session": source.session_names,
        "file": lambda: files(argument.typed),
    }
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.to_thread(finders[argument.suggests])
    except TimeoutError:
        return []
    typed = argument.typed.lower()
    shown = [text for text in found if text.lower().startswith(typed)]
    return shown if argument.quoted else [f'"{text}"' if " " in text else text for text in shown]


def machines(source: SessionSource) -> list[str]:
    """Return machines, each once: the saved, the notebook's, those of other notebooks, and those that were found."""
    hosts = source.hosts()
    known: list[str] = []
    with suppress(HostsFileError):
        known += file.load()
    known += [*(session.name for session in hosts.sessions), *hosts.left, *recent.load()]
    known += [machine.address for machine in sources.last.machines if machine.address]
    known += [f"service:{machine.name}" for machine in sources.last.machines if machine.source == sources.REGISTRY]
    with suppress(RpycKernelError):
        known += [machine.address for machine in ssh_config.hosts(Deadline(TIMEOUT_S))]
    return [*dict.fromkeys(known)]


def files(typed: str) -> list[str]:
    """Return the paths of this machine that begin with *typed*, folders with a slash behind them."""
    folder, _slash, _name = typed.rpartition("/")
    before = typed[: len(folder) + 1] if "/" in typed else ""
    with suppress(OSError):
        entries = sorted(Path(before or ".").expanduser().iterdir())
        return [f"{before}{path.name}{'/' if path.is_dir() else ''}" for path in entries][:MAX_FILES]
    return []
