"""The sessions' servers that clusters have placed for this user: for each a file of mode 0600, with its secret and pin.

A kernel that is started again finds its session by that. The files are beside those of pairings, see `paired`.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.agent.serve.store import KEY_BYTES, private_folder, read_private

MAX_FILE_BYTES = 4096
MAX_AGE_S = 30 * 24 * 3600.0  # of a file that nobody has used
FINGERPRINT_BYTES = 32
_FILE = ".json"


@dataclass(frozen=True)
class Placement:
    """A server that a cluster has started for one kernel.

    Attributes:
        token: Its name, which is the key of the cluster's task, too.
        scheduler: The address of the cluster's scheduler.
        worker: The address of the worker that has started it.
        host: Where it listens.
        port: Where it listens.
        client: The name by which it knows us.
        fingerprint: The SHA-256 of its certificate in DER, in hexadecimal: the pin.
        key: The secret of both, in hexadecimal.
        note: A sentence that the user should read; "" where there is none.
    """

    token: str
    scheduler: str
    worker: str
    host: str
    port: int
    client: str
    fingerprint: str
    key: str = field(repr=False)
    note: str = ""

    def check(self) -> Placement:
        """Return it. Raises ValueError where a part of it can't be meant."""
        texts = (self.token, self.scheduler, self.worker, self.host, self.client, self.note)
        sizes = (len(bytes.fromhex(self.fingerprint)), len(bytes.fromhex(self.key)))
        if not all(type(text) is str for text in texts) or type(self.port) is not int:
            raise ValueError("not what we write")
        if not (self.token.isalnum() and self.token.isascii()) or sizes != (FINGERPRINT_BYTES, KEY_BYTES):
            raise ValueError("no placement")
        if not (0 < self.port < 1 << 16 and self.host and (self.host + self.worker).isprintable()):
            raise ValueError("no place")
        return self


_found: dict[str, Placement] = {}  # by token, those that this process has asked for


def keep(placement: Placement) -> None:
    """Keep it for kernels that come later. Where it can't be written, this process alone knows it."""
    _found[placement.token] = placement
    folder = _folder()
    with contextlib.suppress(OSError):
        private_folder(str(folder))
        write_file(str(folder / f"{placement.token}{_FILE}"), json.dumps(asdict(placement)).encode())
        for path in folder.glob(f"*{_FILE}"):
            if path.stat().st_mtime < time.time() - MAX_AGE_S:
                path.unlink()


def find(token: str) -> Placement | None:
    """Return the placement of that name; None where there is none that can be believed."""
    if token not in _found and token.isalnum() and token.isascii():
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            data = read_private(str(_folder() / f"{token}{_FILE}"), MAX_FILE_BYTES)
            _found[token] = Placement(**json.loads(data)).check()
    return _found.get(token)


def forget(token: str) -> None:
    """Forget one: its server is gone."""
    if _found.pop(token, None) is not None:
        with contextlib.suppress(OSError):
            (_folder() / f"{token}{_FILE}").unlink()


def _folder() -> Path:
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - only for who uses a cluster

    return Path(jupyter_data_dir()) / "rpyc-kernel" / "placed"
