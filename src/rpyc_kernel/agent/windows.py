"""What Windows does in its own way. Nothing of this was ever run there: see ``docs/platforms.md``."""

from __future__ import annotations

import subprocess

SECONDS = 5.0  #: that Windows may take to end processes


def kill_tree(pid: int) -> None:
    """End a process, its children and theirs, as far as those in between still live: there are no process groups."""
    command = ["taskkill", "/F", "/T", "/PID", str(pid)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        pass
