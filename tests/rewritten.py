"""The tests, compiled before there are workers: each of these would compile all of them again in a fresh checkout.

pytest rewrites assertions as it compiles, and has no public way to do only that. Where it has changed since, each
worker does it for itself, as without this module.
"""

from __future__ import annotations

import compileall
import contextlib
import os
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

TESTS = Path(__file__).parent
PROCESSES = 2


def compile_all(config: pytest.Config) -> None:
    """Compile the tests and our own modules, where that was never done, in as many processes as a small machine has."""
    rewritten = [*TESTS.rglob("test_*.py"), *TESTS.rglob("conftest.py")]
    tail = getattr(rewrite, "PYC_TAIL", "")
    missing = [path for path in rewritten if not (path.parent / "__pycache__" / f"{path.stem}{tail}").exists()]
    others = [
        path for folder in (TESTS, TESTS.parent / "src") for path in folder.rglob("*.py") if path not in rewritten
    ]
    if os.name == "nt" or not missing:
        return
    children = [_forked(config, missing[n::PROCESSES], others[n::PROCESSES]) for n in range(PROCESSES)]
    for pid in children:
        os.waitpid(pid, 0)


def _forked(config: pytest.Config, missing: list[Path], others: list[Path]) -> int:
    if pid := os.fork():
        return pid
    with contextlib.suppress(BaseException):
        for path in others:
            compileall.compile_file(path, quiet=2)
        state = config.stash[rewrite.assertstate_key]
        for path in missing:
            folder = rewrite.get_cache_dir(path)
            folder.mkdir(parents=True, exist_ok=True)
            source, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(state, code, source, folder / f"{path.stem}{rewrite.PYC_TAIL}")
    os._exit(0)
