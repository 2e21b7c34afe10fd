"""The keeper's process: it detaches, listens, leaves a record, and runs the loop until the session ends."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time

from .. import local_socket, records, wire
from .log import Log
from .loop import Keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from ..boot import Agent

    Json = Dict[str, Any]


def main(config: Json, agent: Agent) -> None:
    """Become the keeper of a new session and tell the broker, on stdout, its record (or ``{"error": text}``).

    Args:
        config: ``session`` (its name on this machine, chosen by the kernel), ``name`` (for people), ``shell``
            (``auto``, ``plain`` or ``ipython``), ``keep`` (seconds an idle session stays without a kernel), ``agent``
            (the version of the kernel's distribution, for people), ``worker`` (``fork`` or ``spawn``: see
            `spawn.how_workers_begin`), ``memory`` (bytes that a worker may have; 0 for as many as there are).
        agent: This agent.
    """
    forks = config.get("worker") != "spawn"
    if forks:
        if os.fork():
            os._exit(0)  # the broker waits for this one; the keeper is nobody's child
        os.setsid()
    key = os.urandom(32)
    record: Json = {
        "session": config["session"],
        "name": config.get("name", ""),
        "version": wire.VERSION,
        "agent": config.get("agent", ""),
        "pid": os.getpid(),
        "python": sys.version.split()[0],
        "started": time.time(),
        "key": key.hex(),
    }
    try:
        listener = _listen(record)
    except OSError as error:
        _say({"error": "no session can be kept on that machine: %s" % error})
        os._exit(1)
    config["scratch"] = record.get("scratch")
    _say(record)
    _close_standard_streams()
    log = Log(record["path"] + ".log" if record.get("path") else None)
    log.write("keeper %d of session %s, Python %s" % (record["pid"], record["session"], record["python"]))
    reaper = None
    if forks:
        from .worker.reaper import Reaper

        reaper = Reaper()
    try:
        # What a worker needs, it imports itself: nearly all of the pages it would write to, as it counts references, so
        # that they would be in memory twice (0.3 MiB on Python 3.8, 1.1 MiB with IPython). The collector leaves alone
        # what is shared: by its marks it would write to all of it.
        gc.freeze()
        keeper = Keeper(listener, key, config, agent, log, reaper)
        gc.enable()
        keeper.run()
        log.write("the session ends: %s" % keeper.session.why)
        log.remove()
    except BaseException:
        if os.getpid() == record["pid"]:
            log.write_exception()
        raise
    finally:
        if os.getpid() == record["pid"]:  # else this is a forked worker, which ends as any Python does
            records.forget(record)
            os._exit(0)


def _listen(record: Json) -> socket.socket:
    """Listen, and leave a record: in the first folder with room for both, else under a name without a file.

    Raises:
        OSError: Nothing can be listened on.
    """
    for folder in records.sessions_folders():
        path = os.path.join(folder, record["session"])
        try:
            listener, record["socket"] = local_socket.listen(folder, record["session"])
        except OSError:
            continue
        record.update(path=path + ".json", scratch=path + ".d")
        try:
            records.write(folder, record)
        except OSError:  # the disk is full
            listener.close()
            records.forget(record)
            del record["path"], record["scratch"]
            continue
        return listener
    listener, record["socket"] = local_socket.listen(None, record["session"])
    return listener


def _say(answer: Json) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _close_standard_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)
