"""A gate that cells wait at until the test opens it: a file, since the other machine is this one."""

from __future__ import annotations

import uuid
from pathlib import Path


class Gate:
    """`wait` is code for a cell; it also lets go after 30 s, so that no cell outlives its test by much."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"gate-{uuid.uuid4().hex}"

    @property
    def wait(self) -> str:
        return (
            "import os as _os, time as _time; _t = _time.time()\n"
            f"while not _os.path.exists({str(self.path)!r}) and _time.time() < _t + 30: _time.sleep(.01)\n"
        )

    @property
    def wait_async(self) -> str:
        """The same for use inside `async def`, indented by four."""
        return (
            "    import os as _os, time as _time, asyncio as _asyncio; _t = _time.time()\n"
            f"    while not _os.path.exists({str(self.path)!r}) and _time.time() < _t + 30: await _asyncio.sleep(.01)\n"
        )

    def open(self) -> None:
        self.path.touch()
