"""The bytes of a file, its hashes and its holes."""

import hashlib
import os

import pytest

from rpyc_kernel.agent.files import reading
from rpyc_kernel.agent.files.errors import ChangedError, FileError
from rpyc_kernel.agent.files.reading import HASH_BLOCK_BYTES, Source, whole


def test_blocks_and_hashes(tmp_path):
    data = os.urandom(HASH_BLOCK_BYTES + 77)
    path = tmp_path / "x"
    path.write_bytes(data)
    memory = memoryview(bytearray(HASH_BLOCK_BYTES))
    stat = path.stat()
    assert whole(str(path), len(data), stat.st_mtime_ns) == data
    with Source(str(path)) as source:
        source.read_into(1000, memory[:50])
        assert bytes(memory[:50]) == data[1000:1050]
        blocks = data[:HASH_BLOCK_BYTES], data[HASH_BLOCK_BYTES:]
        assert source.hashes(0, len(data), memory) == [hashlib.sha256(each).hexdigest() for each in blocks]
        assert source.extents() == [(0, len(data))]


def test_without_preadv_it_is_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    test_blocks_and_hashes(tmp_path)


@pytest.mark.needs("linux")
def test_holes(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.seek(10 << 20)
        file.write(b"middle")
        file.truncate(5 << 30)
    with Source(str(path)) as source:
        (extent,) = source.extents()
        assert extent[0] <= 10 << 20 < extent[1] < 11 << 20
    with path.open("wb") as file:
        file.truncate(1 << 20)
    with Source(str(path)) as source:
        assert source.extents() == []


def test_a_file_with_too_many_holes_is_read_as_if_it_had_none(tmp_path, monkeypatch):
    path = tmp_path / "x"
    with path.open("wb") as file:
        for place in range(4):
            file.seek(place << 20)
            file.write(b"x")
        file.truncate(8 << 20)
    monkeypatch.setattr(reading, "MAX_EXTENTS", 2)
    with Source(str(path)) as source:
        assert source.extents() == [(0, 8 << 20)]


@pytest.mark.parametrize("change", ["longer", "shorter", "same length"])
def test_a_file_that_changes_is_noticed(tmp_path, change):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    with Source(str(path)) as source:
        path.write_bytes({"longer": b"123456", "shorter": b"1", "same length": b"abcde"}[change])
        os.utime(path, ns=(5, 5))
        with pytest.raises(ChangedError, match="x changed while it was read"):
            source.check()
    with pytest.raises(ChangedError):
        whole(str(path), 5, 17)
    with Source(str(path)) as source, pytest.raises(ChangedError):
        source.expect(5, 17)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "is no regular file"), ("", "is no regular file"), ("none", "there is no ")):
        with pytest.raises(FileError, match=why):
            Source(str(tmp_path / name))
