"""Names this notebook and its user, for people who look at the sessions on the other machine."""

from __future__ import annotations

import os
from pathlib import PurePath

from rpyc_kernel.hosts.person import person


def notebook() -> str:
    """Return the notebook's name: ``walk`` for ``/home/ada/walk.ipynb``, "" where Jupyter doesn't tell."""
    return PurePath(os.environ.get("JPY_SESSION_NAME", "")).stem


def holder() -> str:
    """Return who holds a session: ``ada@laptop, walk``."""
    return ", ".join(filter(None, [person(), notebook()]))
