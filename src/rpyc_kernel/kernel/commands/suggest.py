"""Suggests what may stand in a command: machines, sessions and files, without dialling a machine anew."""

from __future__ import annotations

import asyncio
import builtins
import keyword
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import HostsFileError, RpycKernelError
from rpyc_kernel.hosts import file, recent
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rpyc_kernel.kernel.commands.complete import Argument
    from rpyc_kernel.kernel.commands.context import SessionSource
    from rpyc_kernel.kernel.commands.spec import Suggests
    from rpyc_kernel.kernel.sessions.session import RemoteSession

MAX_FILES = 1000
TIMEOUT_S = 1.0  # a folder of the user's may be on a network, too


async def suggestions(argument: Argument, source: SessionSource) -> list[str]:
    """Return what may stand in place of what was typed of *argument*; nothing where that takes too long."""
    session, cancel = source.current, threading.Event()
    finders: dict[Suggests, Callable[[], Iterable[str]]] = {
        "machine": lambda: machines(source),
        "connected": lambda: [session.label for session in source.hosts().sessions],
        "session": source.session_names,
        "file": lambda: files(argument.typed),
        "remote file": lambda: remote_files(session, argument.typed, cancel),
        "either file": lambda: {*files(argument.typed), *remote_files(session, argument.typed, cancel)},
    }
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.to_thread(finders[argument.suggests])
    except TimeoutError:
        cancel.set()
        return []
    typed = argument.typed.lower()
    shown = [text for text in found if text.lower().startswith(typed)]
    return shown if argument.quoted else [f'"{text}"' if " " in text else text for text in shown]


def machines(source: SessionSource) -> list[str]:
    """Return machines, each once: the saved, the notebook's, those of other notebooks, and those that were found."""
    from rpyc_kernel.transport.discovery import sources, ssh_config  # noqa: PLC0415 - a first cell needs none

    hosts = source.hosts()
    known: list[str] = []
    with suppress(HostsFileError):
        known += file.load()
    known += [name for session in hosts.sessions for name in (session.label, session.name)]
    known += [*hosts.left, *recent.load()]
    known += [machine.address for machine in sources.last.machines if machine.address]
    known += [f"service:{machine.name}" for machine in sources.last.machines if machine.source == sources.REGISTRY]
    with suppress(RpycKernelError):
        known += [machine.address for machine in ssh_config.hosts(Deadline(TIMEOUT_S))]
    return [*dict.fromkeys(known)]


def files(typed: str) -> list[str]:
    """Return the paths of this machine that may begin with *typed*, folders with a slash behind them."""
    before, name = _split(typed)
    with suppress(OSError, RuntimeError):  # RuntimeError: nobody's home
        entries = sorted(each for each in Path(before or ".").expanduser().iterdir() if _begins(each.name, name))
        return [f"{before}{path.name}{'/' if path.is_dir() else ''}" for path in entries[:MAX_FILES]]
    return []


def remote_files(session: RemoteSession | None, typed: str, cancel: threading.Event) -> list[str]:
    """Return the same of the other machine, if it can be asked now."""
    if session is None or session.status is not LinkStatus.UP:
        return []
    from rpyc_kernel.agent.files.entries import FOLDER, encoded  # noqa: PLC0415 - most notebooks copy nothing
    from rpyc_kernel.files.remote import RemoteFiles  # noqa: PLC0415

    before, name = _split(typed)
    with suppress(RpycKernelError):
        listed = RemoteFiles(session, cancel, session.name).listed(encoded(before or "."))
        found = sorted((each.shown, each.kind == FOLDER) for each in listed if _begins(each.shown, name))
        return [f"{before}{shown}{'/' * folder}" for shown, folder in found[:MAX_FILES]]
    return []


def _split(typed: str) -> tuple[str, str]:
    """Return the folder with its slash, and the beginning of a name in it."""
    folder, slash, name = typed.rpartition("/")
    return folder + slash, name


def _begins(name: str, typed: str) -> bool:
    """Tell whether a name may be meant: one that begins with a dot only where the dot was typed."""
    return name.lower().startswith(typed.lower()) and (typed.startswith(".") or not name.startswith("."))


def of_expression(reply: Mapping[str, Any], argument: Argument) -> tuple[list[str], int]:
    """Return what may stand in place of an expression that is being typed, and where that begins in the cell.

    Args:
        reply: What a Python has answered to the expression alone.
        argument: The expression.
    """
    matches, start = reply.get("matches"), reply.get("cursor_start")
    if not isinstance(matches, list) or type(start) is not int or not 0 <= start <= len(argument.typed):
        return [], argument.start
    found = [each for each in matches if isinstance(each, str) and each[:1] != "%"]
    if argument.typed[start:].isidentifier() or start == len(argument.typed) == 0:  # a name, and none that all have
        found = [each for each in found if not (keyword.iskeyword(each) or hasattr(builtins, each.rstrip("=(")))]
        found = [each for each in found if each[:1] != "_" or argument.typed[:1] == "_"]
    return found, argument.start + start
