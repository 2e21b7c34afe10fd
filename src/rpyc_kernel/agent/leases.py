"""Who holds this machine for a while: a courtesy among those who share an account here, and no protection.

The lease and the line of those who wait stand in a file beside the records of sessions. A lease ends at its time, by
the monotonic clock: a board's other clock may jump when it finds the network. It ends with a restart of the machine.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import contextmanager

from .boot import write_file
from .records import sessions_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional

    Json = Dict[str, Any]

FILE = "machine.lease"
MAX_SECONDS = 5 * 86400.0
WAITER_S = 10.0  #: after which one who waits and doesn't ask any more has gone
MAX_WAITERS = 32
MAX_CHARACTERS = 200


def ask(header: Json) -> Json:
    """Show the lease, take it, wait for it or end it.

    Args:
        header: ``person``, who asks; ``seconds``, how long they want to have it, None to show it; ``note``, what for;
            ``wait``, whether to stand in line where it isn't free, and ask again; ``leave``, whether to leave the line;
            ``end``, whether to end it, whoever has it.

    Returns:
        ``lease``, None where there is none; ``place``, how many are before the one who asks; ``free``, whether nobody
        is: then it was taken, if that was wanted.

    Raises:
        OSError: There is no folder to note it in.
        ValueError: The time is out of range.
    """
    person, note = _text(header, "person"), _text(header, "note")
    seconds = header.get("seconds")
    if seconds is not None and not (math.isfinite(float(seconds)) and 0.0 < float(seconds) <= MAX_SECONDS):
        raise ValueError("a lease lasts up to %d days" % (MAX_SECONDS // 86400))
    folder = next(sessions_folders(), None)
    if folder is None:
        raise OSError("no folder of this user's can be written on that machine")
    with _alone(folder):
        state = _State(folder)
        if header.get("end"):
            state.lease = None
        others = state.before(person)
        if others and header.get("wait"):
            state.stand(person)
        elif not others or header.get("leave"):
            state.leave(person)
        if seconds is not None and not others:
            state.take(person, note, float(seconds))
        state.write()
        return {"lease": state.told(), "place": others, "free": not others}


def present() -> Optional[Json]:
    """Return the lease as it is told, None where there is none."""
    for folder in sessions_folders(create=False):
        if os.path.exists(os.path.join(folder, FILE)):
            return _State(folder).told()
    return None


class _State:
    """The file's content: the lease, and who waits, each as the person and when they asked last."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, FILE)
        self._now = time.monotonic()
        self.lease: Optional[Json] = None
        self._line: List[List[Any]] = []
        try:
            with open(self._path, "rb") as file:
                found = json.loads(file.read(1 << 16).decode("utf-8"))
            if found["boot"] != _boot():
                return
            lease = found["lease"]
            if lease is not None and lease["taken"] <= self._now < float(lease["until"]):
                self.lease = {name: lease[name] for name in ("person", "note", "taken", "until")}
            self._line = [each for each in found["line"][:MAX_WAITERS] if self._now - WAITER_S < each[1] <= self._now]
        except (OSError, LookupError, TypeError, ValueError):
            pass  # there is none

    def told(self) -> Optional[Json]:
        """The lease with the seconds since it was taken and until it ends, as it is told."""
        if self.lease is None:
            return None
        left, ago = self.lease["until"] - self._now, self._now - self.lease["taken"]
        return {"person": self.lease["person"], "note": self.lease["note"], "left": left, "ago": ago}

    def before(self, person: str) -> int:
        """How many come before that person: who has it, and who waits for longer."""
        if self.lease is not None and self.lease["person"] == person:
            return 0
        persons = [each[0] for each in self._line]
        waiting = persons.index(person) if person in persons else len(persons)
        return waiting + (self.lease is not None)

    def stand(self, person: str) -> None:
        """Let that person wait, at the end of the line or where they are."""
        for each in self._line:
            if each[0] == person:
                each[1] = self._now
                return
        if len(self._line) < MAX_WAITERS:
            self._line.append([person, self._now])

    def leave(self, person: str) -> None:
        """Let that person wait no longer."""
        self._line = [each for each in self._line if each[0] != person]

    def take(self, person: str, note: str, seconds: float) -> None:
        """Give that person the lease, from now on."""
        self.lease = {"person": person, "note": note, "taken": self._now, "until": self._now + seconds}

    def write(self) -> None:
        """Write the file, or remove it where there is nothing to say."""
        if self.lease is None and not self._line:
            try:
                os.unlink(self._path)
            except OSError:
                pass
            return
        content = {"boot": _boot(), "lease": self.lease, "line": self._line}
        write_file(self._path, json.dumps(content).encode("ascii"), sync=False)


def _text(header: Json, name: str) -> str:
    return str(header.get(name) or "")[:MAX_CHARACTERS]


def _boot() -> str:
    """What is another after each start of the machine, where the system tells."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read(64).decode("ascii", "replace").strip()
    except OSError:
        return ""


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Within it no other process changes the file (where the system has such locks)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fd = os.open(os.path.join(folder, FILE + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
