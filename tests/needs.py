"""What a test may need of the machine, and what happens where that isn't there.

A test that needs a browser, an ssh server or an old Python says so with ``@pytest.mark.needs("chromium")``, or gets the
path of the thing with ``needs("chromium")``. Where it is missing, the test is skipped and listed at the end, unless
``RPYC_KERNEL_REQUIRE`` has the name: then the test fails. ``.ci/run`` sets it to all that it has installed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

REQUIRED = frozenset(filter(None, re.split(r"[,\s]+", os.environ.get("RPYC_KERNEL_REQUIRE", ""))))


MORE_PYTHONS = tuple(filter(None, re.split(r"[,\s]+", os.environ.get("RPYC_KERNEL_TESTS_SERVERS", ""))))


def pythons(*listed: str) -> list[str]:
    """The versions that a test is for, and those that RPYC_KERNEL_TESTS_SERVERS names beside them."""
    return [*listed, *(each for each in MORE_PYTHONS if each not in listed)]


def needs(*names: str) -> str:
    """Skip the running test, or fail it, if one of `names` isn't here; return the path of the last of them.

    `names` are ``"chromium"``, ``"sshd"``, ``"ip"`` (and being allowed to make network namespaces), ``"tun"`` (and
    being allowed to use it), ``"tmpfs"`` (and being allowed to mount one), ``"ipv6"``, ``"linux"``, ``"posix"``,
    ``"python3.7"`` and so on, or any program's own name.
    """
    path = ""
    for name in names:
        path = find(name)
        if path:
            continue
        if name in REQUIRED:
            pytest.fail(f"{name} is required here (RPYC_KERNEL_REQUIRE) and was not found", pytrace=False)
        pytest.skip(f"needs {name}, which this machine doesn't have")
    return path


@lru_cache(maxsize=64)
def find(name: str) -> str:
    """Return where `name` is on this machine, or an empty text."""
    if re.fullmatch(r"python3\.\d+", name):
        return _python(name)
    if name == "chromium":
        return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
    if name == "sshd":
        return _program("sshd")  # it insists on being started by its absolute path
    if name == "ip":
        return _namespaces()
    if name == "tun":
        return "/dev/net/tun" if os.access("/dev/net/tun", os.R_OK | os.W_OK) and find("ip") else ""
    if name == "tmpfs":
        return _mounts()
    if name == "ipv6":
        return "::1" if _listens_on_ipv6() else ""
    if name == "linux":
        return name if sys.platform == "linux" else ""
    if name == "posix":
        return name if os.name == "posix" else ""
    return _program(name)


def _program(name: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path) or ""


def _python(name: str) -> str:
    """Of pyenv's own, as its shims in PATH answer only for the versions that are switched on, or else of PATH."""
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    candidates = [str(path) for path in sorted(root.glob(f"versions/{name[6:]}.*/bin/{name}"))]
    candidates.append(shutil.which(name) or "")
    for candidate in filter(None, candidates):
        try:
            done = subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return candidate
    return ""


def _namespaces() -> str:
    ip = _program("ip")
    name = f"rpyck-probe-{os.getpid()}"
    if not ip or subprocess.run([ip, "netns", "add", name], capture_output=True).returncode:
        return ""
    subprocess.run([ip, "netns", "del", name], capture_output=True)
    return ip


def _mounts() -> str:
    mount, umount = _program("mount"), _program("umount")
    if not mount or not umount:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
            return ""
        subprocess.run([umount, folder], capture_output=True)
    return mount


def _listens_on_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
