"""Which machine the notebook has named, kept beside the connection file, so that a restarted kernel goes there too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

SUFFIX = ".rpyc-kernel"


class Memory:
    """One small file of mode 0600; without a place for it (*connection_file* is None), nothing is remembered."""

    def __init__(self, connection_file: str | None) -> None:
        self._path = Path(connection_file + SUFFIX) if connection_file else None

    def read(self) -> dict[str, Any] | None:
        """What was written last: ``address`` ("" after ``%disconnect``) and ``config``; None if nothing was."""
        if self._path is None:
            return None
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return known if isinstance(known, dict) and isinstance(known.get("address"), str) else None

    def write(self, address: str, config: dict[str, Any]) -> None:
        """Remember the machine that was named."""
        if self._path is None:
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump({"address": address, "config": config}, file)
        except OSError:
            pass  # a restart will ask for the machine again

    def forget(self) -> None:
        """The kernel ends for good."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
