"""What a restarted kernel has to know of the one before: a small file beside the connection file."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rpyc_kernel.agent.boot import write_file

SUFFIX = ".rpyc-kernel"
MAX_SIZE = 1 << 20  # bytes

log = logging.getLogger(__name__)


def beside(connection_file: str) -> Path:
    """Where it is kept. A hidden file: ``--existing 5b63`` takes whatever else in that folder has 5b63 in its name."""
    path = Path(connection_file)
    return path.with_name(f".{path.name}{SUFFIX}")


@dataclass
class Known:
    """What the kernel before knew.

    :ivar named: whether a machine was ever named; from then on cells run there or nowhere
    :ivar address: of the machine, "" after ``%disconnect``
    :ivar config: how sessions are to begin there
    :ivar session: the one that it had, which a kernel that comes after a crash takes up again
    :ivar missed: address and id of sessions that should have ended and could not be reached
    """

    named: bool = False
    address: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    session: str = ""
    missed: list[list[str]] = field(default_factory=list)


class StateFile:
    """One small file of mode 0600; without a place for it (*connection_file* is None), nothing outlives the process."""

    def __init__(self, connection_file: str | None) -> None:
        self._path = beside(connection_file) if connection_file else None
        self.known = self._read()

    def _read(self) -> Known:
        if self._path is None:
            return Known()
        try:
            with self._path.open("rb") as file:
                known = Known(**json.loads(file.read(MAX_SIZE)))
        except (OSError, ValueError, TypeError, RecursionError):
            return Known()
        expected = Known()
        right = all(type(value) is type(getattr(expected, name)) for name, value in vars(known).items())
        missed: list[Any] = list(known.missed) if right else []
        right = right and all(isinstance(pair, list) and [*map(type, pair)] == [str, str] for pair in missed)
        return known if right else expected

    def write(self) -> None:
        """Keep what is known now."""
        if self._path is None:
            return
        try:
            write_file(str(self._path), json.dumps(asdict(self.known)).encode())
        except OSError as error:  # what it says now stays: better an older session or machine than none
            log.warning("%s can't be written: %s", self._path, error)

    def name(self, address: str, config: dict[str, Any]) -> None:
        """The user has named a machine, or none with "": a restarted kernel goes there too."""
        self.known.named, self.known.address, self.known.config = True, address, config
        self.known.session = ""
        self.write()

    def hold(self, address: str, session: str) -> None:
        """That session is where cells run now."""
        if (self.known.address, self.known.session) != (address, session):
            self.known.address, self.known.session = address, session
            self.write()

    def missed(self, address: str, session: str) -> None:
        """That session should have ended and could not be reached: if this kernel ends first, the next one ends it."""
        self.known.missed.append([address, session])
        self.write()

    def restarted(self, missed: list[tuple[str, str]]) -> None:
        """The user restarts the kernel: the next one begins a fresh session, and ends those that were missed."""
        self.known.session = ""
        self.known.missed += [list(pair) for pair in missed]
        if not self.known.named:
            self.known.address = ""
        self.write()

    def ended(self, session: str) -> None:
        """One that was missed has ended now."""
        self.known.missed = [pair for pair in self.known.missed if pair[-1] != session]
        self.write()

    def forget(self) -> None:
        """The kernel ends for good."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
