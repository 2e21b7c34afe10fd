"""Names this notebook and its user, for people who look at the sessions on the other machine."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import PurePath


def notebook() -> str:
    """Return the notebook's name: ``walk`` for ``/home/ada/walk.ipynb``, "" where Jupyter doesn't tell."""
    return PurePath(os.environ.get("JPY_SESSION_NAME", "")).stem


def holder() -> str:
    """Return who holds a session: ``ada@laptop, walk``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return ", ".join(filter(None, [f"{user}@{socket.gethostname()}", notebook()]))
