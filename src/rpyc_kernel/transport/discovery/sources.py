"""Finds machines to connect to, as far as anybody here knows: all sources are asked at once. None of them connects.

A source is a function that gets a deadline, and returns what it has found. It raises a RpycKernelError, whose sentence
says why it could not look; a source that isn't there for this user (no adb, no ssh configuration) finds nothing.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, NamedTuple

from rpyc_kernel.errors import DialCancelledError, RpycKernelError, SourceError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S, Deadline
from rpyc_kernel.transport.discovery import adb, mdns, ssh_config
from rpyc_kernel.transport.discovery.found import MAX_FOUND, FoundMachine
from rpyc_kernel.transport.discovery.registry import TIMEOUT_S as REGISTRY_TIMEOUT_S
from rpyc_kernel.transport.discovery.registry import discover
from rpyc_kernel.transport.plain import aligned, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    Source = Callable[[Deadline], list[FoundMachine]]

TIMEOUT_S = 5.0  # for all of them
MARGIN_S = 0.5  # by which each ends earlier, so that what it has found, or why it has nothing, is heard


class Findings(NamedTuple):
    """The machines found, in the order of the sources, and a sentence for each source that could not look."""

    machines: tuple[FoundMachine, ...]
    troubles: tuple[str, ...] = ()


REGISTRY = "registry"  # as the source of a machine, whose name is a service's then
last = Findings(())
"""The findings of the last look in this process: completion suggests them."""


def look(timeout: float = TIMEOUT_S, cancel: threading.Event | None = None) -> Findings:
    """Ask RPyC's registries, mDNS, adb and the user's ssh configuration, all at once.

    Args:
        timeout: Seconds for all of it.
        cancel: Ends it early.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    sources: dict[str, Source] = {
        REGISTRY: _registered,
        "mDNS": mdns.browse,
        "adb": adb.devices,
        "ssh config": ssh_config.hosts,
    }
    global last
    last = ask_all(sources, Deadline(timeout, cancel))
    return last


def ask_all(sources: dict[str, Source], deadline: Deadline) -> Findings:
    """Ask *sources*, which have names, all at once. Raises DialCancelledError where the deadline's event was set."""
    theirs = deadline.part(max(0.0, (deadline.timeout or TIMEOUT_S) - MARGIN_S))
    answers: queue.SimpleQueue[tuple[str, list[FoundMachine] | str]] = queue.SimpleQueue()

    def ask(name: str, source: Source) -> None:
        try:
            answers.put((name, source(theirs)[:MAX_FOUND]))
        except RpycKernelError as error:
            answers.put((name, str(error)))
        except Exception as error:  # noqa: BLE001 - of another package, or of a system that is otherwise
            reason = f"{type(error).__name__}: {error}"
            answers.put((name, str(SourceError(name, plain(reason, 200)))))

    for each in sources.items():
        threading.Thread(target=ask, args=each, name=f"rpyc-kernel-discover-{each[0]}", daemon=True).start()
    heard: dict[str, list[FoundMachine] | str] = {}
    while len(heard) < len(sources) and not deadline.expired:
        if deadline.cancelled:
            raise DialCancelledError("the machines around")
        try:
            name, answer = answers.get(timeout=POLL_INTERVAL_S)
        except queue.Empty:
            continue
        heard[name] = answer
    late = {name: str(SourceError(name, "no answer in time")) for name in sources}
    told = [heard.get(name, late[name]) for name in sources]
    return Findings(
        tuple(machine for answer in told if not isinstance(answer, str) for machine in answer),
        tuple(answer for answer in told if isinstance(answer, str)),
    )


def _registered(deadline: Deadline) -> list[FoundMachine]:
    found = discover(timeout=REGISTRY_TIMEOUT_S, cancel=deadline.cancel)
    pairs = [(name, Address("rpyc", *server)) for name, servers in found.items() for server in servers]
    return [FoundMachine(REGISTRY, name, str(address)) for name, address in pairs]


def table(found: Findings) -> str:
    """Show what was found in aligned columns, and below it why a source could not look."""
    rows = [("found by", "name", "address", "")]
    rows += [(each.source, plain(each.name), each.address, plain(each.note, 200)) for each in found.machines]
    lines = [aligned(rows)] if found.machines else ["Nothing was found."]
    return "\n".join([*lines, *found.troubles])
