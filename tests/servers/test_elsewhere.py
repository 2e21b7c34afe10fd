"""rpyc-kernel where nothing is that only POSIX has: every module can be imported, and a session works."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import elsewhere
from tests.kernel.kernels import SOURCE
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.venvs import VERSIONS
from tests.unit.sessions import wait_for

# What a keeper imports only where it forks its workers.
ONLY_WHERE_WORKERS_ARE_FORKED = {"rpyc_kernel.agent.keeper.worker.forked"}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import rpyc_kernel
failed = {}
for module in pkgutil.walk_packages(rpyc_kernel.__path__, "rpyc_kernel."):
    if module.name.endswith(("__main__", ".backend")):  # these two run something when they are imported
        continue
    try:
        importlib.import_module(module.name)
    except Exception as error:
        failed[module.name] = repr(error)
print(json.dumps(failed))
"""
SESSION = """
import json, sys, threading
from tests.servers.sessions import Session
from rpyc_kernel.agent import boot
assert not hasattr(boot.os, "fork"), "nobody is deceived"
with Session(sys.argv[1]) as session:
    text, reply = session.run("import os\\nprint('hello', end=' ')\\nos.environ.get('RK_WHERE')")
    session.link.interrupt(session.start("import time\\nprint('go')\\ntime.sleep(60)"))
    interrupted = session.until("execute_reply", "cell-2")[-1].content
    print(json.dumps([text, reply["status"], interrupted["ename"]]))
"""


def run(code, *arguments, **env):
    """What a Python prints that is deceived."""
    path = os.pathsep.join([elsewhere.FOLDER, str(SOURCE), str(Path.cwd())])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_module_can_be_imported():
    assert set(run(IMPORT_ALL)) == ONLY_WHERE_WORKERS_ARE_FORKED


def test_a_client_connects_to_a_server():
    with start_server(env={"RK_WHERE": "there"}) as server:
        assert run(SESSION, server.address) == ["hello 'there'", "ok", "KeyboardInterrupt"]


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_a_server_of_any_python_spawns_its_workers(rpyc, python, tmp_path):
    env = {**elsewhere.SERVER, "RK_WHERE": "there", "XDG_CACHE_HOME": str(tmp_path)}
    with start_server(rpyc=rpyc, python=python, env=env) as server:
        assert run(SESSION, server.address) == ["hello 'there'", "ok", "KeyboardInterrupt"]
        sessions = tmp_path / "rpyc-kernel" / "sessions"
        assert sessions.is_dir()
        wait_for(lambda: not any(sessions.iterdir()))


CODES = ["while True: pass", "import asyncio\nawait asyncio.sleep(60)", "input()"]


@pytest.mark.parametrize("code", CODES)
def test_an_interrupt_needs_no_signal_to_a_thread(code, tmp_path):
    """As on Windows: whoever raises SIGINT isn't the main thread. (What wakes `time.sleep` there is Windows' own.)"""
    env = {**elsewhere.SERVER, "RPYC_KERNEL_TESTS_LACKS": "signal.pthread_kill", "XDG_CACHE_HOME": str(tmp_path)}
    with start_server(env=env) as server, Session(server.address) as session:
        for _ in range(3):
            cell = session.start("print('go')\n" + code, allow_stdin=True)
            session.until("stream", cell)
            time.sleep(0.1)  # until it waits
            session.link.interrupt(cell)
            assert session.until("execute_reply", cell)[-1].content["ename"] == "KeyboardInterrupt"
        assert session.run("6 * 7")[0] == "42"
