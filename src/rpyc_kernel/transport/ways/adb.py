"""``adb://serial``: to a board on USB that Android's debug bridge knows, by ``adb shell``.

``adb shell -T`` passes bytes as they are in both directions; without -T there is a terminal in between, and
``exec-out`` passes nothing that goes there.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AddressError, DialError, ProgramError, RpycKernelError
from rpyc_kernel.transport import remote_python, syntax
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import adb as discovery
from rpyc_kernel.transport.program import ProgramEnd, ProgramTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST_TIMEOUT_S = 5.0
MAX_LISTED = 20


class Adb(ProgramTransport):
    """``host`` is the board's serial number; "" where there is only one board."""

    takes_user = False

    def parse(self, text: str, rest: str) -> Address:
        """Take *rest* for a serial number, or for none. Raises AddressError."""
        serial = rest.removesuffix("/")
        if serial and not re.fullmatch(r"\w[\w.:-]*", serial, re.ASCII):
            raise AddressError(f'{syntax.shown(text)}: that is no serial number, as "adb devices" lists them.')
        return Address(self.scheme, serial)

    def text(self, address: Address) -> str:
        """Return ``adb://serial``."""
        return f"{self.scheme}://{address.host}"

    def command(self, address: Address) -> Sequence[str]:
        """Return ``adb shell …``. The other end is a shell already."""
        return [*_adb(address), "shell", "-T", remote_python.SHELL]

    def install_hint(self) -> str:
        """Return how to install it."""
        return "Install Android's platform tools (on Debian: sudo apt install adb)."

    def explain(self, address: Address, outcome: ProgramEnd) -> DialError | None:
        """Return the error for what adb has said."""
        said = outcome.errors
        told = mend = ""
        if "more than one device" in said:
            told = "several boards are connected."
            mend = f"Say which one: {', '.join(_boards()) or 'adb devices lists them'}"
        elif "no devices" in said:
            told = "no board is connected by USB, or it has debugging switched off."
            mend = "adb devices lists those that are."
        elif re.search(r"device '.*' not found|device not found", said):
            known = ", ".join(_boards())
            told = f"no such board is connected; these are: {known}" if known else "no such board is connected."
        elif "unauthorized" in said:
            told, mend = "that board has not allowed this machine to debug it.", "Accept it on the board's screen."
        elif "offline" in said:
            told, mend = "that board is offline.", "Unplug it, plug it in again, and look at: adb devices"
        elif re.search(r"-T|PTY", said):
            told = "its debug bridge is too old to pass bytes unchanged (it has no shell protocol)."
            forward = f"{shlex.join([*_adb(address), 'forward'])} tcp:18812 tcp:18812"
            mend = f"Start a server on its loopback, run here: {forward}, and connect to localhost."
        return ProgramError(address, told, mend) if told else None


def _adb(address: Address) -> list[str]:
    """Return the beginning of a command for the board at *address*."""
    return ["adb", "-s", address.host] if address.host else ["adb"]


def _boards() -> list[str]:
    """Return the addresses of the boards that adb lists; none where it doesn't."""
    try:
        found = discovery.devices(Deadline(LIST_TIMEOUT_S))
    except RpycKernelError:
        return []
    return [each.address for each in found if each.address][:MAX_LISTED]


TRANSPORT = Adb("adb")
