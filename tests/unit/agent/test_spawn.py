"""Starting keepers: where they live, what they leave to see, and the sentence where one can't be started."""

import json
import os
import socket
import stat
import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from rpyc_kernel.agent import broker as broker_module
from rpyc_kernel.agent import records, wire
from rpyc_kernel.agent import spawn as spawn_module
from rpyc_kernel.agent.boot import digest_of
from rpyc_kernel.agent.broker import Broker
from rpyc_kernel.agent.spawn import SpawnError, spawn
from rpyc_kernel.transport.broker_client import agent_archive
from tests.unit.sessions import BOOT, Client, runs, wait_for

pytestmark = pytest.mark.needs("linux")


def why_not(**config):
    with pytest.raises(SpawnError) as caught:
        spawn(*agent_archive(), BOOT, dict(config, session="never"))
    return str(caught.value)


def test_a_program_that_is_no_python():
    text = why_not(python="/bin/false")
    assert text.startswith("/bin/false was started for the session and ended with exit code 1")
    assert "with --python PATH" in text


def test_what_the_program_said_last_is_told(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho first >&2\necho 'no such luck' >&2\nexit 7\n")
    program.chmod(0o700)
    assert "ended with exit code 7: no such luck. " in why_not(python=str(program))


@pytest.mark.parametrize("worker", ["fork", "spawn"])
@pytest.mark.parametrize("answer", ["", "[]", "1", '{"a": 1}', "not json"])
def test_an_answer_that_is_no_record(tmp_path, answer, worker):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
    program.chmod(0o700)
    assert "Is it a Python?" in why_not(python=str(program), worker=worker)


def test_a_program_that_is_missing():
    said = why_not(python="/no/such/python")
    assert said.startswith("/no/such/python can't be started there: No such file or directory.")
    assert "--python PATH" in said


def test_a_folder_that_is_missing():
    assert why_not(cwd="/no/such/folder") == "there is no folder /no/such/folder on that machine"


def test_a_server_that_does_not_know_its_python(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    said = why_not()
    assert "sys.executable is empty" in said
    assert "--python PATH" in said


def test_a_program_that_never_answers(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(spawn_module, "ANSWER_TIMEOUT_S", 0.5)
    assert "did not answer within 0.5 s" in why_not(python=str(program))
    assert not runs(int((tmp_path / "pid").read_text()))


def test_an_answer_is_enough_where_somebody_keeps_the_keeper_s_streams_open(tmp_path):
    """As Wine's console host does. What a Python prints when it starts is no answer."""
    program = tmp_path / "python"
    program.write_text(
        f"#!/bin/sh\ntrap '' PIPE\ncat > /dev/null\necho $$ > {tmp_path}/pid\necho hello\necho '{{}}'\n"
        'echo \'{"session": "never"}\'\necho more\nexec sleep 60\n'
    )
    program.chmod(0o700)
    started = time.monotonic()
    assert spawn(*agent_archive(), BOOT, {"session": "never", "python": str(program), "worker": "spawn"}) == {
        "session": "never"
    }
    assert time.monotonic() - started < 30.0
    os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.parametrize("worker", ["fork", "spawn"])
def test_a_program_that_never_ends_is_ended(tmp_path, monkeypatch, worker):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\ncat > /dev/null\necho hello\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(spawn_module, "ANSWER_TIMEOUT_S", 0.5)
    assert "did not answer within 0.5 s" in why_not(python=str(program), worker=worker)
    assert not runs(int((tmp_path / "pid").read_text()))


def test_an_archive_that_arrived_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    digest, archive = agent_archive()
    with pytest.raises(SpawnError, match="the agent arrived damaged"):
        spawn(digest, archive[:-1] + b"?", BOOT, {"session": "never"})


def test_the_broker_passes_the_reason_on(sessions):
    answer = sessions.link("one").ask("spawn", python="/no/such/python")
    assert (answer["error"], answer["text"][:15]) == ("spawn", "/no/such/python")


def test_folder_and_environment_are_the_ones_asked_for(sessions, tmp_path):
    client = sessions.start(cwd=str(tmp_path), env={"RPYC_KERNEL_TEST": "wörld"})
    code = "import os\nprint(os.getcwd(), os.environ['RPYC_KERNEL_TEST'])"
    assert client.run("a", code)[0] == f"{tmp_path} wörld\n"


def test_the_keeper_is_detached(sessions):
    client = sessions.start()
    assert os.getsid(client.keeper) == client.keeper != os.getsid(0)
    assert {str(Path(f"/proc/{client.keeper}/fd/{fd}").readlink()) for fd in (0, 1, 2)} == {os.devnull}
    assert os.getpgid(client.worker) == client.worker


def test_the_record_is_private_and_what_is_told_holds_no_secret(sessions, tmp_path):
    client = sessions.start("one", name="my notebook")
    path = tmp_path / "rpyc-kernel" / "sessions" / "one.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("one.sock").stat().st_mode) == 0o600
    secret = json.loads(path.read_text())["key"]
    listed = [each for each in client.ask("list")["sessions"] if each["pid"] == client.keeper]
    assert len(listed) == 1
    for told in (client.record, listed[0]):
        assert (told["session"], told["name"], told["version"]) == ("one", "my notebook", wire.VERSION)
        assert secret not in repr(told)
        assert {"key", "socket", "path", "scratch"}.isdisjoint(told)


def agent_with(file, text):
    """The agent with a few lines more at the end of a module, as it is where something doesn't work."""
    sources = json.loads(zlib.decompress(agent_archive()[1]))
    sources[file] += "\n" + text
    text = json.dumps(sources).encode()
    return digest_of(text), zlib.compress(text), sources["boot.py"].encode()


NO_FOLDER = "def private_folders(create, shared=True):\n    return iter(())\n"
FAILS = "def {}(*_args):\n    raise OSError(28, 'No space left on device')\n"


@pytest.mark.parametrize(
    ("file", "text"), [("boot.py", NO_FOLDER), ("records.py", FAILS.format("write"))], ids=["no folder", "full disk"]
)
def test_without_a_place_for_files_the_session_lives_and_the_kernel_remembers_its_record(
    sessions, file, text, tmp_path, monkeypatch
):
    monkeypatch.setattr(records, "private_folders", lambda create, shared=True: iter(()))
    client = sessions.start(f"homeless{os.getpid()}", agent=agent_with(file, text))
    record = client.record["record"]
    assert record["socket"].startswith("@")
    assert client.run("a", "print('here')")[0] == "here\n"
    other = sessions.link(client.session)
    assert other.ask("attach", acked=0)["error"] == "gone"  # nobody else finds it
    assert other.attach(record=record)["accepted"] == 1
    assert not any(path.is_file() for path in tmp_path.rglob("*") if not path.name.startswith("code-"))
    other.ask("terminate")
    wait_for(lambda: not runs(client.keeper))


def test_where_no_socket_can_be_made_the_reason_is_told():
    with pytest.raises(SpawnError, match=r"^no session can be kept on that machine: .*No space left on device"):
        spawn(*agent_with("local_socket.py", FAILS.format("listen")), {"session": "never"})


def test_where_the_first_folder_has_no_room_for_a_socket_the_next_serves(sessions, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "rpyc-kernel").mkdir(0o700, exist_ok=True)
    (tmp_path / "rpyc-kernel" / "sessions" / "one.sock").mkdir(0o700, parents=True)
    client = sessions.start("one")
    assert client.run("a", "print('here')")[0] == "here\n"
    assert (tmp_path / "home" / ".cache" / "rpyc-kernel" / "sessions" / "one.json").exists()


def test_a_session_that_is_asked_for_again_is_the_same(sessions):
    client = sessions.start()
    assert sessions.link(client.session).ask("spawn")["pid"] == client.keeper


def test_a_keeper_that_was_killed_is_gone_and_its_record_too(sessions, tmp_path):
    client = sessions.start()
    os.kill(client.keeper, 9)
    wait_for(lambda: not runs(client.keeper))
    assert client.ask("status")["error"] == "gone"  # by the door that was open
    assert client.ask("status")["error"] == "gone"  # by a new one
    left = (tmp_path / "rpyc-kernel" / "sessions").iterdir()
    assert [path.name for path in left] == ["one.json.log"]  # for whoever wonders


def test_a_keeper_that_is_slow_to_answer_is_not_forgotten(sessions, monkeypatch):
    client = sessions.start()
    monkeypatch.setattr(broker_module.local_socket, "HANDSHAKE_TIMEOUT_S", 0.2)
    other = sessions.link(client.session)
    os.kill(client.keeper, 19)  # SIGSTOP
    try:
        assert "error" in other.ask("status")
    finally:
        os.kill(client.keeper, 18)  # SIGCONT
    assert other.ask("status").get("unread") is not None


class Connection:
    """Has the attributes of RPyC's, by which the broker finds its socket."""

    def __init__(self, sock):
        self._channel = SimpleNamespace(compress=True, stream=SimpleNamespace(sock=sock))

    def serve(self):
        return Broker(*agent_archive(), BOOT)


def test_the_server_notices_a_link_that_is_dead():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _address = listener.accept()
    with ours, theirs:
        connection = Connection(theirs)
        connection.serve()

        def option(name):
            level = socket.SOL_SOCKET if name.startswith("SO") else socket.IPPROTO_TCP
            return theirs.getsockopt(level, getattr(socket, name))

        assert option("SO_KEEPALIVE") == option("TCP_NODELAY") == 1
        assert [option("TCP_KEEP" + name) for name in ("IDLE", "INTVL", "CNT")] == [15, 5, 3]
        assert option("TCP_USER_TIMEOUT") == 120_000
        assert connection._channel.compress is False


def test_a_unix_socket_has_no_such_options():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert Connection(theirs).serve()._server == ""


class ThreadPoolServer:
    """Has the name of RPyC's, by which the broker knows that threads are few."""

    def serve(self):
        return Broker(*agent_archive(), BOOT)


def test_a_pull_does_not_hold_a_thread_of_a_small_pool(sessions):
    client = sessions.start()
    broker = ThreadPoolServer().serve()
    try:
        pooled = Client(broker.call, wire, client.session)
        assert pooled.ask("hello")["pooled"] is True
        assert client.ask("hello")["pooled"] is False
        pooled.received = client.received
        pooled.attach()
        started = time.monotonic()
        assert pooled.pull(wait=20.0) == []
        assert time.monotonic() - started < 5.0
    finally:
        broker._close()


def test_how_workers_begin(monkeypatch):
    how, variable = spawn_module.how_workers_begin, spawn_module.VARIABLE
    assert how({}, {}) == "fork"
    assert how({}, {variable: "spawn"}) == "spawn"
    assert how({"worker": "fork"}, {variable: "spawn"}) == "fork"
    with pytest.raises(SpawnError, match="by fork or spawn, not by 'thread'"):
        how({"worker": "thread"}, {})
    for system in ("win32", "darwin", "freebsd14"):
        monkeypatch.setattr(spawn_module, "sys", SimpleNamespace(platform=system))
        assert how({}, {}) == "spawn"
        with pytest.raises(SpawnError, match="can't fork a worker"):
            how({"worker": "fork"}, {})


def test_a_spawned_worker_is_a_program_of_its_own_and_its_keeper_no_orphan(sessions):
    client = sessions.start(worker="spawn")
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (client.keeper, client.worker)]
    assert [name in command for name, command in zip((b"start_keeper", b"start_worker"), commands, strict=True)] == [
        True,
        True,
    ]
    assert os.getsid(client.keeper) == client.keeper
    assert {str(Path(f"/proc/{client.keeper}/fd/{fd}").readlink()) for fd in (0, 1, 2)} == {os.devnull}
    client.ask("terminate")
    wait_for(lambda: not Path(f"/proc/{client.keeper}").exists())  # it isn't left as a zombie either


@pytest.mark.parametrize("python", [sys.executable, "/bin/true", "/bin/cat", "/bin/false"])
def test_a_keeper_that_is_not_forked_tells_why_it_did_not_start(python, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    digest, archive = agent_archive()
    with pytest.raises(SpawnError, match=r"ended with exit code|damaged"):
        spawn(digest, archive[:-1] + b"?", BOOT, {"session": "never", "python": python, "worker": "spawn"})


def test_without_a_place_for_files_a_spawned_worker_compiles_for_itself(sessions, monkeypatch):
    monkeypatch.setattr(records, "private_folders", lambda create, shared=True: iter(()))
    client = sessions.start(f"homeless{os.getpid()}", agent=agent_with("boot.py", NO_FOLDER), worker="spawn")
    assert client.run("a", "print('here')")[0] == "here\n"
