"""`%put` and `%get`: files between the notebook's folder and the machine where cells run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import refused

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def here(kernel: Kernel) -> Path:
    """The notebook's folder."""
    return kernel.folder / "home"


@pytest.fixture
def folder(fresh: Client, here: Path, tmp_path: Path) -> Path:
    """A folder of this test's in which cells run on the other machine."""
    fresh.good(f"import os; os.chdir({str(tmp_path)!r})")
    return tmp_path


def test_put_and_get(fresh: Client, folder: Path, here: Path, remote: Remote) -> None:
    (here / "my data.csv").write_text("1,2\n")
    (here / "sub" / "deep").mkdir(parents=True)
    (here / "sub" / "deep" / "x").write_text("x")
    said = fresh.good('%put "my data.csv"\nopen("my data.csv").read()')
    assert said.text == "'1,2\\n'"
    assert said.stdout.startswith(f"Copied 1 file (4 B) to {remote.address}:{folder} in 0.")
    fresh.good("%put -r sub *.csv .")
    assert (folder / "sub" / "deep" / "x").read_text() == "x"
    fresh.good("open('result', 'w').write('r')\nopen('result2', 'w').write('s')")
    assert f"Copied 2 files (2 B) to {here}" in fresh.good("%get result*").stdout
    assert (here / "result").read_text() + (here / "result2").read_text() == "rs"
    fresh.good("%get --recursive sub copied")
    assert (here / "copied" / "deep" / "x").read_text() == "x"


def test_what_cannot_be_copied_is_a_sentence_and_the_code_behind_it_does_not_run(fresh: Client, folder: Path) -> None:
    cell = fresh.run("%put nothing.csv\nprint('ran')")
    refused(cell, "Here, there is no nothing.csv.")
    assert cell.stdout == ""
    refused(fresh.run("%get nothing.csv"), "there is no nothing.csv.")
    refused(fresh.run("%put"), "%put needs its files")
    refused(fresh.run("%put -x a b"), "%put has no option -x")


@pytest.fixture
def slow(front: Client, remote: Remote) -> Iterator[tuple[Client, Proxy]]:
    """A notebook whose machine is reached by 10 MB/s."""
    with Proxy(remote.port) as proxy:
        proxy.rate = 10e6
        front.good(f"%connect {proxy.address} --new")
        yield front, proxy


def test_what_takes_long_is_told_in_one_line_and_stop_leaves_nothing(
    slow: tuple[Client, Proxy], here: Path, tmp_path: Path
) -> None:
    client, proxy = slow
    (here / "large").write_bytes(os.urandom(60_000_000))
    cell = client.start(f"%put large {tmp_path}")
    client.wait_for(lambda: cell.of("update_display_data"), what="how far it is")
    client.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "Copying was stopped" in cell.error["evalue"]
    lines = [text for kind, text in cell.script if kind != "error"]
    assert re.fullmatch(rf"{proxy.address}: [\d.]+ MB of 60 MB, [\d.]+ [kM]B/s, \d+ s left", lines[0])
    assert lines[-1] == f"{proxy.address}: not all was copied."
    assert len(cell.displays) == 1
    assert list(tmp_path.iterdir()) == []
    assert client.good("1 + 1").text == "2"


def test_a_link_that_is_lost_meanwhile_is_waited_for(slow: tuple[Client, Proxy], here: Path, tmp_path: Path) -> None:
    client, proxy = slow
    (here / "large").write_bytes(os.urandom(15_000_000))
    cell = client.start(f"%put large {tmp_path}")
    assert wait_until(lambda: proxy.up > 5_000_000, 20)
    proxy.cut()
    client.finish(cell)
    assert cell.status == "ok"
    assert (tmp_path / "large").read_bytes() == (here / "large").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["large"]
