"""What a kernel may ask of a keeper: taking a session over, looking at it, restarting its worker, how long it stays."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent import local_socket, records, wire
from rpyc_kernel.agent.keeper import handlers
from tests.unit.agent.test_spawn import agent_with
from tests.unit.sessions import SOON, runs, wait_for

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
def client(sessions):
    """Of a session that Ada holds."""
    client = sessions.start(name="notebook", agent_version="0.1.0")
    client.attach(client="ada", attempt=1, holder="ada@laptop, notebook.ipynb")
    return client


def other(sessions, client):
    """Another link to it, not attached yet."""
    link = sessions.link(client.session)
    link.received = client.received
    return link


# taking over


def test_a_session_that_somebody_holds_is_only_taken_if_that_is_wanted(client, sessions):
    time.sleep(0.2)  # what is tested is how long ago it was
    bob = other(sessions, client)
    answer = bob.ask("attach", acked=0, client="bob", attempt=1, holder="bob")
    assert (answer["error"], answer["by"]) == ("stale", "ada@laptop, notebook.ipynb")
    assert 0.2 <= answer["ago"] < 20
    assert client.run("a", "print('still mine')")[0] == "still mine\n"
    bob.received = client.received
    bob.attach(client="bob", attempt=1, holder="bob", take=True)
    assert bob.run("b", "print('mine')")[0] == "mine\n"
    answer = client.submit("c", "print('no')")
    assert (answer["error"], answer["by"]) == ("stale", "bob")
    assert answer["ago"] >= 0


def test_a_waiting_pull_is_told_by_whom_the_session_was_taken(client, sessions):
    door = waiting_pull(client)
    bob = other(sessions, client)
    bob.ask("status")  # the pull has come before this
    bob.attach(client="bob", holder="bob@desk", take=True)
    answer = wire.unpack(local_socket.read_packet(door))[0]
    assert (answer["error"], answer["by"]) == ("stale", "bob@desk")
    assert 0 <= answer["ago"] < 20


def test_a_newer_link_of_the_same_kernel_is_no_takeover(client, sessions):
    door = waiting_pull(client)
    again = other(sessions, client)
    again.ask("status")
    again.attach(client="ada", attempt=2)
    for answer in (wire.unpack(local_socket.read_packet(door))[0], client.submit("c", "1")):
        assert answer["error"] == "stale"
        assert "by" not in answer


def waiting_pull(client):
    """A pull of this client that waits; returns the socket that its answer comes on."""
    pull = {"session": client.session, "epoch": client.epoch, "acked": 0, "rtt": 0.0, "max_bytes": 1000, "wait": 30.0}
    pull["acked"] = client.received
    door = client.call.__self__._door[1]
    local_socket.send_packet(door, wire.pack({"op": "pull"}, [wire.pack(pull)]))
    return door


def test_a_kernel_of_an_older_version_is_told_which_to_use(sessions):
    newer = agent_with("wire.py", "VERSION = 7\n")
    client = sessions.link("one", newer)
    client.record = client.ask("spawn", shell="plain", agent="9.1")
    sessions._keepers.append(client.record["pid"])
    assert (client.record["version"], client.record["agent"]) == (7, "9.1")
    for header in ({}, {"version": 6}):
        answer = client.ask("attach", acked=0, **header)
        assert (answer["error"], answer["version"], answer["agent"]) == ("version", 7, "9.1")
    assert client.attach(version=7)["epoch"] == 1
    assert client.attach(version=8)["epoch"] == 2


def test_who_attaches_learns_where_things_stand(client, sessions):
    client.run("a", "1")
    client.submit("b", "print('on')\ninput()", execution_count=41)
    client.until("b", "input_request")
    client.submit("c", "2", execution_count=42)
    client.submit("d", "3", msg_type="complete_request", cursor_pos=1)
    client.until("d", "complete_reply")
    bob = other(sessions, client)
    answer = bob.attach(client="bob", take=True)
    assert answer["running"] == "b"
    assert answer["open"] == [["execute_request", "b"], ["execute_request", "c"]]
    assert answer["execution_count"] == 42
    assert answer["last"] == client.received
    assert answer["accepted"] == 4
    assert bob.ask("status")["queued"] == 2


def test_only_cells_that_count_are_counted(client, sessions):
    def last():
        return client.ask("status")["execution_count"]

    assert last() == 0
    client.run("a", "1")
    assert last() == 1
    client.submit("b", "1", execution_count=7)
    client.until("b")
    assert last() == 7
    for number, parent, more in ((3, "c", {"silent": True}), (4, "d", {"store_history": False})):
        cell = {"code": "1", "execution_count": 8, **more}
        packet = wire.Message("execute_request", cell, parent).encode()
        client.ask("submit", [packet], epoch=client.epoch, n=number, type="execute_request", parent=parent, cell=cell)
        client.until(parent)
    assert last() == 7


# looking at it


def test_the_status_of_a_session(client, sessions):
    client.acknowledging = False
    client.run("a", "print('x' * 1000)")
    status = client.ask("status")
    load = status.pop("load")
    assert len(load) == 3
    times = {name: status.pop(name) for name in ("since", "age", "idle")}
    assert 0 <= times["since"] <= times["age"] < 60
    assert times["idle"] == 0.0
    assert status.pop("unread_bytes") > 1000
    assert status.pop("unread") >= 2
    assert status == {
        "ending": False,
        "busy": False,
        "held": True,
        "holder": "ada@laptop, notebook.ipynb",
        "keep": 24 * 3600.0,
        "execution_count": 1,
        "epoch": client.epoch,
        "queued": 0,
        "packets": [],
        "heard": None,
    }


def test_somebody_holds_a_session_as_long_as_the_link_is_there(client, sessions):
    bob = other(sessions, client)
    assert bob.ask("status")["held"] is True
    client.leave()
    wait_for(lambda: bob.ask("status")["held"] is False)
    assert bob.ask("status")["holder"] == "ada@laptop, notebook.ipynb"  # the last one
    wait_for(lambda: bob.ask("status")["idle"] > 0.05)
    again = other(sessions, client)
    again.attach(client="ada", attempt=2)
    assert bob.ask("status")["held"] is True
    client.ask("status")  # comes by a connection again, but not with this epoch
    again.leave()
    wait_for(lambda: bob.ask("status")["held"] is False)


def test_every_session_is_listed_with_its_status(client, sessions):
    two = sessions.start("two", name="second")
    two.submit("a", "input()")
    two.until("a", "input_request")
    found = {each["session"]: each for each in sessions.link("one").ask("list")["sessions"]}
    assert set(found) >= {"one", "two"}
    assert [found[name]["answers"] for name in ("one", "two")] == [True, True]
    assert [found[name]["busy"] for name in ("one", "two")] == [False, True]
    assert [found[name]["name"] for name in ("one", "two")] == ["notebook", "second"]
    assert found["one"]["holder"] == "ada@laptop, notebook.ipynb"
    assert {"key", "socket", "path", "scratch"}.isdisjoint(found["one"])


def test_a_list_does_not_wait_for_who_does_not_answer(client, sessions, tmp_path, monkeypatch):
    more = [sessions.start(f"more{number}") for number in range(3)]
    for each in more:
        os.kill(each.keeper, signal.SIGSTOP)
    link = sessions.link("one")
    broker, all_asked = link.call.__globals__, threading.Barrier(4, timeout=SOON)
    look_at = broker["_look_at"]

    def look_at_together(record, status):
        all_asked.wait()
        look_at(record, status)

    monkeypatch.setitem(broker, "STATUS_TIMEOUT_S", 3.0)  # on a busy machine the one that runs takes its time too
    monkeypatch.setitem(broker, "_look_at", look_at_together)
    try:
        found = {each["session"]: each for each in link.ask("list")["sessions"]}
        assert not all_asked.broken, "one was asked after the other"
        assert found["one"]["answers"] is True
        assert [found[each.session]["answers"] for each in more] == [False] * 3
        assert found["more0"]["pid"] == more[0].keeper
    finally:
        for each in more:
            os.kill(each.keeper, signal.SIGCONT)
    assert (tmp_path / "rpyc-kernel" / "sessions" / "more0.json").exists()
    wait_for(lambda: all(each["answers"] for each in sessions.link("one").ask("list")["sessions"]))


def test_a_list_removes_what_a_keeper_that_was_killed_has_left(client, sessions, tmp_path):
    folder = tmp_path / "rpyc-kernel" / "sessions"
    two = sessions.start("two")
    (folder / "two.d" / "inner").mkdir(parents=True)
    os.kill(two.keeper, signal.SIGKILL)
    wait_for(lambda: not runs(two.keeper))
    assert (folder / "two.json").exists()
    (folder / "old.json.log").touch()
    os.utime(folder / "old.json.log", (time.time() - 8 * 24 * 3600,) * 2)
    assert "two" not in [each["session"] for each in sessions.link("one").ask("list")["sessions"]]
    assert sorted(path.name for path in folder.glob("*.log")) == ["one.json.log", "two.json.log"]
    assert sorted(path.name for path in folder.glob("two*")) == ["two.json.log"]


def test_a_list_survives_what_is_no_good_record(client, sessions, tmp_path):
    folder = tmp_path / "rpyc-kernel" / "sessions"
    for name, socket in (("odd", "/no/such\0socket"), ("port", "127.0.0.1:x"), ("long", "/" * 5000), ("text", "x")):
        records.write(str(folder), {"session": name, "key": "00", "socket": socket, "pid": "x"})
    found = {each["session"]: each for each in sessions.link("one").ask("list")["sessions"]}
    assert found["one"]["answers"] is True
    assert all(not each["answers"] for name, each in found.items() if name in ("odd", "port", "long"))


# how long it stays


def test_asking_for_its_status_keeps_no_session_alive(sessions):
    client = sessions.start(keep=2.0)
    client.leave()
    watching = sessions.link("one")

    def gone():
        return watching.ask("status").get("error") == "gone"

    wait_for(gone)


def test_an_idle_session_that_somebody_holds_stays(sessions):
    client = sessions.start(keep=0.0)
    time.sleep(2.5)  # longer than any session stays that nobody holds
    assert client.run("a", "print('here')")[0] == "here\n"
    client.leave()
    wait_for(lambda: not runs(client.keeper))


def test_how_long_a_session_stays_can_be_changed(sessions):
    client = sessions.start()
    assert client.ask("keep", epoch=client.epoch, keep=5)["keep"] == 5.0
    assert client.ask("status")["keep"] == 5.0
    client.attach(keep=0)
    assert client.ask("status")["keep"] == 0.0
    client.attach()
    assert client.ask("status")["keep"] == 0.0
    for bad in (-1, float("nan"), float("inf"), "x", None, []):
        assert client.ask("keep", epoch=client.epoch, keep=bad)["error"] == "protocol"
    assert client.ask("attach", acked=0, keep=-1)["error"] == "protocol"
    assert client.ask("status")["epoch"] == client.epoch  # it has not begun a link
    assert client.ask("keep", epoch=client.epoch - 1, keep=5)["error"] == "stale"
    assert client.ask("status")["keep"] == 0.0
    client.leave()
    wait_for(lambda: not runs(client.keeper))


def test_a_cell_that_runs_keeps_a_session_that_nobody_holds(sessions, tmp_path):
    client = sessions.start(keep=0.0)
    client.submit("a", f"import time\nprint('go')\ntime.sleep(3.5)\nopen({str(tmp_path / 'done')!r}, 'w')")
    client.until("a", "stream")
    client.leave()
    wait_for((tmp_path / "done").exists)
    wait_for(lambda: not runs(client.keeper))


# restarting


def test_a_restart_ends_the_worker_and_what_it_has_started(client):
    code = "import os, subprocess, time\nx = 1\np = subprocess.Popen(['sleep', '60'], preexec_fn=os.setpgrp)\n"
    child = int(client.run("a", code + "print(p.pid)")[0])
    client.submit("b", "print('on')\nsum(range(10**15))", execution_count=2)
    client.submit("c", "print('x' in globals())", execution_count=3)
    client.until("b", "stream")
    assert client.ask("restart", epoch=client.epoch)["restarted"] is True
    client.submit("d", "print('x' in globals())", execution_count=4)  # meant for the fresh one
    messages = client.until("d")
    end = {"text": "was restarted", "restart": True}
    for lost in [each for each in messages if each.type == "execute_reply" and each.parent in ("b", "c")]:
        assert (lost.content["ename"], lost.content["evalue"], lost.content["end"]) == ("WorkerDied", end["text"], end)
    assert client.printed(messages) == "False\n"
    assert not runs(client.worker)
    assert not runs(child)
    os.kill(int(client.run("e", "import os\nprint(os.getpid())")[0]), signal.SIGKILL)  # the next death is no restart
    assert client.until("e", "worker_died")[-1].content["signal"] == "SIGKILL"


def test_an_idle_session_is_restarted_too_and_only_by_who_holds_it(client, sessions):
    assert client.ask("restart", epoch=client.epoch - 1)["error"] == "stale"
    assert client.run("a", "x = 1\nprint(x)")[0] == "1\n"
    for _ in range(3):  # again and again
        client.ask("restart", epoch=client.epoch)
        assert client.until("a", "worker_died")[-1].content["restart"] is True
    assert client.run("b", "print('x' in globals())")[0] == "False\n"


def test_a_stopped_worker_is_restarted(client):
    os.kill(client.worker, signal.SIGSTOP)
    client.ask("restart", epoch=client.epoch)
    assert client.run("a", "print('here')")[0] == "here\n"


# showing again


def test_what_cells_gave_out_is_given_again_to_who_holds_the_session(client, sessions):
    client.run("a", "print('one')\n1")
    client.run("b", "print('two')")
    client.pull(wait=0.0)
    answer = client.ask("replay", epoch=client.epoch, cells=2)
    assert answer["found"] is True
    assert [parent for _count, parent in answer["cells"]] == ["a", "b"]
    messages = [wire.Message.decode(packet) for packet in answer["packets"]]
    assert client.printed(messages) == "one\ntwo\n"
    assert client.ask("replay", epoch=client.epoch, cell=99)["found"] is False
    assert client.ask("replay", epoch=client.epoch - 1, cells=1)["error"] == "stale"


# looking at what nobody has got


def test_a_look_takes_nothing_from_who_holds_the_session(client, sessions):
    client.submit("a", "print('one')\n1")
    client.submit("b", "print('two')")
    wait_for(lambda: not client.ask("status")["queued"])
    visitor = other(sessions, client)
    pages, place = [], 0
    while place is not None:
        pages.append(visitor.ask("look", **{"from": place, "max_bytes": 1}))
        place = pages[-1]["next"]
    messages = [wire.Message.decode(packet) for page in pages for packet in page["packets"]]
    assert [len(page["packets"]) for page in pages] == [1] * len(pages)
    assert client.printed(messages) == "one\ntwo\n"
    assert [each.parent for each in messages if each.type == "execute_reply"] == ["a", "b"]
    (before,) = {page["acknowledged"] for page in pages}
    told = client.until("b")
    assert [(each.type, each.parent) for each in told] == [(each.type, each.parent) for each in messages]
    client.pull(wait=0.0)
    answer = visitor.ask("look")
    assert (answer["packets"], answer["acknowledged"], answer["next"]) == ([], before + len(messages), None)


def test_a_batch_stops_at_its_first_error(client):
    def submit(parent, code, **content):
        client.submit(parent, code, **content)

    submit("a", "1/0", batch="x", stop_on_error=False)
    submit("b", "done = 1", batch="x", stop_on_error=True)
    submit("c", "1/0", batch="x", stop_on_error=True)
    submit("d", "done = 2", batch="x", stop_on_error=True)
    submit("e", "print(done)")
    submit("f", "done = 3", batch="x", stop_on_error=False)
    submit("g", "print(done)", batch="y", stop_on_error=True)
    messages = client.until("g")
    replies = [(each.parent, each.content["status"]) for each in messages if each.type == "execute_reply"]
    assert replies == [
        ("a", "error"), ("b", "ok"), ("c", "error"), ("d", "aborted"), ("e", "ok"), ("f", "aborted"), ("g", "ok"),
    ]  # fmt: skip
    assert client.printed(messages) == "1\n1\n"


# the rest


@pytest.mark.parametrize(
    ("op", "header"),
    [
        ("attach", {"acked": 0, "client": "ada", "attempt": "x"}),
        ("attach", {"acked": 0, "version": []}),
        ("attach", {"acked": 0, "keep": "long"}),
        ("restart", {"epoch": "x"}),
        ("keep", {}),
        ("replay", {"cells": "x"}),
        ("replay", {"cells": float("inf")}),
        ("look", {"from": "x"}),
    ],
)
def test_a_request_of_another_form_changes_nothing(client, op, header):
    assert client.ask(op, **dict({"epoch": client.epoch}, **header))["error"] == "protocol"
    assert client.run("z", "print('here')")[0] == "here\n"


@pytest.mark.parametrize("cell", [{}, {"cell": 1}, {"cell": "text"}])
def test_a_cell_whose_counts_are_not_told_is_refused_and_the_number_is_free(client, cell):
    header = {"epoch": client.epoch, "n": 1, "type": "execute_request", "parent": "a", **cell}
    assert client.ask("submit", [b"?"], **header)["error"] == "protocol"
    assert client.run("a", "print('here')")[0] == "here\n"


def test_the_session_can_be_ended_by_hand_whoever_holds_it(client, sessions):
    bob = other(sessions, client)
    assert bob.ask("terminate", epoch=0)["error"] == "stale"
    assert bob.ask("terminate")["ended"] is True
    wait_for(lambda: not runs(client.keeper) and not runs(client.worker))


def test_what_is_not_known_of_a_machine_is_left_out(monkeypatch):
    def missing():
        raise OSError

    monkeypatch.setattr(handlers.os, "getloadavg", missing)
    assert handlers._load() is None


def test_a_session_keeps_a_log_while_it_lives(client, sessions, tmp_path):
    path = Path(tmp_path / "rpyc-kernel" / "sessions" / "one.json.log")
    bob = other(sessions, client)
    bob.attach(client="bob", attempt=1, holder="bob", take=True)
    os.kill(client.worker, signal.SIGKILL)
    bob.until("", "worker_died")
    text = path.read_text()
    for line in (
        f"keeper {client.keeper} of session one",
        "attached by ada@laptop, notebook.ipynb (ada), epoch 2",
        "taken over by bob (bob), epoch 3, from ada@laptop, notebook.ipynb",
        f"the worker {client.worker} was ended by signal 9",
    ):
        assert line in text
    assert client.record["session"] in text
    bob.ask("terminate")
    wait_for(lambda: not runs(client.keeper))
    assert not path.exists()
