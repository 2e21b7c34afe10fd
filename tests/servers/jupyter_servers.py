"""A Jupyter server of a test's own: JupyterLab's, Notebook 7's, or the bare one, asked by its HTTP API."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from tests import nursery
from tests.folders import Folder
from tests.kernel.client import Client
from tests.kernel.kernels import COMMAND, private_environment, write_kernelspec
from tests.kernel.remotes import wait_until
from tests.servers.rpyc_servers import free_port

TOKEN = "browser-tests"
ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "labextension" / "built"
SERVER_EXTENSION = ROOT / "src" / "rpyc_kernel" / "jupyter_server" / "server_config.json"


class Answer(NamedTuple):
    """What the server has answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class JupyterServer:
    """A Jupyter server of this test's own.

    `app`: `jupyterlab`, `notebook` or `jupyter_server`; `extension`: whether pages have ours.
    `python`: the Python of another environment, which has the server and its extensions; the kernel is always ours.
    """

    def __init__(self, app: str, python: str = sys.executable, *options: str, extension: bool = True) -> None:
        self._folder = Folder("rj-")
        self.folder = self._folder.path
        self.root = self.folder / "root"
        self.root.mkdir()
        write_kernelspec(self.folder / "share", COMMAND)
        if not extension:
            disabled = self.folder / "config" / "labconfig" / "page_config.json"
            disabled.parent.mkdir(parents=True)
            disabled.write_text(json.dumps({"disabledExtensions": {"rpyc-kernel": True}}))
        else:
            enabled = self.folder / "config" / "jupyter_server_config.d"
            enabled.mkdir(parents=True)
            shutil.copy(SERVER_EXTENSION, enabled / "rpyc_kernel.json")
            shutil.copytree(EXTENSION, self.folder / "share" / "labextensions" / "rpyc-kernel")
        self.env = private_environment(self.folder, JUPYTER_PATH=str(self.folder / "share"))
        for program in ("node", "npm"):  # JupyterLab asks them for folders as it starts, and can do without an answer
            stub = self.folder / "bin" / program
            stub.parent.mkdir(exist_ok=True)
            stub.write_text("#!/bin/sh\nexit 1\n")
            stub.chmod(0o755)
        self.env["PATH"] = f"{stub.parent}{os.pathsep}{self.env.get('PATH', os.defpath)}"
        settings = self.folder / "config" / "lab" / "user-settings" / "@jupyterlab"
        for name, content in {
            "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
            "docmanager-extension/plugin": {"renameUntitledFileOnSave": False},
            "codemirror-extension/plugin": {"defaultConfig": {"autoClosingBrackets": False}},
        }.items():
            (settings / name).parent.mkdir(parents=True, exist_ok=True)
            (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(content))
        if app == "jupyter_server":  # those of the front ends take seconds to import
            others = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
            off = {"ServerApp": {"jpserver_extensions": dict.fromkeys(others, False)}}
            (self.folder / "config" / "jupyter_server_config.json").write_text(json.dumps(off))
        self.port = free_port()
        self.command = [
            python, "-m", app, "--no-browser", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
            "--KernelSpecManager.ensure_native_kernel=False", "--LabApp.news_url=",
            f"--ServerApp.allow_root={True}", *options,
        ]  # fmt: skip
        for page in (
            "LabApp",
            "JupyterNotebookApp",
        ):  # what they find when they are imported is the nursery's
            for name, each in (("user_settings_dir", "user-settings"), ("workspaces_dir", "workspaces")):
                self.command.append(f"--{page}.{name}={self.folder / 'config' / 'lab' / each}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            python, *argv = self.command
            outputs: dict[str, Any] = {"env": self.env, "cwd": self.root, "stdout": log, "stderr": log}
            if python == sys.executable:
                self.process = nursery.start(argv, kernels=2, modules=nursery.OF_JUPYTER, **outputs)
            else:
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, **outputs)
        assert wait_until(self._answers, 90), (self.folder / "log").read_text()
        return self

    def save_host(self, name: str, address: object, *options: str) -> None:
        """Save a machine, as a user does."""
        add = ["-m", "rpyc_kernel.cli.main", "hosts", "add", name, str(address), *options]
        assert nursery.run(add, env=self.env).returncode == 0

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        quoted: bool = False,
        timeout: float = 60,
    ) -> Answer:
        """Make a request. `path` is quoted here, but for what follows its question mark, unless it is `quoted`."""
        place, question, query = path.partition("?")
        place = place if quoted else quote(place, errors="surrogatepass")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = None if body is None else json.dumps(body)
            headers = {**(headers or {}), "Authorization": f"token {TOKEN}"}
            connection.request(method, place + question + query, data, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    @contextlib.contextmanager
    def client(self, kernel_id: str) -> Iterator[Client]:
        """A front end of one of its kernels."""
        client = Client(str(self.folder / "run" / f"kernel-{kernel_id}.json"))
        try:
            client.ready()
            yield client
        finally:
            client.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api?token={TOKEN}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if value is not None:
            print(f"-- the Jupyter server's log\n{(self.folder / 'log').read_text()[-4000:]}")
        self._folder.cleanup()
