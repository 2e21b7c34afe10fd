"""What a stranger's tools read: the forge's workflow calls targets that there are, and pages name files likewise."""

import ast
import re
from pathlib import Path

import pytest
from sources import PACKAGE, modules, parsed

ROOT = Path(__file__).parents[3]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_workflow_calls_targets_of_the_makefile():
    called = set(re.findall(r"- run: make ([a-z]+)", WORKFLOW))
    assert called == {"check", "docs", "demo", "test", "agent", "windows", "release"}
    assert called <= TARGETS


def test_the_workflow_runs_on_each_system_and_python():
    matrix = dict(re.findall(r"^ {8}(os|python|server): \[(.+)\]$", WORKFLOW, re.MULTILINE))
    assert re.findall(r"(\w+)-latest", matrix["os"]) == ["ubuntu", "macos", "windows"]
    assert re.findall(r"3\.\d+", matrix["python"]) == ["3.11", "3.12", "3.13", "3.14"]
    assert re.findall(r"3\.\d+", matrix["server"]) == [f"3.{minor}" for minor in range(7, 15)]


def test_help_tells_every_target_that_is_meant_to_be_called():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    helped = set(re.findall(r"make ([a-z]+)", makefile.partition("help:")[2].partition("\n\n")[0]))
    assert helped == TARGETS - {"help", "venvs"}


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md"])
def test_a_page_names_files_that_there_are(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|\.github|scripts|src|docs)/[\w./-]+)`", text)
    named += [link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) if "…" not in link]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_name_of_a_class_stands_for_two_things():
    files = {}
    for file in modules().values():
        for node in parsed(file).body:
            if isinstance(node, ast.ClassDef):
                files.setdefault(node.name, []).append(str(file.relative_to(PACKAGE)))
    twice = {name: where for name, where in files.items() if len(where) > 1}
    assert twice.keys() == {"BrineError"}, "brine has a reader at each end"
