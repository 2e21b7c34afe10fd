"""How a placed session's server begins: from what travels, and from what the one before has left in the cache."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rpyc_kernel.transport.placing import program

pytestmark = pytest.mark.needs("posix")


def begin(cache: Path, words: bytes) -> dict[str, Any]:
    """Start a server with that cache, and end it once it has told where it is; returns what it has told.

    What it has begun besides has its stderr, and so has ended, too.
    """
    parts = program.parts()
    request = {"host": "127.0.0.1", "client": "me", "key": "00" * 32, "agent": "0" * 64}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", parts["program"]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(cache / "home")},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(words + json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        told = process.stdout.readline()
    finally:
        _out, err = process.communicate(timeout=110)
    assert told, err
    return dict(json.loads(told))


def test_the_second_server_of_a_machine_compiles_nothing(tmp_path: Path) -> None:
    words: bytes = program.parts()["words"]
    found = re.search(rb"([0-9a-f]{64})\n\d+\n", words)
    assert found
    without = words[: found.start()] + found[1] + b"\n0\n"  # no module travels
    assert set(begin(tmp_path, words)) == {"port", "fingerprint"}
    assert any(tmp_path.glob(f"rpyc-kernel/code-{found[1].decode()}*[0-9]"))
    assert set(begin(tmp_path, without)) == {"port", "fingerprint"}
    with pytest.raises(AssertionError, match="damaged"):
        begin(tmp_path / "another", without)
