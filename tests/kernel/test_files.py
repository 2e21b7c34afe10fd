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


def test_names_are_completed(fresh: Client, folder: Path, here: Path) -> None:
    (here / "measured here.csv").touch()
    (here / "measured").mkdir()
    (folder / "measured there.csv").touch()
    (folder / "sub").mkdir()
    (folder / "sub" / ".hidden").touch()
    (folder / "sub" / "\N{SNOWMAN}").touch()

    def completed(code: str) -> list[str]:
        reply = fresh.complete(code)
        return [code[: reply["cursor_start"]] + match + code[reply["cursor_end"] :] for match in reply["matches"]]

    assert completed("%put mea") == ["%put measured/", '%put "measured here.csv"']
    assert completed("%get mea") == ['%get "measured there.csv"']
    assert sorted(completed("%put -r x m")) == [
        '%put -r x "measured here.csv"', '%put -r x "measured there.csv"', "%put -r x measured/"
    ]  # fmt: skip
    assert completed("%get sub/") == ["%get sub/\N{SNOWMAN}"]
    assert completed("%get sub/.") == ["%get sub/.hidden"]
    assert completed("%sync measured su") == ["%sync measured sub/"]
    assert completed("%get nowhere/") == []
    fresh.good("frames_there, results = 1, {'best': 1}")
    fresh.good("%%local\nframes_here = 1")
    assert completed("%pull fram") == ["%pull frames_there"]
    assert completed("%pull n=frames_there.bit_l") == ["%pull n=frames_there.bit_length"]
    assert completed("%push x fram") == ["%push x frames_here"]


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


# --- %sync


def test_sync_and_what_it_would_do(fresh: Client, folder: Path, here: Path, remote: Remote) -> None:
    project = here / "project"
    project.mkdir()
    (project / "first_module.py").write_text("value = 1\n")
    (project / "x.log").write_text("")
    (project / ".gitignore").write_text("*.log\n")
    dry = fresh.good("%sync project --dry-run").stdout
    assert dry.startswith(f"{project} would go to {remote.address}:{folder}/project:\n")
    assert "  send    first_module.py (10 B): new\n" in dry
    assert not (folder / "project").exists()
    said = fresh.good("%sync project\nimport first_module; first_module.value")
    assert said.text == "1"
    assert said.stdout.startswith(f"{remote.address}:{folder}/project is like {project}: 2 files (16 B) sent, ")
    assert sorted(path.name for path in (folder / "project").iterdir() if path.is_file()) == [
        ".gitignore",
        "first_module.py",
    ]
    refused(fresh.run("%sync nothing"), "there is no folder nothing")
    refused(fresh.run("%sync project --max lots"), "--max of %sync takes a size, like 500MB or 2GiB, and not 'lots'.")
    refused(fresh.run("%sync project --watch --dry-run"), "exclude each other")


def test_a_watched_folder_is_synced_before_each_cell(fresh: Client, folder: Path, here: Path) -> None:
    project = here / "project"
    project.mkdir()
    module = project / "watched_module.py"
    module.write_text("value = 1\n")
    fresh.good("%sync project --watch")
    assert fresh.good("import watched_module; watched_module.value").text == "1"
    module.write_text("value = 10\n")
    cell = fresh.good("import importlib; importlib.reload(watched_module).value")
    assert cell.text == "10"
    assert "1 file (11 B) sent" in cell.displays[0]["text/plain"]
    assert not fresh.good("1").displays, "nothing has changed"
    fresh.good("%restart")
    assert fresh.good("import watched_module; watched_module.value").text == "10"
    (project / "pipe").write_text("x")
    (folder / "project" / "pipe").mkdir()
    cell = fresh.run("print('ran')")
    assert cell.status == "error"
    assert cell.stdout == ""
    assert "--no-watch lets cells run without it" in cell.error["evalue"]  # type: ignore[index]
    assert "is watched no longer" in fresh.good("%sync project --no-watch\nprint('ran')").stdout
    assert "was not watched" in fresh.good("%sync project --no-watch").stdout
    (here / "other").mkdir()
    fresh.good("%sync other --watch")
    (here / "other").rmdir()
    assert "%sync " in fresh.run("1").error["evalue"]  # type: ignore[index]
    assert "is watched no longer" in fresh.good("%sync other --no-watch\nprint('ran')").stdout


@pytest.mark.mainly("ipython")
@pytest.mark.parametrize("remote", ["ipython"], indirect=True)
def test_autoreload_sees_what_is_edited_here(fresh: Client, folder: Path, here: Path) -> None:
    (here / "project").mkdir()
    module = here / "project" / "edited_module.py"
    module.write_text("def value():\n    return 1\n")
    fresh.good("%sync project --watch\n%load_ext autoreload\n%autoreload 2")
    assert fresh.good("import edited_module; edited_module.value()").text == "1"
    module.write_text("def value():\n    return 22\n")
    assert fresh.good("edited_module.value()").text == "22"


# --- what lies beside the notebook


def test_what_is_missing_there_and_lies_here_is_told_once(fresh: Client, folder: Path, here: Path) -> None:
    (here / "near_module.py").write_text("")
    (here / "near_package").mkdir()
    (here / "near_package" / "__init__.py").write_text("")
    (here / "near data.csv").write_text("")
    machine = fresh.good("%hosts").stdout.split()[1]
    assert machine
    for code, line in (
        ("import near_module", "near_module.py lies here, beside the notebook: %put near_module.py brings it to "),
        ("import near_package.sub", "near_package/ lies here, beside the notebook: %sync near_package brings it to "),
        ("open('near data.csv')", 'near data.csv lies here, beside the notebook: %put "near data.csv" brings it to '),
        (
            "open('near_package/__init__.py')",
            "__init__.py lies here, beside the notebook: %sync near_package brings it",
        ),
    ):
        cell = fresh.run(code)
        assert cell.status == "error"
        assert line in cell.stderr.splitlines()[-1]
        assert cell.script[-1] == ("stderr", cell.stderr)
        assert "lies here" not in fresh.run(code).stderr
    for code in ("import nowhere_module", "open('nowhere')", "open('../home/near_module.py')", "1 / 0"):
        assert "lies here" not in fresh.run(code).stderr
    fresh.good("%put near_module.py\nimport near_module")
