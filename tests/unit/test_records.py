"""The records of sessions: found again, believed only if they are ours alone, and gone with their session."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from rpyc_kernel.agent import records

pytestmark = pytest.mark.needs("posix")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return Path(next(records.sessions_folders()))


def record(session="abc", **more):
    return dict(session=session, key="00", **more)


def test_folders_are_made_private(folder, tmp_path):
    assert folder == tmp_path / "cache" / "rpyc-kernel" / "sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    second = tmp_path / "home" / ".cache" / "rpyc-kernel" / "sessions"
    assert [Path(path) for path in records.sessions_folders()][:2] == [folder, second]


def test_where_the_first_folder_serves_not_the_next_does(folder, tmp_path):
    folder.chmod(0o777)
    other = next(records.sessions_folders())
    assert other == str(tmp_path / "home" / ".cache" / "rpyc-kernel" / "sessions")
    records.write(other, record())
    assert records.read("abc") == record()


def test_looking_for_a_record_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert records.read("abc") is None
    assert "abc" not in [each["session"] for each in records.every()]
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_written_leaves_nothing(folder, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(records.json, "dump", fail)
    with pytest.raises(OSError, match="No space"):
        records.write(str(folder), record())
    assert list(folder.iterdir()) == []


def test_a_record_is_found_again_and_only_its_owner_can_read_it(folder):
    records.write(folder, record(name="ä"))
    assert records.read("abc") == record(name="ä")
    assert records.read("abcd") is None
    assert [path.name for path in folder.iterdir()] == ["abc.json"]
    assert stat.S_IMODE((folder / "abc.json").stat().st_mode) == 0o600


def test_writing_again_replaces(folder):
    records.write(folder, record(name="x" * 500))
    records.write(folder, record())
    assert records.read("abc") == record()


def test_a_record_that_others_can_write_is_not_believed(folder):
    records.write(folder, record())
    for mode in (0o620, 0o602, 0o666):
        (folder / "abc.json").chmod(mode)
        assert records.read("abc") is None
        assert "abc" not in [each["session"] for each in records.every()]


def test_a_record_of_another_user_is_not_believed(folder, monkeypatch):
    records.write(folder, record())
    monkeypatch.setattr(records, "private_folders", lambda create: iter([str(folder.parent)]))
    assert records.read("abc") == record()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert records.read("abc") is None


def test_a_link_is_not_followed(folder, tmp_path):
    records.write(str(tmp_path), record())
    (folder / "abc.json").symlink_to(tmp_path / "abc.json")
    assert records.read("abc") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"session": "abd"}', '"abc"', "\xff", '{"session": "abc"' + " " * 20000 + "}"]
)
def test_what_is_no_record_is_not_believed(folder, text):
    path = folder / "abc.json"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    assert records.read("abc") is None
    assert "abc" not in [each["session"] for each in records.every()]


def test_a_session_is_named_by_letters_and_digits_alone(folder, tmp_path):
    records.write(str(folder), record("../abc"))
    (folder.parent / "abc.json").chmod(0o600)
    for name in ("../abc", "", "a.b", "a/b", "a\0b"):
        assert records.read(name) is None


def test_every_record_is_listed_once(folder, tmp_path):
    for name in ("b", "a"):
        records.write(folder, record(name))
    second = tmp_path / "home" / ".cache" / "rpyc-kernel" / "sessions"
    assert str(second) in records.sessions_folders()
    records.write(str(second), record("a"))
    records.write(str(second), record("c"))
    for name in ("a.sock", "b.d", "d.log", "e.json.new"):
        (folder / name).write_text(json.dumps(record(name.partition(".")[0])))
    listed = [each["session"] for each in records.every() if each["key"] == "00"]
    assert listed == ["a", "b", "c"]


def test_forgetting_leaves_nothing(folder):
    paths = {name: str(folder / f"abc{name}") for name in (".json", ".sock", ".d")}
    kept = record(path=paths[".json"], socket=paths[".sock"], scratch=paths[".d"])
    records.write(folder, kept)
    (folder / "abc.d" / "inner").mkdir(parents=True)
    (folder / "abc.sock").touch()
    records.write(folder, record("other"))
    records.forget(kept)
    assert [path.name for path in folder.iterdir()] == ["other.json"]
    records.forget(kept)  # it may have gone already


def test_forgetting_touches_no_name_that_is_no_path(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("@rpyc-kernel-abc", "127.0.0.1:99"):
        (tmp_path / name).touch()
        records.forget(record(socket=name))
        assert (tmp_path / name).exists()
