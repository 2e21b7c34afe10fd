"""The check at the end of all tests finds what a run has left, and leaves alone what belongs to others."""

import os
import subprocess
import uuid

import pytest

from tests import leftovers
from tests.leftovers import MARK, Leftovers
from tests.unit.sessions import runs, wait_for

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
def sleeping():
    """Start a program for a run of tests; returns its process."""
    started = []

    def start(run):
        started.append(subprocess.Popen(["sleep", "600"], env=dict(os.environ, **{MARK: run})))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_process_that_was_left_is_told_and_ended(monkeypatch, sleeping):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.3)
    monkeypatch.setenv(MARK, uuid.uuid4().hex)  # not the run that this test belongs to
    check = Leftovers()
    process, other = sleeping(check.run), sleeping("of others")
    assert check.found() == [f"process {process.pid} of {os.environ['PYTEST_CURRENT_TEST']}: sleep 600 "]
    wait_for(lambda: not runs(process.pid))
    assert runs(other.pid)
    assert check.found() == []


def test_what_ends_in_time_was_not_left(monkeypatch, sleeping):
    monkeypatch.setenv(MARK, uuid.uuid4().hex)
    check = Leftovers()
    sleeping(check.run).terminate()
    assert check.found() == []


def test_files_are_told_if_nobody_else_can_have_made_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(MARK, uuid.uuid4().hex)
    monkeypatch.setattr(leftovers.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "rk-before").mkdir()
    check = Leftovers()
    sessions = tmp_path / "cache" / "rpyc-kernel" / "sessions"
    sessions.mkdir(mode=0o700, parents=True)
    sessions.parent.chmod(0o700)
    for left in (sessions / "a.sock", sessions / "b.json.log", tmp_path / "rk-after", tmp_path / "other"):
        left.touch()
    home = tmp_path / "rk-full" / "home"
    home.mkdir(parents=True)
    for number in range(25):
        (home / f"{number:02}").touch()
    monkeypatch.setattr(Leftovers, "_is_alone", lambda self: False)
    assert check.found() == []
    monkeypatch.setattr(Leftovers, "_is_alone", lambda self: True)
    inside = ", ".join(["home", *(f"home/{number:02}" for number in range(19)), "and 6 more"])
    left = [str(sessions / "a.sock"), str(tmp_path / "rk-after"), f"{tmp_path / 'rk-full'}: {inside}"]
    assert check.found() == left
