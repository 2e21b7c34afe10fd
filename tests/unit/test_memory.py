"""What a restarted kernel knows of the one before."""

import json
import stat

import pytest
from jupyter_client import find_connection_file

from rpyc_kernel.kernel.memory import Known, Memory, beside


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "kernel.json")


def test_without_a_file_nothing_is_known(file):
    assert Memory(file).known == Known()
    assert Memory(None).known == Known()


def test_the_next_kernel_knows_the_machine_and_the_session(file):
    memory = Memory(file)
    memory.name("pi:18812", {"keep": 5.0})
    memory.hold("pi:18812", "abc")
    known = Memory(file).known
    assert known == Known(named=True, address="pi:18812", config={"keep": 5.0}, session="abc")


def test_after_a_restart_by_the_user_the_machine_is_known_and_the_session_is_not(file):
    memory = Memory(file)
    memory.name("pi:18812", {})
    memory.hold("pi:18812", "abc")
    memory.restarted([("pi:18812", "abc")])
    known = Memory(file).known
    assert (known.address, known.session, known.missed) == ("pi:18812", "", [["pi:18812", "abc"]])
    memory = Memory(file)
    memory.ended("abc")
    assert Memory(file).known.missed == []


def test_the_default_is_known_after_a_crash_only(file):
    memory = Memory(file)
    memory.hold("local:", "abc")
    assert Memory(file).known == Known(address="local:", session="abc")
    memory.restarted([])
    assert Memory(file).known == Known()


def test_naming_another_machine_leaves_the_session(file):
    memory = Memory(file)
    memory.name("pi", {})
    memory.hold("pi", "abc")
    memory.name("other", {})
    assert Memory(file).known.session == ""


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '"x"', '{"address": 7}', '{"missed": {}}', '{"more": 1}', '{"named": "yes"}']
)
def test_a_file_that_is_none_of_ours_is_nothing(file, content):
    beside(file).write_text(content)
    assert Memory(file).known == Known()


def test_nobody_else_can_read_it_and_it_goes_with_the_kernel(file):
    memory = Memory(file)
    memory.name("pi", {"env": {"TOKEN": "secret"}})
    path = beside(file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["address"] == "pi"
    memory.forget()
    assert not path.exists()
    memory.forget()


def test_jupyter_never_takes_it_for_the_connection_file(tmp_path):
    file = tmp_path / "kernel-5b636ca2.json"
    file.write_text("{}")
    Memory(str(file)).name("pi", {})
    for asked in ("kernel-*.json", "5b63", "kernel-5b63"):
        assert find_connection_file(asked, path=[str(tmp_path)]) == str(file)
