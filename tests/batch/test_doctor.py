"""`rpyc-kernel doctor` on real servers, and on what is none."""

from __future__ import annotations

import functools
import http.server
import json
import os
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest

from rpyc_kernel.agent.serve import certificate
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.deadline import Deadline
from tests.kernel.remotes import wait_until
from tests.servers.paired_server import paired_server
from tests.servers.rpyc_servers import start_server
from tests.servers.ssh_servers import SshServer
from tests.servers.venvs import venv

pytestmark = pytest.mark.needs("linux")


def examine(start, address, *options):
    """Examine a machine; returns the exit code, and the checks by their names."""
    command = start("doctor", address, "--json", *options)
    code, found = command.end(), {}
    for check in json.loads(command.out):
        found.setdefault(check["name"], []).append(check)
    assert command.err == ""
    return code, found


def test_a_machine_in_order(start, remote):
    code, found = examine(start, remote.address)
    assert code == 0
    assert {"server", "round trip", "logout", "session", "clock", "folder", "memory", "throughput"} <= set(found)
    assert [*found][:4] == ["name", "route", "port", "server"]
    assert found["route"][0]["text"] == "from 127.0.0.1 by lo"
    assert found["agent cache"][0]["state"] == "ok"
    assert "wrong" not in {check["state"] for checks in found.values() for check in checks}
    assert str(remote.work) in [check["text"].split(",")[0] for check in found["folder"]]
    assert "without IPython" in found["python"][0]["text"]
    assert wait_until(lambda: not remote.processes())


def test_lines_for_people(start, remote):
    command = start("doctor", remote.address)
    assert command.end() == 0
    lines = command.out.splitlines()
    assert lines[0].startswith("ok       name         127.0.0.1 is 127.0.0.1")
    assert any(line.startswith("ok       server       ThreadedServer of ") for line in lines)


def test_a_folder_that_can_not_be_written_to(start, remote):
    code, found = examine(start, remote.address, "--cwd", "/proc")
    bad = [check for check in found["folder"] if check["state"] == "warning"]
    assert (code, len(bad)) == (0, 1)
    assert bad[0]["text"].startswith("/proc can't be written to there")
    assert "df -h /proc" in bad[0]["mend"]


def test_a_python_that_is_not_there(start, remote):
    code, found = examine(start, remote.address, "--python", "/nowhere/python")
    assert code == 1
    (wrong,) = [check for checks in found.values() for check in checks if check["state"] == "wrong"]
    assert "/nowhere/python can't be started there" in wrong["text"]


def test_nobody_listens(start):
    code, found = examine(start, "127.0.0.1:1")
    assert (code, [*found]) == (1, ["name", "route", "port"])
    assert found["port"][0]["text"] == "No server is listening on 127.0.0.1:1."
    assert found["port"][0]["mend"].startswith('Start it there with: python3 -c "from rpyc')


def test_a_name_that_is_none(start):
    code, found = examine(start, "nowhere.invalid")
    assert (code, [*found], found["name"][0]["state"]) == (1, ["name"], "wrong")


def test_a_web_server(start, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            code, found = examine(start, f"127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
    assert (code, "it speaks HTTP" in found["server"][0]["text"]) == (1, True)


def test_on_the_oldest_python(start):
    with start_server(rpyc="5.0.1", python="3.7") as server:
        code, found = examine(start, server.address)
    assert code == 0
    assert "Python 3.7" in found["server"][0]["text"]
    assert found["throughput"][0]["state"] == "ok"


@pytest.fixture
def paired_there(tmp_path):
    with paired_server(venv(), tmp_path / "there") as server:
        yield server


def pair(server):
    return proving.pair(server.address, server.codes.show(), Deadline(10))


def test_a_server_that_this_machine_is_not_paired_with(start, paired_there):
    code, found = examine(start, paired_there.address)
    assert (code, [*found]) == (1, ["name", "route", "pairing"])
    assert "This machine is not paired with" in found["pairing"][0]["text"]


def test_a_server_that_this_machine_is_paired_with(start, paired_there):
    pairing = pair(paired_there)
    code, found = examine(start, paired_there.address)
    assert code == 0
    assert (found["pairing"][0]["state"], pairing.name in found["pairing"][0]["text"]) == ("ok", True)
    assert certificate.shown(pairing.fingerprint) in found["pairing"][0]["text"]


def test_a_server_that_has_forgotten_this_machine(start, paired_there):
    paired_there.clients.forget(pair(paired_there).name)
    code, found = examine(start, paired_there.address)
    assert (code, found["pairing"][0]["state"]) == (1, "wrong")
    assert found["pairing"][0]["mend"].startswith("Pair with it again: ")


def test_a_server_with_another_certificate_than_before(start, paired_there, tmp_path):
    pair(paired_there)
    port = str(paired_there.port)
    paired_there.process.kill()
    paired_there.process.wait()
    with paired_server(venv(), tmp_path / "anew", "", "", "", port):
        code, found = examine(start, paired_there.address)
    assert (code, [*found]) == (1, ["name", "route", "certificate"])
    assert "is not the server that this machine was paired with" in found["certificate"][0]["text"]


@pytest.mark.needs("sshd")
def test_ssh_that_logs_in_and_ssh_that_does_not(start, monkeypatch):
    with SshServer() as server:
        monkeypatch.setenv("PATH", server.path)
        code, found = examine(start, "ssh://machine")
        assert (code, [*found][:2], found["login"][0]["state"]) == (0, ["login", "server"], "ok")
        server.make_host_key(known=False)
        server.stop()
        server.start()
        code, found = examine(start, "ssh://machine")
        assert (code, [*found]) == (1, ["host key"])
        assert found["host key"][0]["mend"].endswith(" and then, once: ssh machine")
        server.stop()
        code, found = examine(start, "ssh://machine")
        assert (code, [*found]) == (1, ["ssh"])
        assert found["ssh"][0]["mend"].startswith("Start one there (on most systems: sudo systemctl")


def test_this_machine_without_a_server(start):
    code, found = examine(start, "local:")
    assert code == 0
    assert found["server"][0]["state"] == "ok"


def installed(start, name):
    """Put a kernel into the user's list; return its kernel.json."""
    assert start("install", "--name", name).end() == 0
    return Path(os.environ["JUPYTER_DATA_DIR"], "kernels", name, "kernel.json")


def look_here(start, **env):
    command, found = start("doctor", "--json", env=env), {}
    code = command.end()
    assert command.err == ""
    for check in json.loads(command.out):
        found.setdefault(check["name"], []).append(check)
    return code, found


def kernel_of(found, name):
    return next(check for check in found["kernel"] if check["text"].startswith(f"{name} in "))


def test_this_side_in_order(start):
    installed(start, "here")
    assert start("hosts", "add", "pi", "10.0.0.5").end() == 0
    code, found = look_here(start)
    assert code == 0
    assert [*found] == ["python", "packages", "jupyter", "kernel", "folder", "machines"]
    assert sys.executable in found["python"][0]["text"]
    assert f"ipykernel {metadata.version('ipykernel')}" in found["packages"][0]["text"]
    assert kernel_of(found, "here")["state"] == "ok"
    assert found["machines"][0]["text"] == "saved: pi"


@pytest.mark.parametrize(("python", "words"), [("/nowhere/python", "isn't there"), ("sh", "no module rpyc_kernel")])
def test_a_kernel_whose_python_is_gone_or_another_one(start, python, words):
    file = installed(start, "gone")
    spec = json.loads(file.read_text())
    spec["argv"][0] = python
    file.write_text(json.dumps(spec))
    code, found = look_here(start)
    wrong = kernel_of(found, "gone")
    assert (code, wrong["state"], words in wrong["text"]) == (1, "wrong", True)
    assert wrong["mend"] == f"{sys.executable} -m rpyc_kernel.install --name gone"


def test_a_folder_here_that_can_not_be_written_to(start):
    _code, found = look_here(start, JUPYTER_CONFIG_DIR="/proc/jupyter")
    (warning,) = [check for check in found["folder"] if check["state"] == "warning"]
    assert warning["text"].startswith("/proc/jupyter can't be written to")


@pytest.mark.parametrize(("text", "words"), [("[pi\n", "line 1"), ('[pi]\naddress = "http://pi"\n', "pi")])
def test_saved_machines_that_can_not_be_understood(start, text, words):
    file = Path(os.environ["JUPYTER_CONFIG_DIR"], "rpyc-kernel", "hosts.toml")
    file.parent.mkdir()
    file.write_text(text)
    code, found = look_here(start)
    assert (code, found["machines"][0]["state"], words in found["machines"][0]["text"]) == (1, "wrong", True)


def test_another_environments_jupyter_is_told(start, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "jupyter"
    for python, state in (("/nowhere/python", "warning"), (sys.executable, "ok")):
        command.write_text(f"#!{python}\n")
        command.chmod(0o755)
        _code, found = look_here(start, PATH=f"{programs}:{os.environ['PATH']}")
        assert (found["jupyter"][0]["state"], str(command) in found["jupyter"][0]["text"]) == (state, True)


def test_options_for_a_session_need_a_machine(start):
    command = start("doctor", "--cwd", "/tmp")
    assert (command.end(), command.err) == (2, "--cwd goes with ADDRESS: it is for a session on that machine.\n")


def test_an_address_that_is_none(start):
    command = start("doctor", "http://pi")
    assert (command.end(), command.err.count("\n")) == (2, 1)
