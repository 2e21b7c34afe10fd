"""Threads of the agent's own: a debugger that stopped one would stop the session, or a function that stops a motor."""

from __future__ import annotations

import re
from pathlib import Path

WORKER = Path(__file__).resolve().parents[4] / "src" / "rpyc_kernel" / "agent" / "worker"


def test_the_worker_starts_no_others() -> None:
    others = {
        str(path.relative_to(WORKER))
        for path in WORKER.rglob("*.py")
        if re.search(r"threading\.Thread\(", path.read_text("utf-8"))
    }
    assert others == set()
