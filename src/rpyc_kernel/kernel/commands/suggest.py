"""Suggests machines and sessions for completion in a command: those known here, without dialling anybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from rpyc_kernel.errors import HostsFileError, RpycKernelError
from rpyc_kernel.hosts import file, recent
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import sources, ssh_config

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.complete import Argument
    from rpyc_kernel.kernel.commands.context import SessionSource

TIMEOUT_S = 1.0  # a folder of the user's may be on a network, too


async def suggestions(argument: Argument, source: SessionSource) -> list[str]:
    """Return what may stand in place of what was typed of *argument*; nothing where that takes too long."""
    find = partial(machines, source) if argument.suggests == "machine" else source.session_names
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.to_thread(find)
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
    with suppress(RpycKernelError):
        known += [machine.address for machine in ssh_config.hosts(Deadline(TIMEOUT_S))]
    return [*dict.fromkeys(known)]
