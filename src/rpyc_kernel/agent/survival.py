"""Finds out what on this machine would end sessions that are to stay: a logout, a service's end, a container's end.

A keeper leaves the terminal and the process group of the server that has started it, but not its control group, and
that is what systemd and containers end as a whole. The control group's path tells whose it is:

- ``…/session-N.scope``: a login's. systemd-logind ends it at logout if ``KillUserProcesses`` is on. Lingering doesn't
  change that, it only keeps what the user's own service manager has started (logind.conf(5), systemd-run(1)).
- ``…/user@UID.service/…``: of the user's service manager, which ends at the last logout unless lingering is on.
- ``…/NAME.service``: ends when that is stopped or restarted, unless its ``KillMode`` is ``process`` or ``none``
  (systemd.kill(5)).

How these are set, ``loginctl`` and ``systemctl`` tell; they are asked only where the path makes it matter. A container
is known by what it has left in files: an image of Python has no ``systemd-detect-virt``. Where there is no Linux,
nothing is said.
"""

from __future__ import annotations

import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

CONTAINER = (
    "The server runs in a container, and its sessions end when that stops: give the container a first process that "
    "stays (such as sleep infinity, with docker run --init) and start the server beside it."
)
SERVICE = (
    "The server belongs to the service %s, and its sessions end when that is stopped or restarted: "
    "%s edit %s, and there KillMode=process under [Service], keeps them."
)
LOGOUT = (
    "Logging out on that machine ends the server and its sessions (KillUserProcesses of systemd-logind): "
    "%sstart the server with systemd-run --user --scope."
)
LAST_LOGOUT = (
    "The sessions end when %s has logged out on that machine: loginctl enable-linger, run there once, keeps them."
)

MAX_FILE_BYTES = 65536  #: bytes
ANSWER_TIMEOUT_S = 3.0  #: for a program of systemd's
# Containers that are machines of their own, with services that stay, are not meant.
LIKE_MACHINES = ("", "lxc", "lxc-libvirt", "systemd-nspawn", "wsl")


def warnings(root: str = "/", user: str = "") -> List[str]:
    """A sentence for everything that would end the sessions started from this process, each with what to do about it.

    Args:
        root: Where this machine's files are; tests have others.
        user: The user's name; that of this process's user where it isn't given.
    """
    try:
        path = cgroup_path(_read(root, "proc/self/cgroup")).split("/")
        found = [_container(root, path), _service(path), _logout(root, path, user or _user())]
    except (OSError, ValueError):
        return []
    return [sentence for sentence in found if sentence]


def cgroup_path(text: str) -> str:
    """The path in systemd's hierarchy, of ``/proc/self/cgroup``: version 1 names it, version 2 has no other."""
    found = ""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names == "name=systemd" or (number == "0" and not names and not found):
            found = path
    return found


def _container(root: str, path: List[str]) -> str:
    marks = [os.path.exists(os.path.join(root, name)) for name in (".dockerenv", "run/.containerenv")]
    begins = ("docker-", "libpod-", "kubepods", "crio-", "cri-containerd-")
    marks += [part == "docker" or part.startswith(begins) for part in path]
    for number in ("1", "self"):
        environ = _read(root, "proc/%s/environ" % number).split("\0")
        marks += [entry.startswith("KUBERNETES_SERVICE_HOST=") for entry in environ]
        marks += [entry[10:] not in LIKE_MACHINES for entry in environ if entry.startswith("container=")]
    return CONTAINER if any(marks) else ""


def _service(path: List[str]) -> str:
    units = [part for part in path if part.endswith((".service", ".scope"))]
    name = units[-1] if units else ""
    if not name.endswith(".service") or name.startswith("user@"):
        return ""
    systemctl = ["systemctl", "--user"] if any(unit.startswith("user@") for unit in units) else ["systemctl"]
    if _ask(*systemctl, "show", "--property=KillMode", "--", name).get("KillMode") in ("process", "none"):
        return ""
    return SERVICE % (name, " ".join(systemctl), name)


def _logout(root: str, path: List[str], user: str) -> str:
    lingering = os.path.exists(os.path.join(root, "var/lib/systemd/linger", user))
    if any(part.startswith("session-") and part.endswith(".scope") for part in path):
        if _kills_at_logout(user):
            return LOGOUT % ("" if lingering else "run loginctl enable-linger once, and ")
    elif any(part.startswith("user@") for part in path) and not lingering:
        return LAST_LOGOUT % user
    return ""


def _kills_at_logout(user: str) -> bool:
    """Whether systemd-logind ends what a login of this user has started; the order is that of logind.conf(5)."""
    names = ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")
    told = _ask("loginctl", "show-session", *("--property=" + name for name in names))  # of no session: of logind
    kills, only, spared = (told.get(name, "") for name in names)
    if user in (spared or "root").split():
        return False
    return user in only.split() if only else kills == "yes"


def _ask(*command: str) -> Dict[str, str]:
    """The properties that a program of systemd's shows; none where it is missing or doesn't answer."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def _read(root: str, name: str) -> str:
    try:
        with open(os.path.join(root, name), "rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _user() -> str:
    """The name of this process's user, as systemd knows it."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, AttributeError, KeyError):
        return os.environ.get("USER", "")
