"""Installs the daemon on this machine for its user, as ``rpyc-kernel install-serve`` asks for it, or removes it.

It is one file, a zip of the modules that serve, which any Python runs, and the service of systemd's that does so.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from ..boot import write_file
from ..spawn import look_at
from . import systemd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Json = Dict[str, Any]

PROGRAM = "rpyc-kernel-agent.pyz"
OLDEST = (3, 7)
SYSTEMCTL_TIMEOUT_S = 60.0  #: a small board takes seconds to start a Python


class InstallError(Exception):
    """It could not be installed or removed; the text says why, in a sentence."""


def install(program: bytes, options: List[str], python: str = "") -> Json:
    """Install the daemon, or bring what is installed up to date, and have systemd run it.

    Args:
        program: The zip of the modules that serve.
        options: Those of ``serve``.
        python: Runs it; this process's own where it is "".

    Returns:
        ``command`` (the line that runs the daemon), ``pair`` (the one that shows a code), ``changed`` (whether anything
        was written), ``service`` (whether systemd runs it), ``lingers`` (whether it also does when nobody is logged
        in), ``user``.

    Raises:
        InstallError: It can't be installed. Where systemd doesn't start it, its files stay.
    """
    python = python or sys.executable
    found = look_at(python)  # raises SpawnError
    if tuple(map(int, str(found["version"]).split(".")[:2])) < OLDEST:
        raise InstallError("%s is Python %s, and serving needs 3.7" % (python, found["version"]))
    path = _program_path()
    command = [python, path, "serve", *options]
    try:
        unit = systemd.unit(command)
    except ValueError as error:
        raise InstallError(str(error)) from None
    changed = _write(path, program)
    service = _has_systemd()
    if service:
        changed = _write(_unit_path(), unit.encode("utf-8")) or changed
        _systemctl("daemon-reload")
        _systemctl("enable", systemd.NAME)
        _systemctl("restart" if changed else "start", systemd.NAME)
    user = _user()
    lingers = os.path.exists("/var/lib/systemd/linger/" + user)
    lines = [" ".join(map(shlex.quote, each)) for each in (command, [python, path, "serve", "--pair"])]
    told = {"command": lines[0], "pair": lines[1], "changed": changed, "service": service, "lingers": lingers}
    return dict(told, user=user)


def remove() -> Json:
    """End the daemon and remove what `install` has written; returns whether there was anything (``removed``).

    Raises:
        InstallError: That failed.
    """
    removed = False
    if os.path.exists(_unit_path()) and _has_systemd():
        _systemctl("disable", "--now", systemd.NAME)
    for path in (_unit_path(), _program_path()):
        try:
            os.unlink(path)
            removed = True
        except FileNotFoundError:
            pass
        except OSError as error:
            raise InstallError("%s can't be removed: %s" % (path, error.strerror)) from None
    if removed and _has_systemd():
        _systemctl("daemon-reload")
    return {"removed": removed}


def _write(path: str, data: bytes) -> bool:
    """Write a file if it has another content; returns whether it had."""
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return False
    except OSError:
        pass
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_file(path, data)
    except OSError as error:
        raise InstallError("%s can't be written: %s" % (path, error.strerror)) from None
    return True


def _program_path() -> str:
    return os.path.join(_base("XDG_DATA_HOME", ".local", "share"), "rpyc-kernel", PROGRAM)


def _unit_path() -> str:
    return os.path.join(_base("XDG_CONFIG_HOME", ".config"), "systemd", "user", systemd.NAME)


def _base(variable: str, *below_home: str) -> str:
    base = os.environ.get(variable, "")
    return base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), *below_home)


def _has_systemd() -> bool:
    """Tell whether this user has a service manager: there is none in most containers, and on other systems."""
    try:
        _systemctl("show-environment")
    except (FileNotFoundError, InstallError):
        return False
    return True


def _systemctl(*words: str) -> None:
    environment = dict(os.environ)
    runtime = "/run/user/%d" % os.getuid() if hasattr(os, "getuid") else ""
    if os.path.isdir(runtime):
        environment.setdefault("XDG_RUNTIME_DIR", runtime)  # a command by ssh may have none
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=SYSTEMCTL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InstallError("systemctl --user %s doesn't end" % " ".join(words)) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InstallError(
            "systemctl --user %s failed: %s. journalctl --user -u %s, run there, may tell more"
            % (" ".join(words), said[-1] if said else "exit code %d" % done.returncode, systemd.NAME)
        )


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, AttributeError, KeyError):
        return os.environ.get("USER", "")
