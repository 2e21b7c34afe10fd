"""What this notebook and its user are called, for whoever looks at the sessions on the other machine."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import PurePath


def notebook() -> str:
    """The notebook's name, as far as Jupyter has told it: ``walk`` for ``/home/ada/walk.ipynb``."""
    return PurePath(os.environ.get("JPY_SESSION_NAME", "")).stem


def holder() -> str:
    """Who holds a session: ``ada@laptop, walk``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return ", ".join(filter(None, [f"{user}@{socket.gethostname()}", notebook()]))
