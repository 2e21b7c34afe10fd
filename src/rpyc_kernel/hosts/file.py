"""The file of saved machines: ``rpyc-kernel/hosts.toml`` in Jupyter's folder of configurations, of mode 0600.

It is read whenever a name may be meant, so that a change counts at once. Whoever changes it holds a lock from the
reading to the writing, and writes it whole: of two writers at once neither loses anything.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.errors import ArgumentError, HostsFileError
from rpyc_kernel.hosts import toml
from rpyc_kernel.hosts.saved import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.hosts.saved import SavedHost

MAX_FILE_BYTES = 1 << 20
LOCK_TIMEOUT_S = 5.0
LOCK_POLL_INTERVAL_S = 0.02


def path() -> Path:
    """Return where the file is, or would be."""
    from jupyter_core.paths import jupyter_config_dir  # noqa: PLC0415 - a script that names an address needs none of it

    return Path(jupyter_config_dir()) / "rpyc-kernel" / "hosts.toml"


def load() -> dict[str, SavedHost]:
    """Return the saved machines by their names. Raises HostsFileError where the file can't be read or understood."""
    return _read(path())[1]


def read(file: Path) -> dict[str, SavedHost]:
    """Return the machines of another file of that form. Raises HostsFileError where there is none, or it is wrong."""
    if not file.exists():
        raise HostsFileError(file, "it isn't there", another=True)
    try:
        return _read(file)[1]
    except HostsFileError as error:
        raise HostsFileError(file, error.reason, another=True) from None


def add(host: SavedHost, *, replace: bool = False) -> None:
    """Save a machine.

    Args:
        host: The machine.
        replace: Whether it may take the place of one that has its name.

    Raises:
        ArgumentError: There is one of that name.
        HostsFileError: The file can't be read, understood or written; it stays as it was.
    """

    def change(text: str, hosts: dict[str, SavedHost]) -> str:
        if host.name in hosts and not replace:
            known = hosts[host.name].address
            raise ArgumentError(f"{host.name} is saved already, for {known}. --replace saves the new one instead.")
        return toml.put(text, host)

    _change(change)


def remove(name: str) -> SavedHost:
    """Forget the machine of that *name*, and return it. Raises ArgumentError where there is none, or HostsFileError."""
    gone: list[SavedHost] = []

    def change(text: str, hosts: dict[str, SavedHost]) -> str:
        if name not in hosts:
            raise unknown(name, hosts)
        gone.append(hosts[name])
        return toml.drop(text, name)

    _change(change)
    return gone[0]


def _read(file: Path) -> tuple[str, dict[str, SavedHost]]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise HostsFileError(file, f"it can't be read ({error.strerror or error})") from None
    if len(data) > MAX_FILE_BYTES:
        raise HostsFileError(file, f"it has more than {MAX_FILE_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        return text, toml.read(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise HostsFileError(file, f"line {line}: that is no UTF-8 text") from None
    except toml.TextError as error:
        raise HostsFileError(file, str(error)) from None


def _change(change: Callable[[str, dict[str, SavedHost]], str]) -> None:
    file = Path(os.path.realpath(path()))  # what a link of the user's leads to stays where it is
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(file):
            text = change(*_read(file))
            toml.read(text)  # what couldn't be read again is not written
            if len(text.encode()) > MAX_FILE_BYTES:
                raise HostsFileError(file, f"it would have more than {MAX_FILE_BYTES >> 20} MiB")
            write_file(str(file), text.encode())
    except toml.TextError as error:
        raise HostsFileError(file, str(error)) from None
    except OSError as error:
        raise HostsFileError(file, f"it can't be written ({error.strerror or error})") from None


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock beside *file*. Raises HostsFileError where somebody else holds it for too long."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    fd = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _lock(fd):
            if time.monotonic() > deadline:
                raise HostsFileError(file, f"another program has been changing it for {LOCK_TIMEOUT_S:g} s")
            time.sleep(LOCK_POLL_INTERVAL_S)
        yield
    finally:
        os.close(fd)  # the lock goes with it


def _lock(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - only there is it

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - a Python may lack it

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # a Python without it: two writers at once may lose a change
        pass
    except OSError:
        return False
    return True
