"""`rpyc-kernel doctor` on real servers, and on what is none."""

from __future__ import annotations

import functools
import http.server
import json
import threading

import pytest

from tests.kernel.remotes import wait_until
from tests.servers.rpyc_servers import start_server

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
    assert "wrong" not in {check["state"] for checks in found.values() for check in checks}
    assert str(remote.work) in [check["text"].split(",")[0] for check in found["folder"]]
    assert "without IPython" in found["python"][0]["text"]
    assert wait_until(lambda: not remote.processes())


def test_lines_for_people(start, remote):
    command = start("doctor", remote.address)
    assert command.end() == 0
    lines = command.out.splitlines()
    assert lines[0].startswith("ok       name        127.0.0.1 is 127.0.0.1")
    assert any(line.startswith("ok       server      ThreadedServer of ") for line in lines)


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
    assert (code, [*found]) == (1, ["name", "server"])
    assert "No server is listening on 127.0.0.1:1" in found["server"][0]["text"]


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


def test_an_address_that_is_none(start):
    command = start("doctor", "http://pi")
    assert (command.end(), command.err.count("\n")) == (2, 1)
