"""The log of a session: short lines, a bounded file that others can't read, and no disk that could break it."""

import re
import stat

import pytest

from rpyc_kernel.agent.keeper import log as log_module
from rpyc_kernel.agent.keeper.log import MAX_LINE_CHARACTERS, MAX_LOG_BYTES, Log

pytestmark = pytest.mark.needs("posix")


def test_a_line_has_the_time_and_the_age(tmp_path):
    log = Log(str(tmp_path / "log"))
    log.write("one")
    log.write("zwei ä \udc80")
    first, second = (tmp_path / "log").read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0\.\d s  one", first)
    assert second.endswith("  zwei ä \\udc80")
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_it_stays_small_and_keeps_the_newest_whole_lines(tmp_path):
    log = Log(str(tmp_path / "log"))
    for number in range(5000):
        log.write(f"line {number} " + "x" * 50)
        assert number % 100 or (tmp_path / "log").stat().st_size <= MAX_LOG_BYTES
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "(what came before was dropped)"
    numbers = [int(line.split("line ")[1].split()[0]) for line in lines[1:]]
    assert numbers == list(range(numbers[0], 5000))
    assert len(numbers) > 100
    log.write("y" * 10 * MAX_LOG_BYTES)
    assert (tmp_path / "log").stat().st_size <= MAX_LOG_BYTES + MAX_LINE_CHARACTERS + 100


def test_an_exception_with_its_traceback(tmp_path):
    log = Log(str(tmp_path / "log"))
    try:
        raise ValueError("of a bug")
    except ValueError:
        log.write_exception()
    text = (tmp_path / "log").read_text()
    assert "Traceback" in text
    assert "raise ValueError" in text
    assert text.rstrip().endswith("ValueError: of a bug")


def test_what_can_not_be_written_is_no_error(tmp_path, monkeypatch):
    Log(None).write("x")
    Log(None).remove()
    Log(str(tmp_path / "no folder" / "log")).write("x")
    Log(str(tmp_path / "no folder" / "log")).remove()
    (tmp_path / "dear").write_text("dear")
    (tmp_path / "link").symlink_to(tmp_path / "dear")
    Log(str(tmp_path / "link")).write("x")
    assert (tmp_path / "dear").read_text() == "dear"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_module.os, "write", full)
    Log(str(tmp_path / "log")).write("x")


def test_it_goes_with_the_session(tmp_path):
    log = Log(str(tmp_path / "log"))
    log.write("x")
    log.remove()
    assert list(tmp_path.iterdir()) == []
