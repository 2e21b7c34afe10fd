"""A Python there that dies before each first cell: errors that say so, ways out of it, and nothing that hangs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

#: an IPython that is no good, which each worker imports
BROKEN = {
    "ends": "import os; os._exit(3)",
    "exits": "raise SystemExit(3)",
    "fails": "raise RuntimeError('half an installation')",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "goes round": "def f(): f()\nf()",
}
LIKE = ("exits", "is killed", "goes round")


@pytest.mark.parametrize(
    "broken", [pytest.param(each, marks=pytest.mark.soak) if each in LIKE else each for each in BROKEN]
)
def test_whatever_is_tried_ends_and_a_repaired_machine_is_good_again(broken: str, tmp_path: Path) -> None:
    package = tmp_path / "IPython"
    package.mkdir()
    (package / "__init__.py").write_text(BROKEN[broken])
    kernel = Kernel()
    with Remote("bare", env={"PYTHONPATH": str(tmp_path)}) as server, kernel as nb:
        tried = [f"%connect {server.address}", "1", "await x", "%restart", "2", f"%connect {server.address} --new", "3"]
        began = time.monotonic()
        cells = [nb.run(code, timeout=60) for code in tried]
        kernel.restart()
        cells += [nb.run(code, timeout=60) for code in ("4", "%restart", "5")]
        assert time.monotonic() - began < 120
        for cell in cells:
            assert cell.error is not None, cell
            assert server.address in cell.error["evalue"]
            assert "before it could run a cell" in cell.error["evalue"]
        shutil.rmtree(package)
        nb.run("%restart", timeout=60)
        nb.wait_for(lambda: nb.run("6 * 7", timeout=60).text == "42", 30, "a Python that works")
