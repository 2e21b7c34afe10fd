"""Web servers that start our kernel as they start any, and a front end that talks to it by their websockets."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tests.folders import Folder
from tests.kernel.kernels import private_environment, write_kernelspec
from tests.servers.rpyc_servers import free_port

PATIENCE = 90.0  # seconds


class WebServer:
    """One of them, among whose kernelspecs is ours, as ``rpyc``. Leaving the ``with`` block ends it.

    *command*: with ``{port}`` for the port and ``{folder}`` for its folder; *api*: the path of its REST interface.
    """

    def __init__(self, command: Sequence[str], token: str, api: str = "/api", **env: str) -> None:
        self._folder = Folder("rg-")
        self.folder = self._folder.path
        self.port, self.token, self.api = free_port(), token, api
        self._log = self.folder / "log"
        write_kernelspec(self.folder / "share")
        env = private_environment(self.folder, JUPYTER_PATH=str(self.folder / "share"), **env)
        env.pop("PYTHONPATH")  # it is of another environment; the kernel's own has this package
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [part.format(port=self.port, folder=self.folder) for part in command],
                env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make a request; returns the answer's JSON, None without one. Raises OSError for an error."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.api}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"Authorization": f"token {self.token}"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def begin(self) -> str:
        """Have it start our kernel; returns the kernel's id."""
        return str(self.ask("POST", "/kernels", {"name": "rpyc"})["id"])

    def run(self, kernel: str, *cells: str) -> list[str]:
        """Run cells by its websocket; returns the texts of the results and what was printed, and raises errors."""
        import websocket  # of jupyter_server

        place = f"ws://127.0.0.1:{self.port}{self.api}/kernels/{kernel}/channels?session_id=test"
        channel = websocket.create_connection(place, timeout=60, header=[f"Authorization: token {self.token}"])
        try:
            return [_run(channel, code) for code in cells]
        finally:
            channel.close()

    def wait(self) -> None:
        """Wait until it answers."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("GET", "")
                return
            except (OSError, ValueError):
                assert self.process.poll() is None, self.said
                assert time.monotonic() < give_up, self.said
            time.sleep(0.1)

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")[-6000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if value is not None:
            print(f"-- the server's log\n{self.said}")
        self._folder.cleanup()


def _run(channel: Any, code: str) -> str:
    msg_id = uuid.uuid4().hex
    header = {
        "msg_id": msg_id, "msg_type": "execute_request", "username": "", "session": "test", "date": "",
        "version": "5.3",
    }  # fmt: skip
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channel.send(json.dumps(message))
    text, left = "", {"execute_reply", "idle"}
    while left:
        came = json.loads(channel.recv())
        if came["parent_header"].get("msg_id") != msg_id:
            continue
        content = came["content"]
        left -= {came["msg_type"], str(content.get("execution_state"))}
        if came["msg_type"] == "stream":
            text += content["text"]
        elif came["msg_type"] == "execute_result":
            text += content["data"]["text/plain"]
        assert came["msg_type"] != "error", content
    return text
