"""A Dask cluster of its own: a process with the scheduler, whose workers are processes with nannies.

``python -m tests.servers.dask_clusters`` is that process. It does what its stdin says, one line of JSON at a time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.compiled import put_agent
from tests.folders import Folder
from tests.servers.daemons import daemon_environment

ROOT = Path(__file__).resolve().parents[2]


class DaskCluster:
    """Two workers of one thread each, with one GPU each. Leaving the ``with`` block ends it."""

    def __init__(self, workers: int = 2) -> None:
        self._folder = Folder("rk-")
        home = self._folder.path / "home"
        home.mkdir()
        put_agent(home / ".cache", sys.executable)
        env = {**daemon_environment(home, None), "DASK_LOGGING__DISTRIBUTED": "critical"}
        self._err = (self._folder.path / "err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.dask_clusters", str(workers)],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._err, text=True,
        )  # fmt: skip
        self.scheduler: str = self._answer()

    @property
    def address(self) -> str:
        """As a notebook says it."""
        return self.scheduler.replace("tcp://", "dask://")

    def ask(self, op: str, *args: str) -> Any:
        """Have it do something, see `main`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([op, *args]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self._folder.path / "err").read_text()[-3000:]
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._err.close()
        self._folder.cleanup()


def main() -> None:
    """Serve: ``kill`` or ``retire`` a worker, ``restart`` the scheduler, or tell ``workers`` or ``tasks``."""
    from distributed import Client, LocalCluster
    from distributed.diagnostics.plugin import SchedulerPlugin

    sys.stdout, said = sys.stderr, sys.stdout

    def begin(port: int = 0) -> LocalCluster:
        cluster = LocalCluster(
            n_workers=int(sys.argv[1]), threads_per_worker=1, processes=True, resources={"GPU": 1},
            scheduler_port=port, dashboard_address=None,
        )  # fmt: skip
        cluster.scheduler.add_plugin(Errors())
        return cluster

    errors: list[tuple[str, str]] = []

    class Errors(SchedulerPlugin):
        """Keeps what tasks have failed with."""

        def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
            if finish == "erred":
                errors.append((str(key), str(kwargs.get("exception_text"))))

    cluster = begin()
    client = Client(cluster, set_as_default=False)
    print(json.dumps(cluster.scheduler_address), file=said, flush=True)
    for line in sys.stdin:
        op, *args = json.loads(line)
        answer: Any = None
        if op == "kill":
            os.kill(client.run(os.getpid, workers=args)[args[0]], signal.SIGKILL)
        elif op == "retire":
            client.retire_workers(args)
        elif op == "restart":
            client.close()
            cluster.close()
            cluster = begin(int(cluster.scheduler_address.rpartition(":")[2]))
            client = Client(cluster, set_as_default=False)
        elif op == "workers":
            answer = list(client.nthreads())
        elif op == "tasks":
            answer = {str(task.key): task.state for task in cluster.scheduler.tasks.values()}
        elif op == "story":
            answer = [each[:3] for each in cluster.scheduler.story(args[0]) if each[0] == args[0]]
        elif op == "said":  # what the last error of a task was
            answer = "".join(str(each[-1]) for each in errors if each[0] == args[0])
        print(json.dumps(answer), file=said, flush=True)
    client.close()
    cluster.close()


if __name__ == "__main__":
    main()
