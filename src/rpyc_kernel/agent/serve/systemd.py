"""The service of systemd's that keeps the daemon running for its user: its unit, and how it says that it serves."""

from __future__ import annotations

import os
import socket

from ..memory_limit import OWN_GROUP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

NAME = "rpyc-kernel.service"
# KillMode=process: sessions belong to the service's control group, and stay when the daemon ends or is restarted.
# OOMPolicy=continue: a session that needs too much memory is no reason to end the service.
_UNIT = """\
# Written by rpyc-kernel install-serve, which writes it anew; changes belong into an own file: systemctl --user edit %s
[Unit]
Description=rpyc-kernel: lets notebooks on other machines run their cells here

[Service]
Type=notify
ExecStart=%s
Restart=on-failure
RestartSec=5
KillMode=process
OOMPolicy=continue
Delegate=yes
DelegateSubgroup=%s

[Install]
WantedBy=default.target
"""


def unit(command: List[str]) -> str:
    """Return the text of the unit that runs a command.

    Raises:
        ValueError: The command can't be written into a unit.
    """
    return _UNIT % (NAME, " ".join(map(_quoted, command)), OWN_GROUP)


def _quoted(word: str) -> str:
    """Return a word as systemd.syntax(7) reads it, with nothing in it that stands for something else."""
    if not word.isprintable():
        raise ValueError("%r has a character in it that no unit can hold" % word)
    for special, plain in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, plain)
    return '"%s"' % word


def say_ready() -> None:
    """Tell the service manager that the daemon serves, if one has started it (sd_notify(3))."""
    address = os.environ.pop("NOTIFY_SOCKET", "")  # sessions have nothing to say there
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            pass
