"""A keeper that is killed leaves nothing behind: its worker ends within two seconds, whatever that does just then."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.needs import needs
from tests.unit.sessions import runs, wait_for

pytestmark = pytest.mark.needs("linux")

AT_MOST = 2.0  # seconds
PYTHONS = ["", "3.7", "3.8", "3.13"]

BUSY = {
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(600)",
    "match": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",  # holds the GIL, as the next
    "sum": "sum(range(10**15))",
    "input": "input()",
    "await": "import asyncio\nawait asyncio.sleep(600)",
    "ignoring": "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(9)",
    "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    "printing": "while True: print('x' * 1000)",
}


def start(sessions, python=""):
    return sessions.start(**({"python": needs(f"python{python}")} if python else {}))


def end_keeper(client, *others):
    """Kill it; returns when the worker and the others have gone too."""
    started = time.monotonic()
    os.kill(client.keeper, signal.SIGKILL)
    everybody = (client.keeper, client.worker, *others)
    try:
        wait_for(lambda: not any(map(runs, everybody)))
        assert time.monotonic() - started < AT_MOST
    finally:
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def busy(client, code):
    client.submit("busy", f"print('go')\n{code}")
    client.until("busy", "stream")


@pytest.mark.parametrize("python", PYTHONS)
def test_an_idle_worker(sessions, python):
    end_keeper(start(sessions, python))


@pytest.mark.parametrize("what", BUSY)
def test_a_worker_that_is_busy(sessions, what):
    client = start(sessions)
    busy(client, BUSY[what])
    end_keeper(client)


def test_a_worker_that_is_stopped(sessions):
    client = start(sessions)
    os.kill(client.worker, signal.SIGSTOP)
    end_keeper(client)


CHILDREN = """
import os, subprocess, sys
plain = subprocess.Popen(['sleep', '600'])
group = subprocess.Popen(['sleep', '600'], preexec_fn=os.setpgrp)
job = subprocess.Popen(['bash', '-c', 'set -m; sleep 600 & echo $!; wait'], stdout=subprocess.PIPE)
named = os.fork()
if named == 0:
    open('/proc/self/comm', 'w').write(') R 1 1 (')
    os.setpgrp()
    while True: pass
print(plain.pid, group.pid, job.pid, int(job.stdout.readline()), named)
"""


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("what", [None, "loop", "sum"])
def test_its_children_in_whatever_group(sessions, python, what):
    client = start(sessions, python)
    children = [int(pid) for pid in client.run("children", CHILDREN)[0].split()]
    assert all(map(runs, children))
    wait_for(lambda: len({os.getpgid(pid) for pid in children}) == 4)
    if what:
        busy(client, BUSY[what])
    end_keeper(client, *children)


def test_a_worker_that_was_started_again(sessions):
    """Each worker is a copy of the keeper, and must not keep open what tells that the keeper has gone."""
    client = start(sessions)
    for count in range(3):
        client.submit(f"die {count}", "import os\nos.kill(os.getpid(), 9)")
        client.until(f"die {count}")
    client.worker = int(client.run("a", "import os\nprint(os.getpid())")[0])
    busy(client, BUSY["sum"])
    end_keeper(client)


def watchers():
    """The pids of all processes that watch over a keeper, by the keeper's."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[0] == b"/bin/sh" and b"kill -9 $pid" in words[2]:
                found[int(words[3])] = int(folder.name)
    return found


def test_a_detached_process_is_left_alone(sessions):
    """What the user has put into a session of its own shall outlive ours, as it would with any shell."""
    client = start(sessions)
    code = "import subprocess\nprint(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)"
    detached = int(client.run("a", code)[0])
    try:
        end_keeper(client)
        wait_for(lambda: client.keeper not in watchers())
        assert runs(detached)
    finally:
        os.kill(detached, signal.SIGKILL)


def pending_signals(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))


def test_the_watcher_ends_with_the_session(sessions):
    client = start(sessions)
    watcher = watchers()[client.keeper]
    os.kill(watcher, signal.SIGTERM)  # as when a service is stopped: it waits for the keeper
    wait_for(lambda: not pending_signals(watcher))
    assert runs(watcher)
    client.ask("terminate")
    wait_for(lambda: not runs(client.keeper) and not runs(watcher))


def test_without_its_watcher_a_session_goes_on_and_the_worker_looks_after_itself(sessions):
    client = start(sessions)
    os.kill(watchers()[client.keeper], signal.SIGKILL)
    assert client.run("a", "print('here')")[0] == "here\n"
    busy(client, BUSY["loop"])
    end_keeper(client)


def test_where_there_is_no_shell_it_works_too(sessions, monkeypatch):
    from rpyc_kernel.agent.keeper.worker import reaper

    monkeypatch.setattr(reaper, "SHELL", "/no/such/shell")
    made = reaper.Reaper()
    made.close()
