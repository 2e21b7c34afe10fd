"""Many sessions on several servers of one machine, while links are cut and processes killed: nothing is mixed up."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.faults.clock import Clock
from tests.faults.cuts import Figures, one_session
from tests.servers.rpyc_servers import Server, start_server
from tests.servers.sessions import Session

START_S = 120.0  # for all sessions to begin
PAUSE_S = 0.5  # between two kills, in which sessions come back
OWN_CELLS = 1_000_000  # the cells of one session have numbers that those of no other have


class _Stage:
    """When all sessions have begun, and until when they go on."""

    def __init__(self, sessions: int) -> None:
        self.over = threading.Event()
        self._all = threading.Barrier(sessions + 1)
        self._begun = threading.local()

    def wait(self) -> None:
        self._all.wait(START_S)

    def goes_on(self) -> bool:
        if not hasattr(self._begun, "done"):  # its first call, on the thread of its session
            self._begun.done = True
            self.wait()
        return not self.over.is_set()

    def fail(self) -> None:
        self.over.set()
        self._all.abort()


def test_sessions_on_servers_with_cuts_and_kills_among_them(clock: Clock, seed: int) -> None:
    """Each session gets what is its own, once and in order; a killed worker loses its own variables, and no other's."""
    servers, sessions, cuts, kills = (10, 50, 40, 30) if clock.is_full else (2, 6, 6, 2)
    stage = _Stage(sessions + servers)
    with ExitStack() as stack:
        running = [stack.enter_context(start_server()) for _ in range(servers)]
        threads = stack.enter_context(ThreadPoolExecutor(sessions + servers))
        parts = [
            threads.submit(
                one_session, running[each % servers].port, cuts, f"{seed}.{each}",
                first=each * OWN_CELLS, more=stage.goes_on,
            )
            for each in range(sessions)
        ]  # fmt: skip
        killed = [threads.submit(_kill_workers, each.address, number, stage) for number, each in enumerate(running)]
        try:
            stage.wait()
            _kill_servers(running, kills, random.Random(seed), stack)
        finally:
            stage.fail()
        figures = Figures(seed)
        for part in parts:
            figures.add(part.result())
        deaths = sum(each.result() for each in killed)
    print(figures, f"{kills} servers and {deaths} workers killed", sep="\n")
    assert not figures.wrong, str(figures)
    assert figures.cuts >= cuts * sessions
    assert deaths >= servers


def _kill_servers(running: list[Server], kills: int, rng: random.Random, stack: ExitStack) -> None:
    """Kill servers and start them again where they were, while the sessions work."""
    for kill in range(kills):
        number = kill % len(running) if kill < len(running) else rng.randrange(len(running))
        running[number].kill()
        running[number] = stack.enter_context(start_server(port=running[number].port))
        time.sleep(PAUSE_S)  # the fault is that they come one after the other


def _kill_workers(address: str, number: int, stage: _Stage) -> int:
    """Kill the Python of a session again and again; each knows nothing of the one before. Returns how many."""
    deaths = 0
    with Session(address) as session:
        while stage.goes_on() or not deaths:
            assert session.run(f"kept = {number}\nkept")[0] == str(number)
            _text, reply = session.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
            assert reply["status"] == "error", reply
            _text, reply = session.run("kept")
            assert reply.get("ename") == "NameError", reply
            deaths += 1
    return deaths
