"""Names who sits here, for people who share a machine."""

from __future__ import annotations

import getpass
import os
import socket


def person() -> str:
    """Return the user and this machine: ``ada@laptop``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()}"
