"""The records of sessions: found again, believed only if they are ours alone, and gone with their session."""

import errno
import json
import os
import stat
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent import records

pytestmark = pytest.mark.needs("posix")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):  # as the system has it
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return Path(next(records.sessions_folders()))


def record(session="abc", **more):
    return dict({"session": session, "key": "00", "socket": "@abc"}, **more)


def in_folder(folder, found):
    """A record as it is read again: with the path that it was found under."""
    return dict(found, path=str(Path(folder) / f"{found['session']}.json"))


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
    assert records.read("abc") == in_folder(other, record())


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
    assert records.read("abc") == in_folder(folder, record(name="ä"))
    assert records.read("abcd") is None
    assert [path.name for path in folder.iterdir()] == ["abc.json"]
    assert stat.S_IMODE((folder / "abc.json").stat().st_mode) == 0o600


def test_writing_again_replaces(folder):
    records.write(folder, record(name="x" * 500))
    records.write(folder, record())
    assert records.read("abc") == in_folder(folder, record())


def test_a_record_that_others_can_write_is_not_believed(folder):
    records.write(folder, record())
    for mode in (0o620, 0o602, 0o666):
        (folder / "abc.json").chmod(mode)
        assert records.read("abc") is None
        assert "abc" not in [each["session"] for each in records.every()]


def test_a_record_of_another_user_is_not_believed(folder, monkeypatch):
    records.write(folder, record())
    monkeypatch.setattr(records, "private_folders", lambda create: iter([str(folder.parent)]))
    assert records.read("abc") == in_folder(folder, record())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert records.read("abc") is None


def test_a_link_is_not_followed(folder, tmp_path):
    records.write(str(tmp_path), record())
    (folder / "abc.json").symlink_to(tmp_path / "abc.json")
    assert records.read("abc") is None


def test_nobody_waits_at_a_pipe(folder):
    os.mkfifo(folder / "abc.json", 0o600)
    assert records.read("abc") is None
    assert "abc" not in [each["session"] for each in records.every()]


@pytest.mark.parametrize("how", ["writable", "link", "file"])
def test_a_folder_that_somebody_else_may_have_filled_is_not_believed(folder, tmp_path, how):
    records.write(folder, record())
    if how == "writable":
        folder.chmod(0o770)
    else:
        folder.rename(tmp_path / "elsewhere")
        if how == "link":
            folder.symlink_to(tmp_path / "elsewhere")
        else:
            folder.write_text("no folder")
    assert records.read("abc") is None
    assert "abc" not in [each["session"] for each in records.every()]
    assert str(folder) not in records.sessions_folders()


def test_of_hostile_records_the_good_one_is_listed_and_nothing_of_another_type_is_told(folder):
    records.write(folder, record("good", name="mine", started=5, secret="x", pid=7))
    deep = "[" * 8000 + "]" * 8000
    for session, text in {
        "deep": deep,
        "key": json.dumps(record("key", key=5)),
        "hex": json.dumps(record("hex", key="xyz")),
        "socket": json.dumps(record("socket", socket=["/etc"])),
        "nokey": '{"session": "nokey", "socket": "@a"}',
        "bytes": "\udcff\udcfe",
        "number": '{"session": ' + "9" * 9000 + "}",
    }.items():
        (folder / f"{session}.json").write_bytes(text.encode(errors="surrogateescape"))
        (folder / f"{session}.json").chmod(0o600)
    odd = record("odd", name=["x"], version="1", agent=None, pid="7", python={}, started="now")
    records.write(folder, odd)
    found = {each["session"]: records.public(each) for each in records.every() if each["key"] == "00"}
    assert found == {"good": {"session": "good", "name": "mine", "started": 5.0, "pid": 7}, "odd": {"session": "odd"}}


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
    records.write(folder, record())
    (folder / "abc.d" / "inner").mkdir(parents=True)
    (folder / "abc.sock").touch()
    records.write(folder, record("other"))
    kept = records.read("abc")
    records.forget(kept)
    assert [path.name for path in folder.iterdir()] == ["other.json"]
    records.forget(kept)  # it may have gone already


def test_forgetting_touches_nothing_that_a_record_names(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dear").mkdir()
    for name in ("@rpyc-kernel-abc", "127.0.0.1:99", str(tmp_path / "file")):
        Path(name).touch()
        records.write(folder, record(socket=name, scratch=str(tmp_path / "dear"), path=str(tmp_path / "file")))
        records.forget(records.read("abc"))
        assert Path(name).exists()
        records.forget(record(socket=name))  # one that was never written
        assert Path(name).exists()
    assert (tmp_path / "dear").exists()
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_link_is_not_emptied(folder, tmp_path):
    (tmp_path / "dear").mkdir()
    (tmp_path / "dear" / "file").touch()
    (folder / "abc.d").symlink_to(tmp_path / "dear")
    records.write(folder, record())
    records.forget(records.read("abc"))
    assert (tmp_path / "dear" / "file").exists()


def aged(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_a_week_later_what_a_crash_has_left_goes(folder):
    week = 7 * 24 * 3600
    records.write(folder, record())
    for name in ("abc.json.log", "old.json.log", "new.json.log", "old.sock", "old.json.new"):
        (folder / name).touch()
        aged(folder / name, week - 100 if name.startswith("new") else week + 100)
    (folder / "old.d").mkdir()
    aged(folder / "old.d", week + 100)
    records.tidy()
    assert sorted(path.name for path in folder.iterdir()) == ["abc.json", "abc.json.log", "new.json.log"]


def test_a_clock_that_was_set_meanwhile_makes_nothing_old(folder, monkeypatch):
    log = folder / "abc.json.log"
    log.touch()
    os.utime(log, (60.0, 60.0))  # in 1970
    records.tidy()
    assert log.exists()
    aged(log, 0)
    monkeypatch.setattr(records.time, "time", lambda: 60.0)
    records.tidy()
    assert log.exists()
