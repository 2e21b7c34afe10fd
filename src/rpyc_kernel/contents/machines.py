"""The machines that the file browser shows: saved ones, and those on which notebooks of this server run."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.contents.machine import BrowsedMachine
from rpyc_kernel.contents.paths import Place, place_of
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.hosts import file
from rpyc_kernel.hosts.target import Target
from rpyc_kernel.kernel.sessions.state_file import Known, StateFile
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSE_TIMEOUT_S = 5.0
LOCAL = ("local",)  # schemes of this machine's own Python: its files are the server's own


class MachineList:
    """All machines that can be named. Used on the event loop.

    Args:
        connect_timeout: Seconds in which a machine has to be reached.
        answer_timeout: Seconds for each piece of work.

    Attributes:
        kernels: Jupyter's manager of kernels, once there is one.
    """

    def __init__(self, connect_timeout: float, answer_timeout: float) -> None:
        self.kernels: Any = None
        self._timeouts = connect_timeout, answer_timeout
        self._known: dict[str, BrowsedMachine] = {}

    def targets(self) -> Mapping[str, Target]:
        """Return where each machine is, by its name. Nothing is dialled."""
        found = _saved()
        for kernel_id in self.kernels.list_kernel_ids() if self.kernels else ():
            target = self._of_kernel(kernel_id, found)
            if target is not None:
                found.setdefault(name_of(target), target)
        return found

    def place(self, api_path: str) -> Place | None:
        """Return the place that a path of the contents API means; None for what is this machine's own.

        Raises:
            ValueError: It begins with a machine, and can't be a path.
        """
        return place_of(api_path, self.targets()) if ":" in api_path.strip("/").partition("/")[0] else None

    def machine(self, name: str) -> BrowsedMachine:
        """Return the machine of that name, one of `targets`."""
        target = self.targets()[name]
        known = self._known.get(name)
        if known is None or known.target != target:  # the user has changed what was saved
            if known is not None:
                known.abandon()
            known = self._known[name] = BrowsedMachine(name, target, *self._timeouts)
        return known

    def runs_on(self, kernel_id: str) -> Target | None:
        """Return the other machine on which a kernel of ours runs its cells; None for any other kernel."""
        return self._of_kernel(kernel_id, _saved())

    def has_left(self, kernel_id: str) -> bool:
        """Tell whether a kernel of ours has been on another machine, and is on none now."""
        known = self._known_of(kernel_id)
        return known.named and not known.address

    def _known_of(self, kernel_id: str) -> Known:
        try:
            return StateFile(self.kernels.get_kernel(kernel_id).connection_file).known
        except Exception:  # noqa: BLE001 - kernels of any kind: one that is none of ours, or has ended meanwhile
            return Known()

    def _of_kernel(self, kernel_id: str, saved: Mapping[str, Target]) -> Target | None:
        known = self._known_of(kernel_id)
        try:
            address = Address.parse(known.address)
        except RpycKernelError:
            return None
        if address.scheme in LOCAL:
            return None
        for target in saved.values():
            if str(target.address) == str(address):
                return target
        options = {name: known.config[name] for name in ("python", "cwd", "env") if known.config.get(name)}
        return Target(address, options)

    def close(self) -> None:
        """End the sessions of machines that can be reached. It may block for a few seconds."""
        closing = [threading.Thread(target=machine.close, daemon=True) for machine in self._known.values()]
        for each in closing:
            each.start()
        end = time.monotonic() + CLOSE_TIMEOUT_S
        for each in closing:
            each.join(max(0.0, end - time.monotonic()))


def name_of(target: Target) -> str:
    """Return the name that begins the paths of a machine; that of an address has no slashes in it."""
    return target.name or target.display.replace("://", ":").replace("/", "_")


def _saved() -> dict[str, Target]:
    try:
        hosts = file.load()
    except RpycKernelError:  # whoever uses the file is told of it
        return {}
    found = {}
    for name, host in hosts.items():
        try:
            found[name] = Target(*host.where, host.name)
        except RpycKernelError:
            continue
    return {name: target for name, target in found.items() if target.address.scheme not in LOCAL}
