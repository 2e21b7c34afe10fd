"""A Jupyter server with its default limits, and an open notebook that notes when messages come."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, Self

import websocket

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import Processes

TIMEOUT_S = 60.0


class JupyterServer:
    """A Jupyter server without extensions.

    Args:
        processes: The run that it belongs to.
        kernels: A folder of data for Jupyter, with a folder ``kernels`` in it.

    Raises:
        TimeoutError: The server didn't start.
    """

    def __init__(self, processes: Processes, kernels: Path) -> None:
        self._token = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        root = processes.folder / f"notebooks-{self.port}"
        root.mkdir()
        self.process, self.mark = processes.start(
            "env", f"JUPYTER_PATH={kernels}", f"JUPYTER_DATA_DIR={root}", "JUPYTER_NO_CONFIG=1",
            sys.executable, "-m", "jupyter_server", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={self._token}", "--ServerApp.jpserver_extensions={}",
            f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True", "--no-browser",
        )  # fmt: skip
        end = time.monotonic() + TIMEOUT_S
        while not self._answers():
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError("the Jupyter server did not start")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self.ask("GET", "api")
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """Make a request to the server's REST API, and return the answer's JSON."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"token {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def page(self, kernel: str) -> Page:
        """Open a notebook with a fresh kernel of that name."""
        kernel_id = self.ask("POST", "api/kernels", {"name": kernel})["id"]
        session = uuid.uuid4().hex
        url = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels?session_id={session}"
        return Page(self, kernel_id, websocket.create_connection(
            url, timeout=TIMEOUT_S, header=[f"Authorization: token {self._token}"], enable_multithread=False
        ), session)  # fmt: skip


class Page:
    """An open notebook. Leaving the ``with`` block shuts the kernel down."""

    def __init__(self, server: JupyterServer, kernel_id: str, sock: websocket.WebSocket, session: str) -> None:
        self._server = server
        self._kernel_id = kernel_id
        self._socket = sock
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._server.ask("DELETE", f"api/kernels/{self._kernel_id}")

    def close(self) -> None:
        """Close the page; the kernel goes on."""
        self._socket.close()

    def start(self, code: str) -> str:
        """Begin a cell without waiting for its end, and return its ``msg_id``."""
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": "execute_request", "version": "5.3"}
        header |= {"session": self._session, "username": "", "date": "2000-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(message))
        return msg_id

    def messages(self, msg_id: str, timeout: float = TIMEOUT_S) -> list[tuple[float, dict[str, Any]]]:
        """Wait for the end of a request.

        Args:
            msg_id: The request's.
            timeout: Seconds that it may take.

        Returns:
            All messages that came for it, each behind the moment at which it came (`time.perf_counter`).
        """
        found: list[tuple[float, dict[str, Any]]] = []
        replied = idle = False
        end = time.monotonic() + timeout
        while not (replied and idle):
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            message = json.loads(self._socket.recv())
            if message["parent_header"].get("msg_id") == msg_id:
                found.append((time.perf_counter(), message))
                replied |= message["msg_type"] == "execute_reply"
                idle |= message["content"].get("execution_state") == "idle"
        return found
