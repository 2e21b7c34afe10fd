"""What stays behind: as git decides, and as everybody wants it."""

import os
import subprocess

import pytest

from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.ignored import Ignored, kept

NAMES = [
    "a.py", "a.pyc", "build/x", "src/build/y", "src/a.log", "src/keep.log", "src/deep/b.log", "docs/a.txt",
    "docs/b.txt", "#x", "data/raw/1", "data/raw/.keep", "ü.tmp", "two words",
]  # fmt: skip
RULES = {
    ".gitignore": "*.pyc\n/build/\n*.log\n!keep.log\ndata/raw/*\n!data/raw/.keep\n*.tmp\n# comment\n\\#x\n",
    "src/.gitignore": "!deep/b.log\n",
    "docs/.gitignore": "*\n!b.txt\n",
}


def fill(folder, names=NAMES, rules=RULES):
    for name, text in {**dict.fromkeys(names, "x"), **rules}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(folder):
    return sorted(entry.name for entry in kept(str(folder), Ignored(str(folder))) if entry.kind == "f")


@pytest.mark.needs("git")
def test_the_same_stays_behind_as_in_git(tmp_path):
    fill(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    said = subprocess.run(
        ["git", "-C", tmp_path, "-c", "core.quotePath=off", "ls-files", "-o", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = [name.encode("latin-1").decode() for name in names(tmp_path)]
    assert sorted(found) == sorted(said.stdout.splitlines())
    assert "src/keep.log" in found
    assert "a.pyc" not in found


def test_a_folder_in_a_repository_has_the_rules_above(tmp_path):
    fill(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "src" / "sub").mkdir()
    (tmp_path / "src" / "sub" / "c.log").write_text("")
    (tmp_path / "src" / "sub" / "d.py").write_text("")
    assert names(tmp_path / "src" / "sub") == ["d.py"]
    assert names(tmp_path / "src") == [".gitignore", "build/y", "deep/b.log", "keep.log", "sub/d.py"]


def test_without_a_repository_rules_above_do_not_count(tmp_path):
    fill(tmp_path)
    assert "a.log" in names(tmp_path / "src")


def test_what_nobody_wants_there_stays_behind(tmp_path):
    wanted = ["a.py", ".gitattributes", "venv/b"]
    unwanted = [".git/x", "a/.git/x", ".venv/x", "a/__pycache__/x", "node_modules/x", ".ipynb_checkpoints/x"]
    fill(tmp_path, [*wanted, *unwanted, ".rpyc-kernel-0f.part"], {})
    assert names(tmp_path) == sorted(wanted)
    ignored = Ignored(str(tmp_path))
    assert all(ignored.anywhere(name) for name in unwanted)
    assert not any(ignored.anywhere(name) for name in wanted)


def test_names_that_are_no_utf_8(tmp_path):
    fill(tmp_path, [os.fsdecode(b"caf\xe9.log"), os.fsdecode(b"caf\xe9.py")], {".gitignore": "*.log\n"})
    assert names(tmp_path) == [".gitignore", "caf\xe9.py"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(TransferError, match="Here, there is no"):
        names(tmp_path / "none")
