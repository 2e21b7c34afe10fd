"""Kernels of their own, each with private Jupyter, IPython and home folders, started as Jupyter starts them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from tests.folders import Folder
from tests.kernel import nursery
from tests.kernel.client import WAIT, Client
from tests.kernel.remotes import wait_until
from tests.servers.rpyc_servers import free_port

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")

# Where the tests' own rpyc_kernel is: the kernels run the same one.
_found = importlib.util.find_spec("rpyc_kernel")
SOURCE = Path(_found.origin).parents[1] if _found and _found.origin else Path(__file__).resolve().parents[2] / "src"

# `RPYC_KERNEL_TESTS_REFERENCE=1` runs the tests on a local ipykernel: whether a test asks for what notebooks do.
REFERENCE = bool(os.environ.get("RPYC_KERNEL_TESTS_REFERENCE"))
COMMAND = [sys.executable, "-m", "ipykernel_launcher" if REFERENCE else "rpyc_kernel", "-f", "{connection_file}"]


def private_environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which Jupyter, IPython and the home are this folder's, and nothing is inherited that
    would change what a test sees. `more` is added; "" takes a variable away."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")}
    keep.setdefault("LANG", "C.UTF-8")
    homes = {
        "HOME": "home",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
    }
    for name, part in homes.items():
        (folder / part).mkdir(exist_ok=True, mode=0o700)
        keep[name] = str(folder / part)
    keep["PYTHONPATH"] = str(SOURCE)
    keep.update(
        {
            "JUPYTER_PLATFORM_DIRS": "1",
            "RK_WHERE": "here",
            "RPYC_KERNEL_CHECK_THREADS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
    )
    return {name: value for name, value in {**keep, **more}.items() if value}


def write_kernelspec(folder: Path, command: list[str] = COMMAND, metadata: dict[str, Any] | None = None) -> Path:
    """A folder of kernelspecs that holds one, named `rpyc`."""
    spec = folder / "kernels" / "rpyc"
    spec.mkdir(parents=True, exist_ok=True)
    content = {"argv": command, "display_name": "Python (RPyC)", "language": "python", "interrupt_mode": "message"}
    (spec / "kernel.json").write_text(json.dumps({**content, "metadata": metadata or {"debugger": True}}))
    return spec.parent


class Kernel:
    """One kernel process and its first front end. A context manager: leaving it ends both.

    With its own *command* or *env*, or *alone*, it is started as Jupyter starts it, else forked by the nursery.
    """

    def __init__(
        self,
        *options: str,
        command: list[str] | None = None,
        env: dict[str, str] | None = None,
        spec_metadata: dict[str, Any] | None = None,
        alone: bool = False,
        **manager: Any,
    ) -> None:
        self._folder = Folder("rk-")
        self.folder = self._folder.path
        self.options = options
        self.env = private_environment(self.folder, **(env or {}))
        if sys.platform == "linux" and not (REFERENCE or command or env or alone):
            self.env[nursery.FORKED] = "1"
        self.log = self.folder / "log"
        self._log = self.log.open("ab")  # open as long as this, since a restart uses it again
        specs = KernelSpecManager(kernel_dirs=[str(write_kernelspec(self.folder, command or COMMAND, spec_metadata))])
        specs.ensure_native_kernel = False
        if manager.get("transport", "tcp") == "tcp":  # a port that Jupyter finds free may be taken when it is bound
            manager.update({f"{name}_port": free_port() for name in CHANNELS}, cache_ports=False)
        self.manager = KernelManager(
            kernel_name="rpyc",
            kernel_spec_manager=specs,
            connection_file=str(self.folder / "kernel.json"),
            **manager,
        )
        self.manager.shutdown_wait_time = 10.0
        self._clients: list[Client] = []

    @property
    def first(self) -> Client:
        """The front end that it was started with."""
        return self._clients[0]

    def start(self, timeout: float = WAIT) -> Client:
        self.launch()
        return self.client(timeout)

    def launch(self) -> None:
        """Start the process, and don't wait until it answers."""
        self.manager.start_kernel(
            extra_arguments=list(self.options),
            env=self.env,
            cwd=str(self.folder / "home"),
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )

    def client(self, timeout: float = WAIT) -> Client:
        """One more front end."""
        client = Client(self.manager.connection_file, self.alive)
        self._clients.append(client)
        client.ready(timeout)
        return client

    def dismiss(self, client: Client) -> None:
        """Close one front end."""
        self._clients.remove(client)
        client.close()

    @property
    def pid(self) -> int:
        assert self.manager.provisioner is not None
        return int(self.manager.provisioner.process.pid)  # type: ignore[attr-defined]

    def alive(self) -> bool:
        process = getattr(self.manager.provisioner, "process", None)
        return process is not None and process.poll() is None

    def restart(self) -> None:
        """Jupyter's restart: same ports, new process."""
        self.manager.restart_kernel(now=False)
        for client in self._clients:
            client.ready()

    def ask_to_end(self) -> None:
        """Send the shutdown request and don't wait."""
        if self.alive():
            self.manager.request_shutdown()

    def shutdown(self) -> float:
        """Jupyter's shutdown. Returns the seconds it took."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        started = time.monotonic()
        if self.manager.provisioner is not None:
            if self.alive():  # the same as the manager's shutdown does, which looks each 0.1 s whether it has ended
                self.manager.interrupt_kernel()
                self.manager.request_shutdown()
                wait_until(lambda: not self.alive(), self.manager.shutdown_wait_time)
            if self.alive():
                self.manager.shutdown_kernel(now=True)
            else:
                self.manager.cleanup_resources()
        return time.monotonic() - started

    def __enter__(self) -> Client:
        try:
            return self.start()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.manager.cleanup_connection_file()
        self._log.close()
        log = self.log.read_text(errors="replace")
        assert value or "outside of the event loop" not in log, log[-4000:]
        if value is not None and self.log.exists():
            print(f"-- the kernel's log\n{self.log.read_text(errors='replace')[-4000:]}")
        self._folder.cleanup()
