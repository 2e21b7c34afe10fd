"""Keeps what the next kernel has to know of this one: a small file beside the connection file."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rpyc_kernel.agent.boot import write_file

SUFFIX = ".rpyc-kernel"
MAX_FILE_BYTES = 1 << 20

log = logging.getLogger(__name__)


def beside(connection_file: str) -> Path:
    """Return the path of the state file: a hidden one, since ``--existing 5b63`` takes any name that has 5b63 in it."""
    path = Path(connection_file)
    return path.with_name(f".{path.name}{SUFFIX}")


@dataclass
class Known:
    """The content of the file.

    Attributes:
        named: Whether a machine was ever named; from then on cells run there or nowhere.
        address: The machine, "" after ``%disconnect``.
        config: How sessions begin there.
        session: The id of the kernel's session, which a kernel takes up after a crash.
        label: What cells call that session, "" for its address.
        others: The notebook's other sessions by what cells call them: ``address``, ``config``, and the id ``session``.
        missed: Address and id of sessions that should have ended and could not be reached.
    """

    named: bool = False
    address: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    session: str = ""
    label: str = ""
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    missed: list[list[str]] = field(default_factory=list)


class StateFile:
    """One small file of mode 0600.

    Attributes:
        known: Its content.
    """

    def __init__(self, connection_file: str | None) -> None:
        """Read the file beside *connection_file*; without one, nothing outlives the process."""
        self._path = beside(connection_file) if connection_file else None
        self.known = self._read()

    def _read(self) -> Known:
        if self._path is None:
            return Known()
        try:
            with self._path.open("rb") as file:
                known = Known(**json.loads(file.read(MAX_FILE_BYTES)))
        except (OSError, ValueError, TypeError, RecursionError):
            return Known()
        expected = Known()
        right = all(type(value) is type(getattr(expected, name)) for name, value in vars(known).items())
        missed: list[Any] = list(known.missed) if right else []
        right = right and all(isinstance(pair, list) and [*map(type, pair)] == [str, str] for pair in missed)
        right = right and all(_is_session(other) for other in known.others.values())
        return known if right else expected

    def write(self) -> None:
        """Write what is known now."""
        if self._path is None:
            return
        try:
            write_file(str(self._path), json.dumps(asdict(self.known)).encode())
        except OSError as error:  # the older content stays: better an older session or machine than none
            log.warning("%s can't be written: %s", self._path, error)

    def name(self, address: str, config: dict[str, Any], label: str = "") -> None:
        """Note the machine that the user has named, or none with "": a restarted kernel goes there too."""
        self.known.named, self.known.address, self.known.config = True, address, config
        self.known.session, self.known.label = "", label
        self.write()

    def hold(self, address: str, session: str) -> None:
        """Note the session in which cells run now."""
        if (self.known.address, self.known.session) != (address, session):
            self.known.address, self.known.session = address, session
            self.write()

    def hold_others(self, others: dict[str, dict[str, Any]]) -> None:
        """Note the notebook's other sessions, as `Known` has them."""
        if self.known.others != others:
            self.known.others = others
            self.write()

    def missed(self, address: str, session: str) -> None:
        """Note a session that should have ended and could not be reached: this kernel ends it, or the next."""
        self.known.missed.append([address, session])
        self.write()

    def restarted(self, missed: list[tuple[str, str]]) -> None:
        """Have the next kernel begin a fresh session and end the missed ones, since the user restarts the kernel."""
        self.known.session = ""
        for other in self.known.others.values():
            other["session"] = ""
        self.known.missed += [list(pair) for pair in missed]
        if not self.known.named:
            self.known.address = ""
        self.write()

    def ended(self, session: str) -> None:
        """Forget a missed session, which has ended now."""
        self.known.missed = [pair for pair in self.known.missed if pair[-1] != session]
        self.write()

    def forget(self) -> None:
        """Remove the file, since the kernel ends for good."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _is_session(other: object) -> bool:
    wanted = {"address": str, "config": dict, "session": str}
    return isinstance(other, dict) and {key: type(value) for key, value in other.items()} == wanted
