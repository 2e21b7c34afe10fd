"""Clocks that jump: a suspended laptop wakes up an hour later, a board without a battery starts in 1970."""

from __future__ import annotations

import struct
from pathlib import Path

HOUR = 3600.0  # seconds


class Clocks:
    """The clocks of the processes that get `env`."""

    def __init__(self, folder: Path, *python_path: Path) -> None:
        place = folder / "clocks"
        place.mkdir()
        source = Path(__file__).with_name("sitecustomize_clock.py").read_text()
        (place / "sitecustomize.py").write_text(source)
        self._file = place / "offsets"
        self._file.write_bytes(bytes(16))
        self.offset = 0.0  # seconds, of the wall clock
        paths = ":".join(map(str, (place, *python_path)))
        self.env = {"PYTHONPATH": paths, "RK_CLOCKS": str(self._file)}

    def move(self, wall: float, monotonic: float = 0.0) -> None:
        """So many seconds away from the truth: ``time.time`` and ``time.monotonic``."""
        self.offset = wall
        with self._file.open("r+b") as file:
            file.write(struct.pack("dd", wall, monotonic))
