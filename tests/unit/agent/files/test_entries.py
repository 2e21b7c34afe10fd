"""What lies where, and how its name travels."""

import os
import socket

import pytest

from rpyc_kernel.agent.files import entries
from rpyc_kernel.agent.files.errors import FileError, shown

ODD = "caf\udce9"  # as Python has a name in Latin-1, which is no UTF-8


def by_name(found):
    return {entry[0]: entry for entry in found}


@pytest.mark.parametrize("name", ["data.csv", "größe ✓", ODD, "a\nb", "x" * 255])
def test_a_name_travels_in_a_text_of_latin_1(name):
    text = entries.encoded(name)
    assert not text or max(map(ord, text)) < 256
    assert entries.decoded(text) == name


@pytest.mark.parametrize("text", [None, 3, ["a"], "a\0b", "✓"])
def test_what_can_be_no_name_is_refused(text):
    with pytest.raises(FileError):
        entries.decoded(text)


def test_a_tree_is_told_with_a_folder_before_what_is_in_it(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / ODD).write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a/b")
    os.utime(tmp_path / "a" / "b" / ODD, ns=(1, 1_234_567_891))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        found = list(entries.walked(str(tmp_path)))
    names = [entry[0] for entry in found]
    assert names.index("a") < names.index("a/b") < names.index("a/b/caf\xe9")
    kinds = {entry[0]: entry[1] for entry in found}
    assert kinds == {"a": "d", "a/b": "d", "a/b/caf\xe9": "f", "link": "l", "s": "s"}
    told = by_name(found)
    assert told["a/b/caf\xe9"][2:4] == [5, 1_234_567_891]
    assert told["link"][5] == "a/b"


def test_folders_that_are_left_out_are_told_and_not_looked_into(tmp_path):
    (tmp_path / "x" / ".git" / "objects").mkdir(parents=True)
    assert [entry[0] for entry in entries.walked(str(tmp_path), [".git"])] == ["x", "x/.git"]


def test_a_folder_that_may_not_be_read_is_told_with_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read whatever there is
    found = list(entries.walked(str(tmp_path)))
    told = [entry for entry in found if entry[1] == entries.UNREADABLE]
    assert [entry[0] for entry in told] == ["closed"]
    assert told[0][5] == f"{tmp_path}/closed may not be used: permission denied"


def test_what_was_named_is_followed_and_a_link_to_nowhere_is_a_link(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "good").symlink_to("file")
    (tmp_path / "bad").symlink_to("nowhere")
    assert entries.looked_at(str(tmp_path / "good"))[1] == "f"
    assert entries.looked_at(str(tmp_path / "bad"))[1] == "l"
    assert entries.looked_at(str(tmp_path / "none")) is None


def test_relative_names_begin_where_the_process_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/pi")
    assert entries.resolved("a/./b//c") == str(tmp_path / "a/b/c")
    assert entries.resolved("~/x") == "/home/pi/x"
    assert entries.resolved("/x/") == "/x"
    assert entries.resolved("a/../b") == f"{tmp_path}/a/../b"


def test_patterns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py", "c.txt", "[x].py"):
        (tmp_path / name).write_text("")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "d.py").write_text("")

    def names(pattern):
        return [os.path.relpath(path, tmp_path) for path in entries.matching(pattern)]

    assert names("*.py") == ["[x].py", "a.py", "b.py"]
    assert names("**/*.py") == ["[x].py", "a.py", "b.py", "in/d.py"]
    assert names("[ab].py") == ["a.py", "b.py"]
    assert names("[x].py") == ["[x].py"]  # a file of that very name goes before
    assert names("nothing*") == []
    assert names("nothing") == ["nothing"]
    monkeypatch.setattr(entries, "MAX_MATCHES", 2)
    with pytest.raises(FileError, match=r"\*\.py means more than 2 files"):
        names("*.py")


def test_what_cannot_be_printed_is_escaped():
    assert shown(f"{ODD} \x1b[31m ü") == "caf\\xe9 \\x1b[31m ü"
