"""A Jupyter server with its default limits, and a page: what a browser gets over its websocket, and when."""

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

TIMEOUT = 60.0  # seconds


class JupyterServer:
    """A server of the run's own, with no extension; *kernels*: a folder that has a folder ``kernels``."""

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
        end = time.monotonic() + TIMEOUT
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
        """One request to its REST API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"token {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def page(self, kernel: str) -> Page:
        """A notebook with a fresh kernel of that name, opened in a page."""
        kernel_id = self.ask("POST", "api/kernels", {"name": kernel})["id"]
        session = uuid.uuid4().hex
        url = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels?session_id={session}"
        return Page(self, kernel_id, websocket.create_connection(
            url, timeout=TIMEOUT, header=[f"Authorization: token {self._token}"], enable_multithread=False
        ), session)  # fmt: skip


class Page:
    """An open notebook. Leaving the ``with`` block shuts its kernel down."""

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
        """Close the page; its kernel goes on."""
        self._socket.close()

    def start(self, code: str) -> str:
        """Run a cell without waiting; returns its ``msg_id``."""
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": "execute_request", "version": "5.3"}
        header |= {"session": self._session, "username": "", "date": "2000-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(message))
        return msg_id

    def messages(self, msg_id: str, timeout: float = TIMEOUT) -> list[tuple[float, dict[str, Any]]]:
        """What comes for that request until its reply and *idle*: each message, and the moment it came."""
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
