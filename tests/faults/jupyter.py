"""A Jupyter server as a process of its own, and a page: what a browser would get over its websocket."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import websocket

from tests.folders import Folder
from tests.kernel.client import WAIT, NotSeen
from tests.kernel.kernels import COMMAND, private_environment, write_kernelspec
from tests.kernel.results import Message, Request
from tests.servers.rpyc_servers import free_port


class JupyterServer:
    """A server with the default limits and without extensions. A context manager: leaving it ends it and its kernels.

    *options*: of its kernels' command line.
    """

    def __init__(self, *options: str) -> None:
        self._folder = Folder("rj-")
        self.folder = self._folder.path
        write_kernelspec(self.folder / "share", [*COMMAND, *options])
        self.mark = self.folder.name
        self.env = private_environment(
            self.folder, JUPYTER_PATH=str(self.folder / "share"), RK_JUPYTER=self.mark, JUPYTER_NO_CONFIG="1"
        )
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.log = self.folder / "log"
        self.pages: list[Page] = []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyter_server", f"--ServerApp.port={self.port}", "--no-browser",
                    "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", "--ServerApp.jpserver_extensions={}",
                    f"--ServerApp.root_dir={self.folder / 'home'}", "--ServerApp.allow_root=True",
                ],
                env={**self.env, "JUPYTER_TOKEN": self.token}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def ready(self) -> Self:
        deadline = time.monotonic() + WAIT
        while True:
            try:
                self.ask("GET", "api")
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)
            else:
                return self

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """One request to its REST API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"token {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def page(self) -> Page:
        """A notebook with a kernel of its own, opened in a page."""
        page = Page(self, self.ask("POST", "api/kernels", {"name": "rpyc"})["id"])
        self.pages.append(page)
        return page

    def kill(self) -> None:
        """End it as a crash does; its kernels are not told."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        try:
            return self.ready()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for page in self.pages:
            page.socket.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        for pid in kernels_of(self.mark):
            os.kill(pid, signal.SIGKILL)
        if value is not None:
            print(f"-- the Jupyter server's log\n{self.log.read_text(errors='replace')[-3000:]}")
        self._folder.cleanup()


def kernels_of(mark: str) -> list[int]:
    from tests.kernel.remotes import processes_with

    return [pid for pid, line in processes_with("RK_JUPYTER", mark).items() if "rpyc_kernel" in line]


class Page:
    """An open notebook."""

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self.server = server
        self.kernel_id = kernel_id
        self.session = uuid.uuid4().hex
        self.requests: dict[str, Request] = {}
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{server.port}/api/kernels/{kernel_id}/channels?session_id={self.session}",
            timeout=WAIT,
            header=[f"Authorization: token {server.token}"],
        )

    def start(self, code: str) -> Request:
        """Run a cell and don't wait."""
        request = Request(uuid.uuid4().hex, "execute_request", code, time.monotonic())
        header = {"msg_id": request.id, "msg_type": request.kind, "version": "5.3", "session": self.session}
        header |= {"username": "", "date": "2000-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.requests[request.id] = request
        self.socket.send(json.dumps(message))
        return request

    def finish(self, request: Request, timeout: float = WAIT) -> Request:
        self.wait_for(lambda: request.done, timeout, f"the end of {request}")
        return request

    def good(self, code: str, timeout: float = WAIT) -> Request:
        """Run a cell that has to work."""
        request = self.finish(self.start(code), timeout)
        assert request.status == "ok", f"{code!r} gave {request}"
        return request

    def wait_output(self, request: Request, text: str, timeout: float = WAIT) -> None:
        self.wait_for(lambda: text in request.stdout, timeout, f"the output {text!r}")

    def wait_for(self, condition: Callable[[], Any], timeout: float = WAIT, what: str = "") -> None:
        """Read what comes until `condition()`."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self._file(json.loads(self.socket.recv()))
            except (websocket.WebSocketTimeoutException, websocket.WebSocketConnectionClosedException) as error:
                last = list(self.requests.values())[-3:]
                raise NotSeen(
                    f"{what or 'what was waited for'} did not come ({error}). Last requests: {last}"
                ) from None

    def _file(self, raw: dict[str, Any]) -> None:
        message = Message({"buffers": [], **raw}, time.monotonic())
        request = self.requests.get(message.parent)
        if request is None:
            return
        if raw["channel"] == "iopub":
            request.take(message)
        elif message.kind == "execute_reply":
            request.reply, request.replied_at = message.content, message.at
