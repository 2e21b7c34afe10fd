"""What this machine calls itself and its user; another machine may call itself the same."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple


def place() -> Tuple[str, str]:
    """The names of the machine and of the user, as a broker's ``hello`` has them; "" for a user who isn't known."""
    return socket.gethostname(), os.environ.get("USER") or os.environ.get("USERNAME") or ""
