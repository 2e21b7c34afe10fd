"""Starts a keeper as a process of its own, which outlives the server that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

STARTER = (
    "import sys; f = sys.stdin.buffer; n = int(f.readline()); s = {'__name__': 'boot'};"
    "exec(compile(f.read(n), '<rpyc-kernel boot>', 'exec'), s); s['start_keeper'](f)"
)
SECONDS = 60.0  #: until a keeper has answered; boards are slow


WHICH = "Say which Python to use there with %connect ADDRESS --python PATH"


class SpawnError(Exception):
    """No keeper could be started; the text says why, in a sentence for the user."""


def spawn(digest: str, archive: bytes, boot: bytes, config: Dict[str, Any]) -> Dict[str, Any]:
    """Start a keeper; returns the record of its session.

    :param config: see `keeper.main.main`; ``python``, ``cwd`` and ``env`` are used here
    :raises SpawnError: it didn't start
    """
    python = config.get("python") or sys.executable
    if not python:
        raise SpawnError("the server runs in a program whose sys.executable is empty. " + WHICH)
    environment = dict(os.environ, **config.get("env", {}))
    text = json.dumps(config).encode("utf-8")
    head = b"%d\n%s%s\n%d %d\n" % (len(boot), boot, digest.encode("ascii"), len(archive), len(text))
    try:
        process = subprocess.Popen(
            [python, "-u", "-c", STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=config.get("cwd") or None,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise SpawnError(_why_not_started(python, config.get("cwd"), error)) from error
    try:
        output, errors = process.communicate(head + archive + text, SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise SpawnError("%s was started for the session and did not answer within %g s" % (python, SECONDS)) from None
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
    return _record(python, output, errors, process.returncode)


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
