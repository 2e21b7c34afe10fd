"""Starts a keeper as a process of its own, which outlives the server that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from . import memory_limit, starter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Tuple

ANSWER_TIMEOUT_S = 60.0  #: for a keeper to answer; boards are slow
# Of Windows: a console of its own that nobody sees, so that the keeper outlives the one that the server was started in.
# (With DETACHED_PROCESS it would have none, and each program that it starts would open a window.)
_DETACHED = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


FORKS = ("linux", "android")  # only there a pipe tells its write end how much is in it, as a forked worker needs it
VARIABLE = "RPYC_KERNEL_WORKER"  #: in the server's environment: how workers begin where the kernel doesn't say

LOOK_TIMEOUT_S = 20.0  #: for a Python to start and to say what it is
LOOK = "import importlib.util as u, sys; print(sys.version.split()[0], u.find_spec('IPython') is not None)"

WHICH = "Say which Python to use there with --python PATH"


class SpawnError(Exception):
    """No keeper could be started; the text says why, in a sentence for the user."""


def how_workers_begin(config: Dict[str, Any], environment: Mapping[str, str]) -> str:
    """How workers begin: ``fork``, forked from their keeper, whose memory they share; or ``spawn``, as programs.

    Args:
        config: The session's; its ``worker`` comes first.
        environment: The server's; its variable comes second, and then what this system can do.

    Raises:
        SpawnError: This system can't do it.
    """
    forks = hasattr(os, "fork") and sys.platform in FORKS
    how = config.get("worker") or environment.get(VARIABLE) or ("fork" if forks else "spawn")
    if how not in ("fork", "spawn"):
        raise SpawnError("workers begin by fork or spawn, not by %r" % how)
    if how == "fork" and not forks:
        raise SpawnError("that machine can't fork a worker: it isn't Linux. Leave it to spawn one")
    return str(how)


def spawn(digest: str, archive: bytes, boot: bytes, config: Dict[str, Any]) -> Dict[str, Any]:
    """Start a keeper; returns the record of its session.

    Args:
        digest: The agent's name.
        archive: The agent, packed.
        boot: The text of ``boot.py``.
        config: See `keeper.main.main`; ``python``, ``cwd`` and ``env`` are used here.

    Raises:
        SpawnError: The keeper didn't start.
    """
    python = config.get("python") or sys.executable
    if not python:
        raise SpawnError("the server runs in a program whose sys.executable is empty. " + WHICH)
    environment = dict(os.environ, **config.get("env", {}))
    config = dict(config, worker=how_workers_begin(config, environment), memory=memory_limit.memory_of(os.environ))
    text = json.dumps(config).encode("utf-8")
    head = b"%s%s\n%d %d\n" % (starter.first_words(boot), digest.encode("ascii"), len(archive), len(text))
    try:
        process = subprocess.Popen(
            [python, "-u", "-c", starter.KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=config.get("cwd") or None,
            env=environment,
            start_new_session=True,
            creationflags=_DETACHED,
        )
    except (OSError, ValueError) as error:
        raise SpawnError(_why_not_started(python, config.get("cwd"), error)) from error
    talk = _talk if config["worker"] == "fork" else _talk_and_part
    try:
        output, errors = talk(process, head + archive + text)
    except subprocess.TimeoutExpired:
        raise SpawnError(
            "%s was started for the session and did not answer within %g s" % (python, ANSWER_TIMEOUT_S)
        ) from None
    return _record(python, output, errors, process.returncode)


def look_at(python: Optional[str]) -> Dict[str, Any]:
    """Start a Python, without a session; returns its ``version``, and whether it has ``ipython``.

    Args:
        python: As in a session's configuration; the server's where it is None.

    Raises:
        SpawnError: It doesn't start, or it is no Python.
    """
    python = python or sys.executable
    if not python:
        raise SpawnError("the server runs in a program whose sys.executable is empty. " + WHICH)
    try:
        said = subprocess.check_output(
            [python, "-c", LOOK],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LOOK_TIMEOUT_S,
            creationflags=_DETACHED,
        )
        version, ipython = said.decode("ascii").split()[-2:]
    except subprocess.TimeoutExpired:
        raise SpawnError("%s was started and did not answer within %g s" % (python, LOOK_TIMEOUT_S)) from None
    except (subprocess.CalledProcessError, ValueError):
        raise SpawnError("%s was started and doesn't answer as a Python does. %s" % (python, WHICH)) from None
    except OSError as error:
        raise SpawnError(_why_not_started(python, None, error)) from None
    return {"version": version, "ipython": ipython == "True"}


def _talk(process: subprocess.Popen[bytes], data: bytes) -> Tuple[bytes, bytes]:
    """Talk to the parent of a keeper that is forked: it ends when the keeper has told its record."""
    with process:
        try:
            return process.communicate(data, ANSWER_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def _talk_and_part(process: subprocess.Popen[bytes], data: bytes) -> Tuple[bytes, bytes]:
    """Talk to the keeper itself, up to its record: it goes on.

    The end of its streams may be that of the session: Wine's console host has them open too. Each stream belongs to the
    thread that reads or writes it, and is closed by it.
    """
    import threading  # late, and in a server that has threads

    said = {"out": b"", "err": b""}

    def hear(name: str, stream: Any) -> None:
        with stream:
            for line in stream:
                said[name] += line
                if name == "out" and _is_answer(line):
                    break

    def tell(stream: Any) -> None:
        try:
            with stream:
                stream.write(data)
        except OSError:
            pass  # it has ended; its stderr or its exit code tells why

    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    threading.Thread(target=tell, args=(process.stdin,), daemon=True).start()
    listeners = [
        threading.Thread(target=hear, args=("out", process.stdout), daemon=True),
        threading.Thread(target=hear, args=("err", process.stderr), daemon=True),
    ]
    for listener in listeners:
        listener.start()
    try:
        for listener in listeners:
            listener.join(max(0.0, deadline - time.monotonic()))
            if listener.is_alive():
                raise subprocess.TimeoutExpired(process.args, ANSWER_TIMEOUT_S)
            if any(map(_is_answer, said["out"].splitlines()[-1:])):
                break
        else:
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    threading.Thread(target=process.wait, name="rpyc-kernel-keeper", daemon=True).start()  # or it would be a zombie
    return said["out"], said["err"]


def _is_answer(line: bytes) -> bool:
    """Whether a keeper has said that, and not something which its Python prints when it starts."""
    try:
        answer = json.loads(line.decode("utf-8"))
    except ValueError:
        return False
    return isinstance(answer, dict) and not {"error", "session"}.isdisjoint(answer)


def _record(python: str, output: bytes, errors: bytes, code: Optional[int]) -> Dict[str, Any]:
    lines: List[bytes] = output.splitlines()
    try:
        answer = json.loads(lines[-1].decode("utf-8"))
        if "error" in answer:
            raise SpawnError(answer["error"])
        if "session" in answer:
            return dict(answer)
    except (IndexError, ValueError, TypeError):
        pass
    said = errors.decode("utf-8", "replace").strip().splitlines()
    raise SpawnError(
        "%s was started for the session and ended with exit code %s%s. Is it a Python? %s"
        % (python, code, ": " + said[-1] if said else "", WHICH)
    )


def _why_not_started(python: str, cwd: Optional[str], error: Exception) -> str:
    if cwd and not os.path.isdir(cwd):
        return "there is no folder %s on that machine" % cwd
    return "%s can't be started there: %s. %s" % (python, getattr(error, "strerror", None) or error, WHICH)
