"""OpenSSH's server on loopback, with keys, a home folder and a known_hosts file of its own.

The user's configuration of ssh is played by one that the test writes: a program named ssh, first in PATH, runs the real
one with it. All else is OpenSSH's own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.compiled import put_agent
from tests.folders import Folder
from tests.needs import needs
from tests.servers.rpyc_servers import free_port

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PrintMotd no
KbdInteractiveAuthentication no
PasswordAuthentication {password}
SetEnv {environment}
{more}
"""
_CLIENT = """\
Host machine
    HostName 127.0.0.1
    Port {port}
    User {user}
Host *
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
"""


class SshServer:
    """A running sshd, which ``ssh://machine`` leads to for whoever has `path` in PATH.

    Attributes:
        folder: Its keys, its log, and the client's configuration (``config``).
        home: The home folder of who logs in.
        path: The PATH by which our ssh is found first.
        port: Where it listens.
    """

    def __init__(
        self, *, user: str = "", more: str = "", password: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it.

        Args:
            user: Who logs in; by default who runs the test.
            more: Further lines of its configuration.
            password: Whether it would take one.
            environment: Of whoever logs in; "" takes a variable away.
        """
        self._sshd = needs("sshd")
        self._ssh = needs("ssh")
        self.user = user or pwd.getpwuid(os.geteuid()).pw_name
        self._folder = Folder("rk-ssh-")
        self.folder = self._folder.path
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.home.mkdir()
        if user:
            shutil.chown(self.home, user)
        else:
            put_agent(self.home / ".cache")
        self.port = free_port()
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        pairs = " ".join(f'"{name}={value}"' for name, value in environment.items())
        self._write("server_config", _SERVER, environment=pairs, password="yes" if password else "no", more=more)
        self._write("config", _CLIENT, user=self.user)
        self.make_key("key")
        self.make_host_key()
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        programs = self.folder / "programs"
        programs.mkdir()
        wrapper = programs / "ssh"
        wrapper.write_text(
            f'#!/bin/sh\necho "$$ $*" >> {self.folder}/commands\nexec {self._ssh} -F {self.folder}/config "$@"\n'
        )
        wrapper.chmod(0o755)
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _write(self, name: str, text: str, **more: object) -> None:
        (self.folder / name).write_text(text.format(folder=self.folder, port=self.port, **more))

    def make_key(self, name: str, passphrase: str = "") -> Path:
        """Make a key in the folder, in place of one of that name."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)],
            check=True, stdin=subprocess.DEVNULL, timeout=30,
        )  # fmt: skip
        return path

    def make_host_key(self, *, known: bool = True) -> None:
        """Give the server a new key, which the client knows or doesn't."""
        self.make_key("host_key")
        if known:
            key = (self.folder / "host_key.pub").read_text()
            (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")

    def start(self) -> None:
        """Start it, again where it was stopped."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        begins = len(self.log)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._sshd, "-D", "-e", "-f", str(self.folder / "server_config")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 10
        while "Server listening" not in self.log[begins:]:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.01)

    @property
    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def commands(self) -> list[tuple[int, str]]:
        """The ssh processes that were started: their numbers, and their arguments."""
        path = self.folder / "commands"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]

    def kill_clients(self) -> None:
        """End each ssh process that was started, as a lost network would."""
        for pid, _arguments in self.commands:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def stop(self) -> None:
        """End the server; logins go on."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_clients()
        self.stop()
        if value is not None:
            print(f"-- what sshd said\n{self.log[-4000:]}")
        self._folder.cleanup()
