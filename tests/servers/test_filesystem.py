"""The files of a real session by fsspec, and by what reads with it."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

import fsspec
import pandas as pd
import pytest

from rpyc_kernel.errors import AgentError
from rpyc_kernel.files.filesystem import RpycFileSystem
from tests.servers.rpyc_servers import start_server


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with start_server(cwd=tmp_path_factory.mktemp("cwd")) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def files(address):
    files = fsspec.filesystem("rpyc", host=address)
    yield files
    files._session.close()


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"0123456789")
    (folder / "sub" / "größe").write_bytes(b"x")
    return folder


def test_pandas_reads_and_writes(address, files, there):
    assert isinstance(files, RpycFileSystem)
    url = f"rpyc://{address}/{there}/table.csv"
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "ü"]})
    frame.to_csv(url, index=False)
    assert (there / "table.csv").read_text("utf-8") == "a,b\n1,x\n2,ü\n"
    assert pd.read_csv(url).equals(frame)
    assert files.unstrip_protocol(f"{there}/table.csv") == url


def test_paths_begin_in_the_folder_of_sessions(address, files, there):
    folder = files.info("")
    assert folder["type"] == "directory"
    files.pipe_file("relative.txt", b"r")
    with fsspec.open(f"rpyc://{address}/relative.txt") as file:
        assert file.read() == b"r"
    assert "relative.txt" in files.ls("", detail=False)
    files.rm("relative.txt")
    assert not files.exists("relative.txt")


def test_what_there_is(files, there):
    assert sorted(files.ls(str(there), detail=False)) == [f"{there}/a.txt", f"{there}/sub"]
    assert sorted(files.find(str(there))) == [f"{there}/a.txt", f"{there}/sub/größe"]
    assert files.glob(f"{there}/*.txt") == [f"{there}/a.txt"]
    assert files.info(f"{there}/a.txt")["size"] == 10
    assert abs(files.modified(f"{there}/a.txt") - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert [each["type"] for each in files.ls(f"{there}/sub")] == ["file"]
    with pytest.raises(FileNotFoundError):
        files.ls(f"{there}/none")


def test_parts_of_files(files, there):
    path = f"{there}/a.txt"
    assert files.cat_file(path) == b"0123456789"
    assert files.cat_file(path, 2, 5) == b"234"
    assert files.cat_file(path, -3) == b"789"
    assert files.cat_file(path, 8, 100) == b"89"
    large = os.urandom(9_000_001)
    (there / "large").write_bytes(large)
    with files.open(f"{there}/large") as file:
        file.seek(5_000_000)
        assert file.read(10) == large[5_000_000:5_000_010]
        file.seek(0)
        assert file.read() == large
    with pytest.raises(FileNotFoundError):
        files.open(f"{there}/none")
    for read in (files.cat_file, files.open):
        with pytest.raises(IsADirectoryError):
            read(str(there))


def test_a_file_that_changes_while_it_is_read_is_told(files, there):
    with files.open(f"{there}/a.txt", block_size=4) as file:
        assert file.read(2) == b"01"
        (there / "a.txt").write_bytes(b"other")
        with pytest.raises(AgentError, match=r"a\.txt changed while it was read"):
            file.read()


def test_what_is_written_is_there_once_it_is_closed(files, there):
    data = os.urandom(12_000_000)
    with files.open(f"{there}/a.txt", "wb") as file:
        file.write(data[:7_000_000])
        assert (there / "a.txt").read_bytes() == b"0123456789"
        file.write(data[7_000_000:])
    assert (there / "a.txt").read_bytes() == data
    with files.open(f"{there}/empty", "wb"):
        pass
    assert (there / "empty").read_bytes() == b""
    assert sorted(path.name for path in there.iterdir()) == ["a.txt", "empty", "sub"]
    with pytest.raises(ValueError, match=r"opened to read, write or append, not as 'r\+b'"):
        files.open(f"{there}/a.txt", "r+b")


def test_what_is_appended_stands_behind_what_was_there(files, there):
    (there / "a.txt").chmod(0o640)
    with files.open(f"{there}/a.txt", "ab") as file:
        assert file.tell() == 10
        file.write(b"abc")
        assert (there / "a.txt").read_bytes() == b"0123456789"
    assert ((there / "a.txt").read_bytes(), (there / "a.txt").stat().st_mode & 0o777) == (b"0123456789abc", 0o640)
    large, more = os.urandom(9_000_001), os.urandom(6_000_000)
    (there / "large").write_bytes(large)
    with files.open(f"{there}/large", "ab") as file:
        file.write(more)
        file.write(b"end")
    assert (there / "large").read_bytes() == large + more + b"end"
    for text in ("first\n", "größe\n"):
        with files.open(f"{there}/new", "a", encoding="utf-8") as lines:
            lines.write(text)
    assert (there / "new").read_text("utf-8") == "first\ngröße\n"
    for empty in ("new", "none"):
        with files.open(f"{there}/{empty}", "ab"):
            pass
    assert ((there / "new").stat().st_size, (there / "none").stat().st_size) == (14, 0)
    for mode in ("ab", "xb"):
        with pytest.raises(IsADirectoryError if mode == "ab" else FileExistsError):
            files.open(str(there), mode)
    with files.open(f"{there}/exclusive", "xb") as file:
        file.write(b"x")
    with pytest.raises(FileExistsError):
        files.open(f"{there}/exclusive", "xb")
    with files.open(f"{there}/a.txt", "ab") as file:
        (there / "a.txt").write_bytes(b"other")
        file.write(b"d")
        with pytest.raises(AgentError, match=r"a\.txt changed while it was read"):
            file.close()
    assert (there / "a.txt").read_bytes() == b"other"
    assert not [path for path in there.iterdir() if path.name.startswith(".")], "no part is left"


def test_a_file_is_copied_there_in_pieces(files, there):
    large = os.urandom(9_000_001)
    (there / "large").write_bytes(large)
    (there / "nothing").write_bytes(b"")
    for name in ("large", "nothing"):
        files.cp_file(f"{there}/{name}", f"{there}/sub/{name}")
    assert ((there / "sub" / "large").read_bytes(), (there / "sub" / "nothing").read_bytes()) == (large, b"")
    with pytest.raises(FileNotFoundError):
        files.cp_file(f"{there}/none", f"{there}/sub/none")
    assert sorted(path.name for path in (there / "sub").iterdir()) == ["größe", "large", "nothing"]


def test_a_transaction_that_fails_leaves_nothing(files, there):
    def fail():
        with files.transaction:
            files.pipe_file(f"{there}/new", b"new")
            assert not (there / "new").exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sorted(path.name for path in there.iterdir()) == ["a.txt", "sub"]
    with files.transaction:
        files.pipe_file(f"{there}/new", b"new")
    assert (there / "new").read_bytes() == b"new"


def test_folders_and_names(files, there):
    files.makedirs(f"{there}/x/y")
    with pytest.raises(FileExistsError):
        files.mkdir(f"{there}/x")
    files.mv(f"{there}/a.txt", f"{there}/x/b.txt")
    files.cp_file(f"{there}/x/b.txt", f"{there}/c.txt")
    assert (there / "x" / "b.txt").read_bytes() == (there / "c.txt").read_bytes() == b"0123456789"
    with pytest.raises(OSError, match="is a folder in which something is"):
        files.rmdir(f"{there}/x")
    files.rm(f"{there}/x", recursive=True)
    assert not (there / "x").exists()
    with pytest.raises(FileNotFoundError):
        files.rm_file(f"{there}/none")


def test_trees_both_ways(files, there, tmp_path):
    files.get(f"{there}/", str(tmp_path / "here"), recursive=True)
    assert (tmp_path / "here" / "sub" / "größe").read_bytes() == b"x"
    files.put(str(tmp_path / "here"), f"{there}/back", recursive=True)
    assert (there / "back" / "sub" / "größe").read_bytes() == b"x"


def test_its_session_ends_with_the_program(address, there):
    code = f"import fsspec; print(fsspec.open('rpyc://{address}/{there}/a.txt').open().read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("b'0123456789'\n", "")
