"""The operations of the family ``files``, as a connection calls them."""

import os

import pytest

from rpyc_kernel.agent.worker import files as worker_files
from rpyc_kernel.agent.worker.direct import DirectError
from rpyc_kernel.agent.worker.files import Files


@pytest.fixture
def files():
    return Files()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_connection_that_was_given_up_brings_comes_too_late(files, tmp_path):
    about = {"path": str(tmp_path / "x"), "transfer": "t", "attempt": "first"}
    files.do("write", {**about, "start": 0}, [memoryview(b"abc")])
    assert len(names(tmp_path)) == 1
    files.do("drop", about, [])
    files.do("write", {**about, "start": 3}, [memoryview(b"def")])
    assert names(tmp_path) == []
    again = {**about, "attempt": "second"}
    files.do("write", {**again, "start": 0}, [memoryview(b"abc")])
    files.do("finish", {**again, "size": 3, "mode": 0o600, "time": 5}, [])
    files.do("write", {**again, "start": 0}, [memoryview(b"abc")])
    assert names(tmp_path) == ["x"]


def test_a_write_that_is_under_way_while_its_transfer_ends_leaves_nothing(files, tmp_path, monkeypatch):
    about = {"path": str(tmp_path / "x"), "transfer": "t", "attempt": "a"}
    write = worker_files.writing.write

    def slow(*arguments):
        files.do("drop", about, [])
        write(*arguments)

    monkeypatch.setattr(worker_files.writing, "write", slow)
    files.do("write", {**about, "start": 0}, [memoryview(b"abc")])
    assert names(tmp_path) == []


def test_a_part_of_a_list_may_be_asked_for_again(files, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_files, "ENTRIES_IN_ANSWER", 2)
    for name in "abcde":
        (tmp_path / name).touch()
    answer, _buffers = files.do("list", {"name": str(tmp_path)}, [])
    found = answer["entries"]
    for part in (1, 1, 2, 2):
        last, answer = answer, files.do("more", {"walk": answer["walk"], "part": part}, [])[0]
        if answer["entries"] != last["entries"]:
            found = found + answer["entries"]
        answer = {**answer, "walk": answer["walk"] or last["walk"]}
    assert sorted(entry[0] for entry in found) == list("abcde")
    with pytest.raises(DirectError, match="was given up"):
        files.do("more", {"walk": answer["walk"], "part": 9}, [])


def test_of_many_lists_the_oldest_are_given_up(files, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_files, "ENTRIES_IN_ANSWER", 1)
    for name in "ab":
        (tmp_path / name).touch()
    walks = [files.do("list", {"name": str(tmp_path)}, [])[0]["walk"] for _ in range(worker_files.MAX_WALKS + 1)]
    with pytest.raises(DirectError, match="was given up"):
        files.do("more", {"walk": walks[0], "part": 1}, [])
    assert files.do("more", {"walk": walks[-1], "part": 1}, [])[0]["entries"]


@pytest.mark.parametrize(
    ("op", "header", "buffers"),
    [
        ("nothing", {}, []),
        ("read", {"path": "/x", "start": 0, "size": 1 << 30, "of": [1, 1]}, []),
        ("read", {"path": "/x", "start": 0, "size": -1, "of": [1, 1]}, []),
        ("fetch", {"files": [["/x", 1 << 40, 0]]}, []),
        ("digests", {"files": [["/x", 1 << 40]]}, []),
        ("hashes", {"path": "/x", "start": 0, "end": 1 << 40}, []),
        ("hashes", {"path": "/x", "start": 1, "end": 5}, []),
        ("write", {"path": "/x", "transfer": "../y", "attempt": "a", "start": 0}, [b"x"]),
        ("look", {"names": ["a\0b"]}, []),
    ],
)
def test_requests_that_ask_too_much_are_refused(files, op, header, buffers):
    try:
        answer = files.do(op, header, [memoryview(each) for each in buffers])
    except DirectError:
        return
    assert op == "look"
    assert "a name with a NUL" in answer[0]["found"][0]["failed"]


def test_files_behind_the_end_of_what_came_are_told(files, tmp_path):
    about = [[str(tmp_path / "a"), 0o600, 5, 3], [str(tmp_path / "b"), 0o600, 5, 3]]
    answer, _buffers = files.do("store", {"files": about, "transfer": "t"}, [memoryview(b"12345")])
    assert [number for number, *_why in answer["failed"]] == [1]
    assert (tmp_path / "a").read_bytes() == b"123"
    assert names(tmp_path) == ["a"]


def test_names_are_relative_to_where_the_session_is(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (found,) = files.do("look", {"names": ["x"]}, [])[0]["found"]
    assert found == os.path.join(tmp_path, "x")  # noqa: PTH118
