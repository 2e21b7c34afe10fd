"""`rpyc_kernel.pool`: functions of this script on two stock servers, one at a time in each session."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, as_completed
from contextlib import ExitStack
from functools import partial

import pytest

import rpyc_kernel
from rpyc_kernel.errors import ArgumentError, DialError, RemoteClosedError, ValueRefusedError
from rpyc_kernel.live.pool import Pool
from tests.kernel.remotes import wait_until
from tests.servers.rpyc_servers import Server, free_port, start_server

TIMEOUT_S = 60.0  # against hanging


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(start_server()) for _number in range(2)]


@pytest.fixture(scope="module")
def pool(servers: list[Server]) -> Iterator[Pool]:
    with rpyc_kernel.pool(*(server.address for server in servers)) as pool:
        yield pool


def square(number):
    return number * number


def whose(_number, seconds):
    import os
    import time

    time.sleep(seconds)  # the work of this task
    return os.getpid()


def fail(text, kind="ValueError"):
    import builtins

    raise getattr(builtins, kind)(text)


def opens():
    import tempfile

    return tempfile.TemporaryFile()


def test_what_an_executor_does(pool: Pool) -> None:
    assert list(pool.map(square, range(20), timeout=TIMEOUT_S)) == [number * number for number in range(20)]
    assert pool.submit(dict, a=1).result(TIMEOUT_S) == {"a": 1}
    assert {future.result() for future in as_completed(pool.submit(square, n) for n in (2, 3))} == {4, 9}
    assert pool.submit(os.path.join, "a", "b").result(TIMEOUT_S) == "a/b"
    assert pool.submit(platform.node).result(TIMEOUT_S) == platform.node()
    assert pool.submit(partial(partial(pow, 2, mod=7), 5)).result(TIMEOUT_S) == 4
    assert pool.submit(partial(square, 3)).result(TIMEOUT_S) == 9


def test_all_machines_work_at_once(pool: Pool) -> None:
    used = set(pool.map(whose, range(4), [0.3] * 4, timeout=TIMEOUT_S))
    assert len(used) == 2
    assert os.getpid() not in used


def test_what_goes_wrong_is_the_futures(pool: Pool) -> None:
    error = pool.submit(fail, "too hot").exception(TIMEOUT_S)
    assert isinstance(error, ValueError)
    assert "too hot" in str(error)
    with pytest.raises(ValueRefusedError, match="lock"):
        pool.submit(square, threading.Lock()).result(TIMEOUT_S)
    with pytest.raises(ValueRefusedError, match=r"^test_what_goes_wrong.*lambda"):
        pool.submit(lambda: 5).result(TIMEOUT_S)
    for made, place in (("(n for n in [1])", ""), ("[0, {2: iter([])}]", r"\[1\]\[2\]")):
        with pytest.raises(ValueRefusedError, match=rf"^The result{place} of eval is of the type .*, of which"):
            pool.submit(eval, made).result(TIMEOUT_S)
    with pytest.raises(ValueRefusedError, match=r"^The result of opens is of the type _io\."):
        pool.submit(opens).result(TIMEOUT_S)
    with pytest.raises(ValueRefusedError, match=r"^argument 2\[0\] of square is of the type _thread\.lock"):
        pool.submit(square, 1, [threading.Lock()]).result(TIMEOUT_S)
    with pytest.raises(ValueRefusedError, match=r"^argument number of square is of the type _thread\.lock"):
        pool.submit(square, number=threading.Lock()).result(TIMEOUT_S)
    with pytest.raises(TypeError, match=r"^the value is too large"):
        pool.submit(fail, "the value is too large", "TypeError").result(TIMEOUT_S)
    assert pool.submit(square, 3).result(TIMEOUT_S) == 9


def test_a_task_whose_python_dies_fails_and_is_not_run_again(servers: list[Server], tmp_path) -> None:
    def die(path):
        with __import__("io").open(path, "a") as file:
            file.write("run\n")
        __import__("os").kill(__import__("os").getpid(), 9)

    with rpyc_kernel.pool(servers[0].address) as pool:
        with pytest.raises(RemoteClosedError, match="SIGKILL"):
            pool.submit(die, str(tmp_path / "runs")).result(TIMEOUT_S)
        assert pool.submit(square, 4).result(TIMEOUT_S) == 16
    assert (tmp_path / "runs").read_text() == "run\n"


def test_the_end(servers: list[Server]) -> None:
    pool = rpyc_kernel.pool(servers[0].address)
    running = pool.submit(whose, 1, 0.5)
    waiting = pool.submit(square, 2)
    wait_until(running.running, TIMEOUT_S)
    pool.shutdown(cancel_futures=True)
    assert running.result(0)
    with pytest.raises(CancelledError):
        waiting.result(0)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(square, 2)
    pool.shutdown()


def test_several_sessions_on_one_machine(servers: list[Server]) -> None:
    with rpyc_kernel.pool(servers[0].address, workers=3) as pool:
        assert len(set(pool.map(whose, range(3), [0.5] * 3, timeout=TIMEOUT_S))) == 3


def test_a_machine_that_cannot_be_reached_is_told_at_once_and_nothing_stays(servers: list[Server]) -> None:
    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(DialError):
        rpyc_kernel.pool(servers[0].address, f"127.0.0.1:{free_port()}")
    assert time.monotonic() - started < TIMEOUT_S
    wait_until(lambda: threading.active_count() <= before, TIMEOUT_S)
    with pytest.raises(ArgumentError, match="needs machines"):
        rpyc_kernel.pool()
    with pytest.raises(ArgumentError, match="at least one worker"):
        rpyc_kernel.pool("pi", workers=0)
