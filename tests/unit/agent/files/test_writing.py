"""Files that come to be whole, or not at all."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from rpyc_kernel.agent.files import writing
from rpyc_kernel.agent.files.errors import ChangedError, FileError

TIME = 1_600_000_000_123_456_789


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_part_becomes_the_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    writing.write(str(path), "t1", 3, memoryview(b"defgh"))
    writing.write(str(path), "t1", 0, memoryview(b"abc"))
    assert path.read_text() == "old"
    assert writing.part_size(str(path), "t1") == 8
    writing.finish(str(path), "t1", 7, 0o640, TIME)
    assert path.read_text() == "abcdefg"
    assert (path.stat().st_mode & 0o7777, path.stat().st_mtime_ns) == (0o640, TIME)
    assert names(tmp_path) == ["x"]
    writing.finish(str(path), "t1", 7, 0o640, TIME)  # whose answer was lost
    with pytest.raises(FileError, match="not there any more"):
        writing.finish(str(path), "t1", 8, 0o640, TIME)


def test_small_files_are_written_at_once(tmp_path):
    path = tmp_path / "x"
    writing.store(str(path), "t", memoryview(b"abc"), 0o4755, TIME)
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o7777 == 0o755, "whom it acts for stays behind"
    assert path.stat().st_mtime_ns == TIME
    assert names(tmp_path) == ["x"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:1]) if len(data) > 2 else fail())

    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match=re.escape(f"there is no room left on the disk for {path}")):
        writing.store(str(path), "t", memoryview(b"abc"), 0o600, TIME)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("place", ["folder", "pipe"])
def test_nothing_but_files_is_replaced(tmp_path, place):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / place)
    with pytest.raises(FileError, match=r"is a folder, and no file|no regular file"):
        writing.store(path, "t", memoryview(b"abc"), 0o600, TIME)
    with pytest.raises(FileError, match=r"is a folder, and no file|no regular file"):
        writing.link(path, "t", "x")
    writing.write(path, "t", 0, memoryview(b"abc"))
    with pytest.raises(FileError, match=r"is a folder, and no file|no regular file"):
        writing.finish(path, "t", 3, 0o600, TIME)
    writing.drop(path, "t")
    assert names(tmp_path) == ["folder", "pipe"]


def test_a_link_in_the_place_of_a_file_or_of_a_part_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    path = tmp_path / "x"
    path.symlink_to(secret)
    writing.store(str(path), "t", memoryview(b"abc"), 0o600, TIME)
    assert not path.is_symlink()
    Path(writing.part_of(str(path), "t")).symlink_to(secret)
    with pytest.raises(FileError, match="may not be followed"):
        writing.write(str(path), "t", 0, memoryview(b"evil"))
    assert secret.read_text() == "kept"


def test_old_parts_are_swept(tmp_path):
    path = str(tmp_path / "file")
    for transfer in ("mine", "young", "old"):
        writing.write(path, transfer, 0, memoryview(b"x"))
        if transfer != "young":
            os.utime(writing.part_of(path, transfer), (1, 1))
    (tmp_path / ".rpyc-kernel-notes").touch()
    os.utime(tmp_path / ".rpyc-kernel-notes", (1, 1))
    (tmp_path / ".rpyc-kernel-folder.part").mkdir()
    os.utime(tmp_path / ".rpyc-kernel-folder.part", (1, 1))
    writing.sweep([writing.part_of(path, "mine"), str(tmp_path / "nowhere" / "x")])
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {
        ".rpyc-kernel-mine.part", ".rpyc-kernel-young.part", ".rpyc-kernel-notes", ".rpyc-kernel-folder.part"
    }  # fmt: skip


@pytest.mark.parametrize("transfer", ["../x", "a/b", "", "a" * 65, "a.b"])
def test_a_transfer_names_no_other_file(tmp_path, transfer):
    with pytest.raises(FileError, match="a transfer of the name"):
        writing.write(str(tmp_path / "x"), transfer, 0, memoryview(b"evil"))


def test_blocks_of_the_file_as_it_is_are_copied_if_they_still_are_the_same(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    sha256 = hashlib.sha256(b"345").hexdigest()
    writing.copy_within(str(path), "t", 3, memoryview(bytearray(3)), sha256)
    writing.finish(str(path), "t", 6, 0o600, TIME)
    assert path.read_bytes() == b"\0\0\x00345"
    path.write_bytes(b"abcdefgh")
    with pytest.raises(ChangedError):
        writing.copy_within(str(path), "t", 3, memoryview(bytearray(3)), sha256)


def test_folders_links_and_their_ends(tmp_path):
    folder = tmp_path / "a" / "b"
    writing.make_folder(str(folder))
    writing.make_folder(str(folder))
    writing.link(str(folder / "l"), "t", "../x")
    writing.link(str(folder / "l"), "t", "../y")
    assert str((folder / "l").readlink()) == "../y"
    writing.set_about(str(folder), 0o750, TIME)
    assert (folder.stat().st_mode & 0o777, folder.stat().st_mtime_ns) == (0o750, TIME)
    with pytest.raises(FileError, match="in which something is"):
        writing.remove(str(folder))
    writing.rename(str(folder / "l"), str(tmp_path / "m"))
    writing.remove(str(tmp_path / "m"))
    writing.remove(str(tmp_path / "m"))
    writing.remove(str(folder))
    assert names(tmp_path / "a") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file is there already, and no folder"):
        writing.make_folder(str(tmp_path / "file"))
    with pytest.raises(FileError, match=re.escape(f"there is no folder {tmp_path}/none")):
        writing.store(str(tmp_path / "none" / "x"), "t", memoryview(b""), 0o600, TIME)


@pytest.mark.needs("linux")
def test_a_disk_that_tells_upper_from_lower_case(tmp_path):
    assert not writing.ignores_case(str(tmp_path))
    assert names(tmp_path) == []
