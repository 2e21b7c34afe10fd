"""What on this machine would end sessions that their users mean to keep: a logout, a service's end, a container's end.

A keeper leaves the terminal and the process group of the server that has started it, but not its control group, and
that is what systemd and containers end as a whole. The control group's path tells whose it is:

- ``…/session-N.scope``: a login's. systemd-logind ends it at logout if ``KillUserProcesses`` is on. Lingering doesn't
  change that, it only keeps what the user's own service manager has started (logind.conf(5), systemd-run(1)).
- ``…/user@UID.service/…``: of the user's service manager, which ends at the last logout unless lingering is on.
- ``…/NAME.service``: ends when that is stopped or restarted, unless its ``KillMode`` is ``process`` or ``none``
  (systemd.kill(5)).

Reads a few small files, starts nothing, and says nothing where there is no Linux.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Sequence, Tuple

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

SETTINGS = ("etc", "run", "usr/local/lib", "usr/lib", "lib")  #: where systemd looks for them, the first first
MAX_FILE = 65536
# Containers that are machines of their own, with services that stay, are not meant.
LIKE_MACHINES = ("", "lxc", "lxc-libvirt", "systemd-nspawn", "wsl")


def warnings(root: str = "/", user: str = "", home: str = "") -> List[str]:
    """A sentence for everything that would end the sessions started from this process, each with what to do about it.

    :param root: where this machine's files are; tests have others
    """
    try:
        user = user or _user()
        home = home or os.path.expanduser("~")
        path = cgroup_path(_read(root, "proc/self/cgroup")).split("/")
        found = [_container(root, path), _service(root, path, home), _logout(root, path, user)]
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


def setting(texts: Sequence[str], section: str, key: str) -> str:
    """What that key is set to, by the last that sets it. ``""``: by nobody."""
    value = ""
    for text in texts:
        current = ""
        for line in map(str.strip, text.splitlines()):
            name, equals, given = line.partition("=")
            if line.startswith("["):
                current = line.strip("[]")
            elif equals and current == section and name.strip() == key:
                value = given.strip()
    return value


def default(text: str, key: str) -> str:
    """What a configuration file says is the default: systemd ships it commented out. ``""`` if it doesn't say."""
    for line in text.splitlines():
        name, equals, given = line.strip().partition("=")
        if equals and name[:1] in ("#", ";") and name[1:].strip() == key:
            return given.strip()
    return ""


def _container(root: str, path: List[str]) -> str:
    marks = [os.path.exists(os.path.join(root, name)) for name in (".dockerenv", "run/.containerenv")]
    begins = ("docker-", "libpod-", "kubepods", "crio-", "cri-containerd-")
    marks += [part == "docker" or part.startswith(begins) for part in path]
    for number in ("1", "self"):
        environ = _read(root, "proc/%s/environ" % number).split("\0")
        marks += [entry.startswith("KUBERNETES_SERVICE_HOST=") for entry in environ]
        marks += [entry[10:] not in LIKE_MACHINES for entry in environ if entry.startswith("container=")]
    return CONTAINER if any(marks) else ""


def _service(root: str, path: List[str], home: str) -> str:
    units = [part for part in path if part.endswith((".service", ".scope"))]
    of_user = any(unit.startswith("user@") for unit in units)
    name = units[-1] if units else ""
    if not name.endswith(".service") or name.startswith("user@"):
        return ""
    folders = [os.path.join(folder, "systemd", "user" if of_user else "system") for folder in SETTINGS]
    folders.append("run/systemd/transient")
    if of_user:
        folders[:0] = [home.lstrip("/") + "/.config/systemd/user", home.lstrip("/") + "/.local/share/systemd/user"]
    texts = _unit(root, folders, name)
    if setting(texts, "Service", "KillMode") in ("process", "none"):
        return ""
    return SERVICE % (name, "systemctl --user" if of_user else "systemctl", name)


def _unit(root: str, folders: List[str], name: str) -> List[str]:
    """The texts that make a unit. One that has an instance (``a@b.service``) is described by its template."""
    before, at, after = name.partition("@")
    template = before + at + "." + after.rpartition(".")[2] if at else name
    texts = [_read(root, "%s/%s" % (folder, each)) for each in (name, template) for folder in folders]
    drop_ins = [text for each in (template, name) for text in _drop_ins(root, folders, each + ".d")]
    return [text for text in texts if text][:1] + drop_ins


def _logout(root: str, path: List[str], user: str) -> str:
    lingering = os.path.exists(os.path.join(root, "var/lib/systemd/linger", user))
    if any(part.startswith("session-") and part.endswith(".scope") for part in path):
        if _kills_at_logout(root, user):
            return LOGOUT % ("" if lingering else "run loginctl enable-linger once, and ")
    elif any(part.startswith("user@") for part in path) and not lingering:
        return LAST_LOGOUT % user
    return ""


def _kills_at_logout(root: str, user: str) -> bool:
    folders = [folder + "/systemd" for folder in SETTINGS]
    mains = [text for text in (_read(root, folder + "/logind.conf") for folder in folders) if text][:1]
    texts = mains + list(_drop_ins(root, folders, "logind.conf.d"))
    kills = setting(texts, "Login", "KillUserProcesses") or default("".join(mains), "KillUserProcesses")
    only = setting(texts, "Login", "KillOnlyUsers").split()
    spared = (setting(texts, "Login", "KillExcludeUsers") or "root").split()
    return kills.lower() in ("1", "yes", "y", "true", "t", "on") and user not in spared and (not only or user in only)


def _drop_ins(root: str, folders: Sequence[str], name: str) -> Iterator[str]:
    """Their texts in the order in which they count; of those with the same name, the one in the first folder."""
    found: List[Tuple[str, str]] = []
    for folder in folders:
        try:
            names = os.listdir(os.path.join(root, folder, name))
        except OSError:
            continue
        known = [each for each, _path in found]
        found += [(each, "%s/%s/%s" % (folder, name, each)) for each in names if each not in known]
    return (_read(root, path) for each, path in sorted(found) if each.endswith(".conf"))


def _read(root: str, name: str) -> str:
    try:
        with open(os.path.join(root, name), "rb") as file:
            return file.read(MAX_FILE).decode("utf-8", "replace")
    except OSError:
        return ""


def _user() -> str:
    """The name of this process's user, as systemd knows it."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, AttributeError, KeyError):
        return os.environ.get("USER", "")
