"""Checkpoints of what lies on machines: kept on this one, in the user's data folder of Jupyter, one of each file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.services.contents.filecheckpoints import AsyncGenericFileCheckpoints

MAX_CHECKPOINTS = 1000  # of files; the oldest ones go


class MachineCheckpoints(AsyncGenericFileCheckpoints):
    """Jupyter's own checkpoints, in another folder, under names that say nothing."""

    def checkpoint_path(self, checkpoint_id: str, path: str) -> str:
        """Return where the checkpoint of a file is."""
        _machine, place = self.parent.place(path)  # its path has several spellings
        name = hashlib.sha256(f"{place.machine}:{place.path}".encode()).hexdigest()
        return str(_folder() / f"{name}-{checkpoint_id}")

    async def create_checkpoint(self, contents_mgr: Any, path: str) -> Any:
        """Keep what is in a file now, in the place of an older checkpoint of it."""
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = await super().create_checkpoint(contents_mgr, path)
        kept = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
        for each in kept[:-MAX_CHECKPOINTS]:
            os.unlink(each)  # noqa: PTH108
        return made


def _folder() -> Path:
    return Path(jupyter_data_dir()) / "rpyc-kernel" / "checkpoints"
