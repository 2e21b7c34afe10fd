"""Two versions of rpyc-kernel on one machine: a session is taken over by a kernel of its version, or a newer one."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import connect
from tests.kernel.kernels import SOURCE, Kernel
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")

NEWER = "9.1.0"


@pytest.fixture
def newer(tmp_path: Path) -> str:
    """A copy of the package as it may be one day: of another version, with another wire."""
    package = tmp_path / "newer" / "rpyc_kernel"
    shutil.copytree(SOURCE / "rpyc_kernel", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, pattern, text in (
        ("_version.py", r'__version__ = "[^"]+"', f'__version__ = "{NEWER}"'),
        ("agent/wire.py", r"^VERSION = 1\b", "VERSION = 2"),
    ):
        path = package / name
        changed, count = re.subn(pattern, text, path.read_text(), flags=re.MULTILINE)
        assert count == 1, name
        path.write_text(changed)
    return str(package.parent)


def test_two_versions_live_on_one_machine(new_kernel: Callable[..., Kernel], own_remote: Remote, newer: str) -> None:
    old, new = new_kernel().first, new_kernel(env={"PYTHONPATH": newer}).first
    connect(old, own_remote, "--name", "older")
    connect(new, own_remote, "--name", "newer")
    assert (old.good("mine = 1\nmine").text, new.good("mine = 2\nmine").text) == ("1", "2")
    assert f"needs rpyc-kernel {NEWER}" in old.good("%sessions").stdout
    assert "needs" not in new.good("%sessions").stdout

    refused = old.run("%attach newer")
    assert refused.error is not None
    assert refused.error["ename"] == "SessionVersionError"
    assert f"rpyc-kernel>={NEWER}" in refused.error["evalue"]
    assert new.good("mine").text == "2", "and nothing has changed"
    assert old.good("mine").text == "1"

    new.good("%attach older")
    assert new.good("mine").text == "1"
