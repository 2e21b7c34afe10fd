"""Boards on USB, as ``adb devices`` lists them, where adb is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import SourceError
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S
from rpyc_kernel.transport.discovery.found import FoundMachine, usable

if TYPE_CHECKING:
    from rpyc_kernel.transport.deadline import Deadline

MAX_OUTPUT_BYTES = 64 << 10
NOTES = {
    "unauthorized": "unauthorized: allow this computer on the device's screen",
    "offline": "offline: unplug it and plug it in again",
    "no": "no permissions: adb may not use the USB device; its udev rules are missing",
}


def devices(deadline: Deadline) -> list[FoundMachine]:
    """Return the devices. Raises SourceError where adb fails, or doesn't end in time."""
    adb = shutil.which("adb")
    return read(_output(adb, deadline)) if adb else []


def _output(adb: str, deadline: Deadline) -> str:
    # Into a file: the first call starts adb's own server, which would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [adb, "devices"], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise SourceError("adb", error.strerror or str(error)) from None
        try:
            while process.poll() is None and not (deadline.expired or deadline.cancelled):
                time.sleep(POLL_INTERVAL_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
                raise SourceError("adb", "it did not end in time")
        if process.returncode:
            raise SourceError("adb", f"`adb devices` ended with exit code {process.returncode}")
        output.seek(0)
        return output.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace")


def read(text: str) -> list[FoundMachine]:
    """Return the devices in the output of ``adb devices``: below its title, one a line, with its state behind a tab."""
    found = []
    for line in text.partition("List of devices attached")[2].splitlines():
        serial, _, state = (part.strip() for part in line.partition("\t"))
        if state == "device" and (address := usable(f"adb://{serial}")):
            found.append(FoundMachine("adb", serial, address))
        elif serial and state not in ("", "device"):
            found.append(FoundMachine("adb", serial, "", NOTES.get(state.split()[0], state)))
    return found
