"""Who holds a machine: one at a time, the others in their order, and nobody for longer than was said."""

import json
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent import leases


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def ask(person, **more):
    return leases.ask({"person": person, **more})


def test_one_takes_it_and_others_are_told(folder):
    assert ask("ada") == {"lease": None, "place": 0, "free": True}
    taken = ask("ada", seconds=3600, note="arm")
    assert taken["free"]
    told = ask("bob", seconds=60)
    assert (told["free"], told["place"], told["lease"]["person"], told["lease"]["note"]) == (False, 1, "ada", "arm")
    assert 3590 < told["lease"]["left"] <= 3600
    assert leases.present()["person"] == "ada"
    assert ask("ada", seconds=60)["lease"]["left"] <= 60, "whoever has it may change it"
    assert ask("bob", end=True) == {"lease": None, "place": 0, "free": True}
    assert leases.present() is None
    assert not list(folder.rglob(leases.FILE)), "nothing is left of it"


def test_those_who_wait_come_in_their_order(monkeypatch):
    ask("ada", seconds=3600)
    assert ask("bob", seconds=60, wait=True)["place"] == 1
    assert ask("eve", seconds=60, wait=True)["place"] == 2
    ask("ada", end=True)
    assert ask("eve", seconds=60, wait=True) == {"lease": None, "place": 1, "free": False}
    assert ask("zoe", seconds=60)["place"] == 2, "nor may one who doesn't wait go before them"
    assert ask("bob", seconds=60, wait=True)["lease"]["person"] == "bob"
    assert ask("eve", leave=True)["place"] == 1
    ask("bob", end=True)
    assert ask("zoe", seconds=60)["free"], "who has left the line holds nobody up"


def test_who_doesnt_ask_any_more_has_left_the_line(monkeypatch):
    ask("ada", seconds=3600)
    ask("bob", seconds=60, wait=True)
    ask("ada", end=True)
    later = time.monotonic() + leases.WAITER_S + 1
    monkeypatch.setattr(leases.time, "monotonic", lambda: later)
    assert ask("eve", seconds=60)["free"]


def test_it_ends_at_its_time_and_with_a_restart(folder, monkeypatch):
    ask("ada", seconds=3600)
    now = time.monotonic()
    monkeypatch.setattr(leases.time, "monotonic", lambda: now + 3601)
    assert leases.present() is None
    monkeypatch.setattr(leases.time, "monotonic", lambda: now + 60)
    assert leases.present()["person"] == "ada"
    monkeypatch.setattr(leases, "_boot", lambda: "another")
    assert leases.present() is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9, "x"])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match=r"lasts up to 5 days|could not convert"):
        ask("ada", seconds=seconds)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"boot": "", "lease": 1, "line": 2}), "null"])
def test_a_file_that_is_none_is_no_lease(folder, text):
    ask("ada", seconds=60)
    (file,) = folder.rglob(leases.FILE)
    Path(file).write_text(text)
    assert leases.present() is None
    assert ask("bob", seconds=60)["free"]
