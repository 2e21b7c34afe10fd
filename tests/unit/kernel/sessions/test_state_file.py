"""What a restarted kernel knows of the one before."""

import json
import stat
import subprocess
import sys
import threading

import pytest
from jupyter_client import find_connection_file

from rpyc_kernel.kernel.sessions.state_file import Known, StateFile, beside


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "kernel.json")


def test_without_a_file_nothing_is_known(file):
    assert StateFile(file).known == Known()
    assert StateFile(None).known == Known()


def test_the_next_kernel_knows_the_machine_and_the_session(file):
    state = StateFile(file)
    state.name("pi:18812", {"keep": 5.0})
    state.hold("pi:18812", "abc")
    known = StateFile(file).known
    assert known == Known(named=True, address="pi:18812", config={"keep": 5.0}, session="abc")


def test_after_a_restart_by_the_user_the_machine_is_known_and_the_session_is_not(file):
    state = StateFile(file)
    state.name("pi:18812", {})
    state.hold("pi:18812", "abc")
    state.restarted([("pi:18812", "abc")])
    known = StateFile(file).known
    assert (known.address, known.session, known.missed) == ("pi:18812", "", [["pi:18812", "abc"]])
    state = StateFile(file)
    state.ended("abc")
    assert StateFile(file).known.missed == []


def test_the_default_is_known_after_a_crash_only(file):
    state = StateFile(file)
    state.hold("local:", "abc")
    assert StateFile(file).known == Known(address="local:", session="abc")
    state.restarted([])
    assert StateFile(file).known == Known()


def test_naming_another_machine_leaves_the_session(file):
    state = StateFile(file)
    state.name("pi", {})
    state.hold("pi", "abc")
    state.name("other", {})
    assert StateFile(file).known.session == ""


@pytest.mark.parametrize(
    "content",
    [
        *["", "{", "[]", '"x"', '{"address": 7}', '{"missed": {}}', '{"more": 1}', '{"named": "yes"}'],
        *['{"missed": [["a"]]}', '{"missed": [["a", 1]]}', '{"missed": [7]}', "[" * 100_000, '{"address": "\\ud800'],
    ],
)
def test_a_file_that_is_none_of_ours_is_nothing(file, content):
    beside(file).write_text(content)
    assert StateFile(file).known == Known()


@pytest.mark.needs("posix")
def test_nobody_else_can_read_it_and_it_goes_with_the_kernel(file):
    state = StateFile(file)
    state.name("pi", {"env": {"TOKEN": "secret"}})
    path = beside(file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["address"] == "pi"
    state.forget()
    assert not path.exists()
    state.forget()


def test_jupyter_never_takes_it_for_the_connection_file(tmp_path):
    file = tmp_path / "kernel-5b636ca2.json"
    file.write_text("{}")
    StateFile(str(file)).name("pi", {})
    for asked in ("kernel-*.json", "5b63", "kernel-5b63"):
        assert find_connection_file(asked, path=[str(tmp_path)]) == str(file)


WRITES = """
import resource, signal, sys
from rpyc_kernel.kernel.sessions.state_file import StateFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
state = StateFile(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
state.hold("pi", "another")
"""


@pytest.mark.needs("posix")
def test_what_cannot_be_written_leaves_what_was_there(file, tmp_path):
    """A full disk, or any other reason; nothing half-written stays either."""
    StateFile(file).hold("pi", "abc")
    before = sorted(tmp_path.iterdir())
    subprocess.run([sys.executable, "-c", WRITES, file], check=True, timeout=60, capture_output=True)
    assert StateFile(file).known == Known(address="pi", session="abc")
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_replaced_is_never_seen_half_written(file):
    """Whoever reads it meanwhile, as a kernel does that starts after one was killed."""
    state = StateFile(file)
    state.hold("pi", "a" * 100_000)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            state.hold("pi", "b" * 100_000)
            state.hold("pi", "a" * 100_000)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert {len(StateFile(file).known.session) for _ in range(300)} == {100_000}
    finally:
        stop.set()
        thread.join()
