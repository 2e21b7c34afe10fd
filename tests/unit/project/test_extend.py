"""docs/extend.md shows the examples as they are, which are as short as it says, and the commands that the tests run."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from rpyc_kernel.transport.plugins import GROUP

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "extend.md").read_text("utf-8")
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("own_kernel/boardkernel.py", "python"),
        ("own_kernel/kernel.json", "json"),
        ("own_transport/rpyc_kernel_proxy.py", "python"),
        ("own_transport/pyproject.toml", "toml"),
    ],
)
def test_it_shows_the_file_as_it_is(path, language):
    text = (EXAMPLES / path).read_text("utf-8")
    assert f"```{language}\n{text.rstrip()}\n```" in TEXT
    assert len(text.splitlines()) < 30


@pytest.mark.parametrize(
    "command",
    [
        "jupyter kernelspec list",
        "jupyter kernelspec help",
        "jupyter kernelspec install examples/echo_kernel --user",
        "jupyter kernelspec uninstall echo_kernel",
        "jupyter kernelspec install examples/own_kernel --user --name board",
        "python -m pip install ./examples/own_transport",
    ],
)
def test_the_commands_that_it_shows_are_those_of_the_tests(command):
    assert command in re.findall(
        r"^[a-z].*$", "\n".join(re.findall(r"```shell\n(.*?)```", TEXT, re.DOTALL)), re.MULTILINE
    )


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", line[3:]).lower().replace(" ", "-") for line in TEXT.splitlines() if line[:3] == "## "
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) == headings


def test_the_group_of_entry_points_is_the_one_that_is_looked_for():
    project = tomllib.loads((EXAMPLES / "own_transport" / "pyproject.toml").read_text())
    assert project["project"]["entry-points"] == {GROUP: {"proxy": "rpyc_kernel_proxy:open_socket"}}
    assert GROUP in TEXT


def test_the_table_says_what_our_kernel_json_says():
    spec = json.loads((ROOT / "src" / "rpyc_kernel" / "kernelspec" / "kernel.json").read_text())
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", TEXT, re.MULTILINE))
    assert set(rows) == set(spec)
    assert rows["display_name"] == f"`{spec['display_name']}`"
    assert rows["language"] == f"`{spec['language']}`"
    assert rows["interrupt_mode"] == f"`{spec['interrupt_mode']}`"
    assert " ".join(spec["argv"]) in rows["argv"]
