"""The addresses that notebooks were connected to last, for completion: a small file in Jupyter's folder of data."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from rpyc_kernel.agent.boot import write_file

MAX_RECENT = 20
MAX_FILE_BYTES = 64 << 10

log = logging.getLogger(__name__)


def _path() -> Path:
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - few need it

    return Path(jupyter_data_dir()) / "rpyc-kernel" / "recent.json"


def load() -> list[str]:
    """Return the addresses, the newest first; none where the file is missing, or is something else."""
    try:
        with _path().open("rb") as file:
            found = json.loads(file.read(MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    texts = found if isinstance(found, list) else []
    return [text for text in texts if isinstance(text, str) and text.isprintable()][:MAX_RECENT]


def note(address: str) -> None:
    """Put *address* first. Two notebooks that do so at once may lose one of them, which is only a suggestion less."""
    known = load()
    if known[:1] == [address]:
        return
    path = _path()
    addresses = [address, *(each for each in known if each != address)][:MAX_RECENT]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(str(path), json.dumps(addresses).encode(), sync=False)
    except OSError as error:
        log.info("%s can't be written: %s", path, error)
