"""The agent, compiled: the first session in each home compiles it for half a second, and tests make hundreds of homes.

What a session compiles by itself, and when, is tried in ``tests/unit/agent/test_boot.py``.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from rpyc_kernel.transport.broker_client import agent_sources, agent_text

FOLDER = "TESTS_COMPILED"
"""The variable that names the folder in which the workers of a run share what was compiled."""

_MAKE = """
_digest, _text, _folder = json.load(sys.stdin)
write_file(os.path.join(_folder, _code_name(_digest)), CompiledAgent.compile(json.loads(_text)), sync=False)
"""


def put_agent(cache: Path, python: str = sys.executable) -> None:
    """Put the agent, compiled by this Python, below a folder for caches, where that user's first session finds it."""
    if os.name == "nt" or FOLDER not in os.environ:
        return
    code = _compiled(os.path.realpath(python))
    if code is None:
        return
    folder = cache / "rpyc-kernel"
    cache.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(OSError):  # it is there already, or the home is on another disk
        os.link(code, folder / code.name)


@functools.cache
def _compiled(python: str) -> Path | None:
    folder = Path(os.environ[FOLDER], python.strip("/").replace("/", "-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("code-*[0-9]")):
        digest, text = agent_text()
        given = json.dumps([digest, text.decode(), str(folder)])
        program = agent_sources()["boot.py"] + _MAKE
        done = subprocess.run([python, "-I", "-c", program], input=given, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0 or "annotations is not defined" in done.stderr, done.stderr  # Python 3.6
    return next(folder.glob("code-*[0-9]"), None)
