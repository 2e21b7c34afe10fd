"""Folders for what tests start, near the root: Unix sockets lie below them, and their paths are short."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

PATIENCE = 10.0  # seconds until what was told to end writes no more


class Folder(tempfile.TemporaryDirectory[str]):
    """A folder below the one for temporary files, named with a prefix that ``tests/leftovers.py`` looks for.

    Whoever makes it calls `cleanup`; a test that doesn't fails, by the ``ResourceWarning`` of its base class.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix=prefix)
        self.path = Path(self.name)

    def cleanup(self) -> None:
        """Remove it. A process that is about to end may still write into it, so that is tried again.

        Raises:
            OSError: Something writes into it still.
        """
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                return super().cleanup()
            except OSError:
                if time.monotonic() > give_up:
                    raise
            time.sleep(0.05)
