"""The servers that this user is paired with: for each address a file of mode 0600, with a secret and the pin.

They are in Jupyter's data folder, apart from what its users put under version control or show to others.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.agent.serve.store import KEY_BYTES, MAX_NAME_CHARS, is_name, private_folder, read_private
from rpyc_kernel.errors import PairingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.transport.address import Address

FINGERPRINT_BYTES = 32
MAX_FILE_BYTES = 4096
MAX_FILES = 1000
_FILE = ".json"


@dataclass(frozen=True)
class Pairing:
    """A server that this user is paired with.

    Attributes:
        address: The server's, in its canonical form.
        name: The name by which the server knows this client, like ``ada@laptop``.
        fingerprint: The SHA-256 of the server's certificate in DER: the pin.
        key: The secret of both.
    """

    address: str
    name: str
    fingerprint: bytes
    key: bytes = field(repr=False)


def own_name() -> str:
    """Return how this client wants to be called by a server, like ``ada@laptop``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user of a container that has no name
        user = "somebody"
    name = re.sub(r"[^A-Za-z0-9._@-]", "_", f"{user}@{platform.node().partition('.')[0] or 'here'}")
    return name[:MAX_NAME_CHARS] if is_name(name[:MAX_NAME_CHARS]) else f"x{name}"[:MAX_NAME_CHARS]


def find(address: Address) -> Pairing | None:
    """Return the pairing with the server at *address*; None where there is none.

    Raises:
        PairingError: There is one that can't be read, or that others can read.
    """
    path = _path(address)
    try:
        return _read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "is broken: pair again"
        raise PairingError(address, f"the file {path} {why}.") from None


def by_fingerprint(fingerprint: bytes) -> Pairing | None:
    """Return a pairing with whichever server has that certificate; None where there is none."""
    with contextlib.suppress(OSError):
        for path in sorted(_folder().glob(f"*{_FILE}"))[:MAX_FILES]:
            with contextlib.suppress(OSError, ValueError):
                pairing = _read(path)
                if pairing.fingerprint == fingerprint:
                    return pairing
    return None


@contextlib.contextmanager
def keeping(address: Address, pairing: Pairing) -> Iterator[None]:
    """Keep a pairing, which can be found when this context has ended. Where that fails, nothing has changed.

    Raises:
        PairingError: It can't be kept.
    """
    path = _path(address)
    part = path.with_name(f".{os.urandom(6).hex()}.new")
    values = {"address": pairing.address, "name": pairing.name}
    values |= {"fingerprint": pairing.fingerprint.hex(), "key": pairing.key.hex()}
    try:
        private_folder(str(path.parent))
        write_file(str(part), json.dumps(values, indent=1).encode())
    except OSError as error:
        reason = f"it can't be kept in {path.parent} ({error.strerror})"
        raise PairingError(address, f"{reason}; nothing was changed there either.") from None
    try:
        yield
        try:
            part.replace(path)
        except OSError as error:
            hint = f"Forget it there, too: serve --forget {pairing.name}"
            raise PairingError(address, f"it can't be kept in {path.parent} ({error.strerror}).", hint) from None
    finally:
        part.unlink(missing_ok=True)


def _folder() -> Path:
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - only for what is behind TLS

    return Path(jupyter_data_dir()) / "rpyc-kernel" / "paired"


def _path(address: Address) -> Path:
    return _folder() / (quote(f"{address.host}:{address.port}", safe="") + _FILE)


def _read(path: Path) -> Pairing:
    """Read a file. Raises OSError, or ValueError where it is none of ours."""
    values = json.loads(read_private(str(path), MAX_FILE_BYTES))
    try:
        name, fingerprint, key = str(values["name"]), bytes.fromhex(values["fingerprint"]), bytes.fromhex(values["key"])
        pairing = Pairing(str(values["address"]), name, fingerprint, key)
    except (LookupError, TypeError):
        raise ValueError("not what we write") from None
    if not is_name(name) or (len(fingerprint), len(key)) != (FINGERPRINT_BYTES, KEY_BYTES):
        raise ValueError("no pairing")
    return pairing
