"""Reports about folders, files, the environment and the locale of the other machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.reports.conftest import PACKAGES, REFERENCE, of

pytestmark = pytest.mark.mainly("plain")


@of("env-01-bashrc-and-libraries")
def test_the_environment_is_that_of_the_server(nb: Client, cells: list[str]) -> None:
    assert nb.good(cells[0]).text is None
    nb.good(cells[1])
    third = nb.good(cells[2])
    nb.wait_output(third, "5\n")
    nb.good(cells[3])


@of("env-02-relative-paths")
def test_a_file_that_lies_here(nb: Client, cells: list[str], kernel: Kernel) -> None:
    (Path(kernel.env["HOME"]) / "data.csv").write_text("1;2\n")
    nb.good(cells[0])
    if REFERENCE:
        assert nb.good(cells[1]).text == "'1;2\\n'"
        return
    missing = nb.run(cells[1])
    assert missing.error is not None
    assert missing.error["ename"] == "FileNotFoundError"
    assert nb.good(cells[2]).stdout.endswith("1;2\n\n")


@of("env-03-run-and-send-local-files")
def test_a_script_that_lies_here_is_sent_and_run(nb: Client, cells: list[str]) -> None:
    missing = nb.run(cells[0])
    said = missing.stdout + missing.stderr + str(missing.error)
    assert "no file local_script.py on " in said, missing
    assert "where it is looked for" in said
    nb.good(cells[1])
    assert nb.good(cells[2]).stdout.startswith("ran on ")
    assert 'print("ran on"' in nb.good(cells[3]).stdout
    assert nb.good(cells[4]).text == "3"


@of("env-04-locale-c")
def test_a_machine_without_a_locale(cells: list[str], machine: Remote) -> None:
    kind = machine.name
    with Remote(kind, env={"LANG": "C", "LC_ALL": ""}, extra_packages=PACKAGES[kind]) as bare, Kernel() as nb:
        connect(nb, bare)
        first = nb.good(cells[0])
        assert first.stdout == "⚠️ 🔋 Größe 中文\n"
        assert first.text == "'☠'"
        assert nb.good(cells[1]).stdout == "é\n"
        nb.run(cells[2])
        fourth = nb.good(cells[3])
        nb.wait_output(fourth, "ä")
        failed = nb.run(cells[4])
        assert failed.error is not None
        assert failed.error["evalue"] == "fehler: ß 💥"
