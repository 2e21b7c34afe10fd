"""What a Dask worker runs: it starts the server of a session as a process of its own, and waits for its end.

The text of this file travels, since the worker has no rpyc-kernel. Only Dask and the standard library are there.

The task is as long as the session: what it has of the worker's resources stays reserved. It secedes, so that it takes
none of the worker's threads. Dask runs a task again whose worker was lost; this one refuses to run a second time.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any

_LOOK_INTERVAL_S = 0.5  # at whether the worker is being closed
_END_TIMEOUT_S = 20.0  # for the sessions to end in order
_LEAVING = ("closing", "closed", "closing_gracefully", "stopping", "stopped", "failed")


def place(wanted: dict[str, Any]) -> str:
    """Start the server, tell where it is, and wait until it has ended.

    Args:
        wanted: ``token``, which names the placement; ``program``, the text of the server's program, and the ``words``
            that it reads first; ``client`` and ``key``, for the proof; ``agent``, the name of the kernel's agent.

    Returns:
        A sentence about the end.

    Raises:
        RuntimeError: It has run before, or the server could not be started.
    """
    from distributed import Event, get_worker, secede  # noqa: PLC0415 - only on a worker

    worker = get_worker()
    request = {"host": worker.ip, **{name: wanted[name] for name in ("client", "key", "agent")}}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", wanted["program"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DASK_SCHEDULER_ADDRESS": worker.scheduler.address},  # of `Client()` in a cell
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(wanted["words"] + json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        once = Event(wanted["token"])
        if once.is_set():
            raise RuntimeError("this session was placed before; its worker was lost, and the session with it")
        once.set()
        answer = json.loads(process.stdout.readline() or b'{"error": "its Python has ended at once"}')
        if "error" in answer:
            raise RuntimeError(f"the session's server could not be started: {answer['error']}")
        answer.update(host=worker.ip, worker=worker.address)
        worker.log_event(wanted["token"], answer)
        secede()
        ended = threading.Event()
        threading.Thread(target=_read, args=(process.stdout, ended), daemon=True).start()
        while not ended.wait(_LOOK_INTERVAL_S):
            if worker.status.name in _LEAVING:
                return "the worker is leaving the cluster"
        once.clear()
        return "it has ended"
    finally:
        process.stdin.close()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _read(stream: Any, ended: threading.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.read()
    ended.set()
