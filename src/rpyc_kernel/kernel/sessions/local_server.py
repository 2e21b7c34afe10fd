"""Runs the server of a notebook that has named no machine: this machine's Python, for this user alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rpyc_kernel.errors import AgentError
from rpyc_kernel.transport.address import Address

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 2.0
POLL_INTERVAL_S = 0.01


class EmbeddedServer:
    """A stock classic server in a process of its own, reachable by this user alone: see ``server/serve.py``.

    Attributes:
        path: Its Unix socket, or where there are none, the file that says where it listens.

    Raises:
        AgentError: This machine can't start it.
    """

    def __init__(self) -> None:
        self._has_socket = hasattr(socket, "AF_UNIX")
        with ExitStack() as undo:
            try:
                folder = tempfile.mkdtemp(prefix="rpyc-kernel-")  # 0700; on Windows below the user's own folder
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                self._folder = Path(folder)
                self.path = self._folder / "socket"
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "rpyc_kernel.server.serve", str(self.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # no Ctrl-C of a terminal
                )
            except OSError as error:  # too many processes, no memory, no room
                why = error.strerror or str(error)
                raise AgentError(f"The server for this machine's own Python can't be started: {why}.") from None
            undo.pop_all()

    @property
    def address(self) -> Address:
        """The address at which the server listens."""
        return Address("unix" if self._has_socket else "local", path=str(self.path))

    def wait(self, cancel: threading.Event) -> None:
        """Wait until the server listens; *cancel* ends the waiting. Raises AgentError if it doesn't listen."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline or cancel.is_set():
                self.close()
                raise AgentError("The server for this machine's own Python did not start.")
            cancel.wait(POLL_INTERVAL_S)

    def _listens(self) -> bool:
        if not self._has_socket:
            return self.path.exists()
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            probe.connect(str(self.path))
        except OSError:
            return False
        finally:
            probe.close()
        return True

    def close(self) -> None:
        """End the server, and remove its folder."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def belongs_to_me(port: int) -> bool:
    """Tell whether a process of this user listens on that loopback port. Only Linux tells; elsewhere it is False."""
    if not hasattr(os, "geteuid"):
        return False
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            listening = fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
            if listening and int(fields[7]) == os.geteuid():
                return True
    return False
