"""A real keeper and its worker, talked to through a broker in this process."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rpyc_kernel.agent import local_socket, wire
from tests import compiled, elsewhere
from tests.unit.sessions import SOON, Sessions, runs, wait_for

pytestmark = pytest.mark.needs("linux")


KINDS = {"forked": {}, "spawned": elsewhere.SERVER, "spawned on posix": elsewhere.SPAWN}


@pytest.fixture(params=["forked", "spawned"])
def sessions(request, tmp_path, monkeypatch):
    """Each test runs with workers that are forked, and as on a system that can't fork any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled.put_agent(tmp_path)
    for name, value in KINDS[request.param].items():
        monkeypatch.setenv(name, value)
    with Sessions() as sessions:
        yield sessions


@pytest.fixture
def client(sessions):
    return sessions.start()


def test_a_cell_prints_shows_and_replies_in_order(client):
    client.submit("a", "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('again')\n6 * 7")
    messages = client.until("a")
    seen = [(each.type, each.content.get("name") or each.content.get("status")) for each in messages]
    assert seen == [
        ("stream", "stdout"),
        ("stream", "stderr"),
        ("stream", "stdout"),
        ("execute_result", None),
        ("execute_reply", "ok"),
    ]
    assert messages[3].content["data"]["text/plain"] == "42"
    assert {each.parent for each in messages} == {"a"}


def test_the_boot_text_is_in_memory_once(client):
    code = "import sys\n(boot,) = [each for name, each in sys.modules.items() if name.endswith('.boot')]\n"
    assert client.run("a", code + "print(boot.write_file.__code__.co_filename)")[0] == "<rpyc-kernel boot>\n"


def test_a_request_that_is_sent_again_runs_once(client):
    client.run("a", "ran = []")
    assert client.submit("b", "ran.append(1)", number=2) == {"accepted": 2, "packets": []}
    assert client.submit("b", "ran.append(1)", number=2) == {"accepted": 2, "packets": []}
    assert client.run("c", "print(ran)")[0] == "[1]\n"
    assert client.submit("b", "ran.append(1)", number=2) == {"accepted": 3, "packets": []}
    assert client.run("d", "print(ran)")[0] == "[1]\n"


def test_a_gap_in_the_numbers_is_refused(client):
    answer = client.submit("a", "print('ran')", number=2)
    assert answer["error"] == "protocol"
    assert "request 2 came after 0" in answer["text"]
    assert client.run("b", "print('mine')")[0] == "mine\n"


def test_an_older_client_is_told_so_by_every_operation(client, sessions):
    later = sessions.link(client.session)
    later.received = client.received
    later.attach()
    assert later.epoch == client.epoch + 1
    assert client.submit("a", "print('mine')")["error"] == "stale"
    assert client.ask("interrupt", epoch=client.epoch, parent="b")["error"] == "stale"
    assert client.ask("pull", epoch=client.epoch, acked=0, rtt=0, max_bytes=1, wait=0)["error"] == "stale"
    assert client.ask("terminate", epoch=client.epoch)["error"] == "stale"
    assert later.run("b", "print('theirs')")[0] == "theirs\n"


def test_a_pull_that_waits_is_told_when_another_link_comes(client, sessions):
    pull = {"session": client.session, "epoch": client.epoch, "acked": 0, "rtt": 0.0, "max_bytes": 1000, "wait": 30.0}
    door = client.call.__self__._door[1]
    local_socket.send_packet(door, wire.pack({"op": "pull"}, [wire.pack(pull)]))
    later = sessions.link(client.session)
    later.ask("status")  # the pull has come before this
    later.received = client.received
    later.attach()
    assert wire.unpack(local_socket.read_packet(door))[0]["error"] == "stale"


def test_what_is_acknowledged_is_freed(client):
    client.acknowledging = False
    client.run("a", "for i in range(5): display(i)")
    assert client.ask("status")["unread"] >= 6
    client.acknowledging = True
    client.pull(wait=0.0)
    assert client.ask("status")["unread"] == 0


def test_a_new_link_gets_the_same_messages_under_the_same_numbers(client, sessions):
    client.acknowledging = False
    client.submit("a", "for i in range(30): display(i)\nprint('half', end='')")
    before = client.received
    assert len(client.until("a")) == 32
    assert client.pull(wait=0.0) == []  # on this link all was given
    again = sessions.link(client.session)
    again.received = before + 7
    assert again.attach()["acknowledged"] == before + 7
    texts = [each.content["data"]["text/plain"] for each in again.until("a") if each.type == "display_data"]
    assert texts == [str(number) for number in range(7, 30)]
    assert again.received == before + 32


def test_an_attached_link_learns_what_was_accepted_and_what_runs(client, sessions):
    client.run("a", "1")
    client.submit("b", "input()")
    client.until("b", "input_request")
    again = sessions.link(client.session)
    answer = again.attach()
    assert (answer["accepted"], answer["open"]) == (2, [["execute_request", "b"]])
    assert client.ask("status")["busy"] is True


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_full_journal_holds_the_worker_back(sessions, tmp_path):
    client = sessions.start("held", journal_limit=100_000)
    code = f"for _ in range(2000): print('x' * 999)\nopen({str(tmp_path / 'done')!r}, 'w')"
    client.submit("a", code)
    client.acknowledging = False
    printed, messages, used = "", [], 0.0
    while messages or len(printed) < 90_000:  # a busy machine lets the worker wait too, for a second perhaps
        before = cpu_seconds(client.keeper)
        messages = client.pull(wait=1)
        used = cpu_seconds(client.keeper) - before
        printed += client.printed(messages)
    assert used < 0.5, "it didn't sleep while it waited"
    assert len(printed) < 1_000_000  # headers count too
    assert not (tmp_path / "done").exists()
    client.acknowledging = True
    printed += client.printed(client.until("a"))
    assert printed == ("x" * 999 + "\n") * 2000


def test_an_interrupt_ends_the_cell_that_it_names(client):
    client.submit("a", "print('go')\nwhile True: pass")
    client.until("a", "stream")
    assert client.interrupt("a")
    assert client.until("a")[-1].content["ename"] == "KeyboardInterrupt"
    assert not client.interrupt("a")  # it has ended
    assert client.run("b", "print('well')")[0] == "well\n"


def test_a_full_journal_holds_nobody_back_once_the_link_has_gone(sessions, tmp_path):
    client = sessions.start("held", journal_limit=100_000)
    client.submit("a", f"for _ in range(2000): print('x' * 999)\nopen({str(tmp_path / 'done')!r}, 'w')")
    client.until("a", "stream")
    wait_for(lambda: client.ask("status")["unread_bytes"] >= 100_000)
    assert not (tmp_path / "done").exists()
    client.leave()
    wait_for((tmp_path / "done").exists)
    client.attach()
    client.until("a")
    assert client.printed(client.messages) == ("x" * 999 + "\n") * 2000


def test_an_interrupt_reaches_a_request_that_waits_and_not_the_one_that_runs(client):
    client.submit("a", "print('go')\nline = input()\nprint('not interrupted')")
    client.submit("b", "print('must not run')")
    serial = client.until("a", "input_request")[-1].content["serial"]
    assert client.interrupt("b")
    client.submit("c", msg_type="input_reply", value="", serial=serial)
    messages = client.until("b")
    assert client.printed(messages) == "not interrupted\n"
    assert messages[-1].content["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("last_words", "end", "text"),
    [
        ("os._exit(3)", {"code": 3}, "ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", {"signal": "SIGKILL"}, "was ended by signal 9 (SIGKILL)"),
    ],
)
def test_a_worker_that_dies_is_reported_after_all_it_has_printed(client, last_words, end, text):
    code = "import os\nprint('x' * 100_000)\nos.write(1, b'raw ')\nprint('half a line', end='')\n"
    client.submit("a", code + last_words)
    client.submit("b", "print('os' in globals())", deaths=0)  # whether it comes before the death or after it
    everything = client.until("b")
    messages = [each for each in everything if each.parent == "a"]
    assert client.printed(messages) == "x" * 100_000 + "\nraw half a line"
    reply = messages[-1].content
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", "WorkerDied", text)
    assert reply["end"] == dict(end, text=text)
    (behind,) = [each.content for each in everything if each.parent == "b"]  # its variables are gone
    assert (behind["ename"], behind["end"], behind["begun"]) == ("WorkerDied", dict(end, text=text), False)
    assert client.run("c", "print('os' in globals())")[0] == "False\n"


def test_the_death_of_an_idle_worker_is_told_too(client):
    os.kill(client.worker, signal.SIGKILL)
    assert client.until("", "worker_died")[-1].content["signal"] == "SIGKILL"
    assert client.run("a", "print('new')")[0] == "new\n"


@pytest.mark.parametrize("sessions", ["forked", "spawned on posix"], indirect=True)  # else nobody finds the child
def test_a_terminated_session_leaves_nothing(client, tmp_path):
    code = "import atexit, subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
    client.run("a", code + f"atexit.register(lambda: open({str(tmp_path / 'left')!r}, 'w').write('well'))")
    child = int(client.run("b", "print(child.pid)")[0])
    assert [runs(pid) for pid in (client.keeper, client.worker, child)] == [True] * 3
    assert client.ask("terminate", epoch=client.epoch)["ended"] is True
    wait_for(lambda: not any(map(runs, (client.keeper, client.worker, child))))
    assert (tmp_path / "left").read_text() == "well"
    assert list((tmp_path / "rpyc-kernel" / "sessions").iterdir()) == []
    assert client.ask("status")["error"] == "gone"
    assert client.keeper not in [each["pid"] for each in client.ask("list")["sessions"]]


def test_a_terminated_session_does_not_wait_for_its_cell(client):
    client.submit("a", "print('go')\nsum(range(10**15))")  # in which no other thread runs either
    client.until("a", "stream")
    client.ask("terminate")
    wait_for(lambda: not runs(client.worker) and not runs(client.keeper))


@pytest.mark.parametrize("number", [15, 9], ids=["SIGTERM", "SIGKILL"])
def test_a_keeper_that_is_ended_takes_its_worker_along(client, number):
    os.kill(client.keeper, number)
    wait_for(lambda: not runs(client.worker))
    wait_for(lambda: client.ask("status").get("error") == "gone")
    assert client.ask("status")["error"] == "gone"


def session_of(pid):
    """Its session, if it runs."""
    try:
        return os.getsid(pid) if runs(pid) else None
    except ProcessLookupError:
        return None


def ends(status):
    """Whether a keeper has said that it ends, or that it is gone."""
    return bool(status.get("ending")) or status.get("error") == "gone"


def test_a_keeper_that_is_ended_says_so_and_starts_no_worker(client, request):
    """All comes at once: it was stopped, as a busy machine might do."""
    os.kill(client.keeper, signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.ask, "status")
        time.sleep(0.1)  # until the question is in the socket of the keeper, which can't tell
        os.kill(client.worker, signal.SIGKILL)
        os.kill(client.keeper, signal.SIGTERM)
        os.kill(client.keeper, signal.SIGCONT)
        status = answer.result(SOON)
    if request.node.callspec.params["sessions"] != "forked" and not ends(status):
        # it has threads: one of them has taken the signal, and had not told yet when the question was read
        wait_for(lambda: ends(client.ask("status")))
    else:
        assert ends(status)
    wait_for(lambda: not runs(client.keeper))
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    wait_for(lambda: not any(session_of(pid) == client.keeper for pid in pids))


def test_an_idle_session_that_nobody_wants_ends_by_itself(sessions):
    client = sessions.start(keep=0.2)
    client.leave()
    wait_for(lambda: not runs(client.keeper) and not runs(client.worker))


def test_a_running_cell_keeps_its_session(sessions):
    client = sessions.start(keep=0.2)
    client.submit("a", "import time\nprint('go')\ntime.sleep(0.6)\nprint('done')")
    client.until("a", "stream")
    assert client.printed(client.until("a")) == "done\n"


def test_a_session_stays_for_a_while_after_its_cell_has_ended(sessions, tmp_path):
    client = sessions.start(keep=1.0)
    client.submit("a", f"import time\ntime.sleep(1.2)\nopen({str(tmp_path / 'done')!r}, 'w')")
    wait_for((tmp_path / "done").exists)
    time.sleep(0.1)  # the while that is tested
    assert client.until("a")[-1].content["status"] == "ok"


def test_a_session_somebody_pulls_from_stays(sessions):
    client = sessions.start(keep=0.3)
    assert client.pull(wait=0.6) == []
    assert client.run("a", "print('here')")[0] == "here\n"


def test_sessions_share_nothing(sessions):
    one, two = sessions.start("one"), sessions.start("two")
    one.submit("a", "x = 1\nprint('mine')\nwhile True: pass")
    one.until("a", "stream")
    printed, reply = two.run("a", "print('x' in globals())")
    assert (printed, reply["status"]) == ("False\n", "ok")
    assert {each["session"] for each in one.ask("list")["sessions"]} >= {"one", "two"}
    two.ask("terminate")
    wait_for(lambda: not runs(two.keeper))
    assert one.interrupt("a")
    assert one.until("a")[-1].content["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("op", "header"),
    [
        ("unknown", {}),
        ("submit", {}),
        ("submit", {"n": "x", "type": "execute_request", "parent": "a", "cell": {}}),
        ("submit", {"n": 1, "type": [], "parent": "a"}),
        ("interrupt", {}),
        ("pull", {"acked": 0, "max_bytes": [], "rtt": 0, "wait": 0}),
        ("submit", {"n": float("inf"), "type": "execute_request", "parent": "a", "cell": {}}),
        ("attach", {"acked": float("inf")}),
        ("pull", {"acked": 0, "max_bytes": 1, "rtt": float("nan"), "wait": 1}),
        ("pull", {"acked": 0, "max_bytes": 1, "rtt": 0, "wait": float("nan")}),
    ],
)
def test_a_request_of_another_form_is_refused_and_the_session_stays(client, op, header):
    assert client.ask(op, [b"?"], **dict({"epoch": client.epoch}, **header))["error"] == "protocol"
    assert client.run("z", "print('here')")[0] == "here\n"


@pytest.mark.parametrize(
    "payload", [b"", b"\xff" * 99, wire.pack({}), wire.pack({"session": 1}), wire.pack({"session": "no"})]
)
def test_a_broker_answers_whatever_it_is_told(sessions, payload):
    answer, _buffers = wire.unpack(sessions.link("one").call("status", payload))
    assert answer["error"] == ("gone" if b"no" in payload else "broker")


def test_workers_that_have_died_leave_nothing_in_their_keeper(client):
    def held():
        return len(list(Path(f"/proc/{client.keeper}/fd").iterdir())), len(
            list(Path(f"/proc/{client.keeper}/task").iterdir())
        )

    code = "import os\nprint('last words')\nos._exit(1)"
    client.run("first", code)
    client.run("begin", "1")
    before = held()
    for number in range(10):
        assert client.run(f"a{number}", code)[0] == "last words\n"
    client.run("end", "1")
    wait_for(lambda: held() == before)
