"""How much memory a worker may have: so that an accident in a cell doesn't freeze the machine.

``serve --memory-limit`` says it in its environment, as may whoever starts another server. Who runs code there could get
round it. The memory is bounded by a control group where this user may make one: below the daemon's own (version 1), or
beside it, where systemd has delegated that (version 2; the daemon then is in a group of the name `OWN_GROUP`). It
counts what all programs of the worker use together. Elsewhere RLIMIT_AS bounds the address space of each process.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, Optional

VARIABLE = "RPYC_KERNEL_MEMORY_LIMIT"  #: in the server's environment: bytes
OWN_GROUP = "rpyc-kernel-serve"
_PREFIX = "rpyc-kernel-session-"
_KILLED = b"oom_kill "


def memory_of(environment: Mapping[str, str]) -> int:
    """How many bytes a worker may have; 0: as many as there are."""
    text = environment.get(VARIABLE, "")
    return int(text) if text.isdigit() else 0


def limit_this_process(session: str, limit: int, root: str = "/") -> None:
    """Bound the memory of this process and of those that it starts.

    Args:
        session: The session's name.
        limit: Bytes.
        root: Where this machine's files are; tests have others.
    """
    group = MemoryGroup.below(session, root)
    if group is not None and group.enter(limit):
        return
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):  # Windows; or a lower limit holds already
        pass


class MemoryGroup:
    """The control group for the worker of a session.

    Args:
        folder: The group's folder, which need not be there yet.
        limit_file: The name of the file with its limit.
        swap_file: The name of the file with the limit of its swap space.
        events_file: The name of the file that counts what was killed.
    """

    KILLED = "it needed more memory than the %d MiB that its server allows it"

    def __init__(self, folder: str, limit_file: str, swap_file: str, events_file: str) -> None:
        self.folder = folder
        self._limit_file = limit_file
        self._swap_file = swap_file
        self._events_file = events_file
        self._killed = 0

    @classmethod
    def below(cls, session: str, root: str = "/") -> Optional[MemoryGroup]:
        """The group for a session that is started from this process; None where there can be none."""
        for line in _read(os.path.join(root, "proc/self/cgroup")).decode("utf-8", "replace").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            name = _PREFIX + session
            if "memory" in controllers.split(","):
                folder = os.path.join(root, "sys/fs/cgroup/memory", path.strip("/"), name)
                return cls(folder, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control")
            if number == "0" and not controllers and os.path.basename(path) == OWN_GROUP:
                folder = os.path.join(root, "sys/fs/cgroup", os.path.dirname(path).strip("/"), name)
                return cls(folder, "memory.max", "memory.swap.max", "memory.events")
        return None

    def enter(self, limit: int) -> bool:
        """Make the group, if it isn't there, and put this process into it. Returns whether that could be done."""
        try:
            self._try("../cgroup.subtree_control", "+memory")  # version 2 counts only where it is told to
            os.makedirs(self.folder, exist_ok=True)
            self._write(self._limit_file, str(limit))
            self._try(self._swap_file, "0" if self._swap_file.endswith(".max") else str(limit))
            self._write("cgroup.procs", str(os.getpid()))
            return True
        except OSError:
            return False

    def has_killed(self) -> bool:
        """Whether the system has killed a process of the group since the last call, for it needed more."""
        lines = _read(os.path.join(self.folder, self._events_file)).splitlines()
        killed = max([int(line[len(_KILLED) :]) for line in lines if line.startswith(_KILLED)], default=0)
        before, self._killed = self._killed, killed
        return killed > before

    def remove(self) -> None:
        """Remove the group, if no process is in it."""
        try:
            os.rmdir(self.folder)
        except OSError:
            pass

    def _try(self, name: str, text: str) -> None:
        try:
            self._write(name, text)
        except OSError:
            pass

    def _write(self, name: str, text: str) -> None:
        with open(os.path.normpath(os.path.join(self.folder, name)), "r+b", buffering=0) as file:
            file.write(text.encode("ascii"))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(65536)
    except OSError:
        return b""
