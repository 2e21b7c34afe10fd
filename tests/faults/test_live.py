"""Live connections under faults: a cut is invisible to a netref, and what is really gone says so and never hangs."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import rpyc

import rpyc_kernel
from rpyc_kernel.errors import LinkLost, RemoteClosedError, ServerClosedError, SessionGoneError, TakenOverError
from rpyc_kernel.link import listing
from rpyc_kernel.link.link import Link
from rpyc_kernel.live.remote import Remote as Live
from rpyc_kernel.transport.address import Address
from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.cuts import lives
from tests.faults.notebooks import Notebook
from tests.faults.proxy import FIN, RST, How, Proxy
from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.remotes import Remote, wait_until
from tests.servers.shortcuts import shorten

FOREVER = 3600.0
HANGS = 60.0  # seconds, after which something that has to end hasn't


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def live(proxy: Proxy, clock: Clock) -> Iterator[Live]:
    """A script's connection, through the proxy, with a shortcut, which is cut along with the link."""
    connection = rpyc_kernel.connect(proxy.address, heartbeat=clock.heartbeat)
    shorten(connection)
    yield connection
    proxy.refuse(0)
    connection.close()


@pytest.fixture
def gate(tmp_path: Any) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.open()


@pytest.fixture
def later() -> Iterator[Callable[..., Future[Any]]]:
    """Does something on a thread."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def began(connection: Live, gate: Gate) -> Callable[[], bool]:
    """Defines `wait`, which tells that it has begun and waits for the gate; whether it has begun."""
    mark = gate.path.with_name("began")
    body = "\n".join(f"    {line}" for line in gate.wait.splitlines())
    connection.execute(f"def wait():\n    open({str(mark)!r}, 'w').close()\n{body}\n    return 'waited'")
    return mark.exists


def session_of(connection: Live) -> str:
    """The id of its session."""
    return connection._channel._link.session


def known(remote: Remote) -> dict[str, listing.SessionEntry]:
    """The sessions on a machine."""
    return {entry.session: entry for entry in listing.sessions(Address.parse(remote.address))}


# --- cuts


def test_calls_across_random_cuts_are_done_once_each_and_in_order(
    live: Live, proxy: Proxy, clock: Clock, rng: random.Random
) -> None:
    live.execute("calls = []\ndef call(n, function):\n    calls.append(n)\n    return function(n) + 1")
    call, heard = live.namespace["call"], []

    def function(n: int) -> int:
        heard.append(n)
        return 2 * n

    cuts = clock.number(1000, 40)
    proxy.lives = lives(rng, cuts, lambda: proxy.cuts >= cuts)
    proxy.cut()
    number = 0
    while proxy.cuts < cuts:
        assert call(number, function) == 2 * number + 1
        number += 1
    proxy.lives = None
    assert live.value("calls") == heard == list(range(number))


def test_large_values_across_cuts(live: Live, proxy: Proxy, rng: random.Random) -> None:
    proxy.lives = lives(rng, 10, lambda: proxy.cuts >= 10)
    proxy.cut()
    data = rng.randbytes(2_000_000)

    def in_the_end(work: Callable[[], object]) -> object:
        """Whose connections are cut `MAX_VAIN_TRIES` times in a row, before they have carried anything, is told so."""
        while proxy.cuts < 10:
            try:
                return work()
            except (LinkLost, ServerClosedError):  # the latter where the last was cut before the server's first word
                pass
        return work()

    in_the_end(lambda: live.namespace.__setitem__("data", data))
    assert live.eval("data") == data
    assert in_the_end(lambda: live.value("data")) == data


@pytest.mark.parametrize("how", [RST, FIN])
def test_a_cut_in_the_middle_of_a_call(
    live: Live, proxy: Proxy, gate: Gate, later: Callable[..., Future[Any]], how: How
) -> None:
    has_begun = began(live, gate)
    result = later(live.namespace["wait"])
    assert wait_until(has_begun)
    proxy.cut(how)
    gate.open()
    assert result.result(HANGS) == "waited"


def test_a_callback_reaches_this_side_across_an_outage(
    live: Live, proxy: Proxy, clock: Clock, gate: Gate, later: Callable[..., Future[Any]]
) -> None:
    has_begun = began(live, gate)
    live.execute("def wait_and_call(function):\n    wait()\n    return function('from there')")
    result = later(live.namespace["wait_and_call"], str.upper)
    assert wait_until(has_begun)
    proxy.refuse(clock(20))
    gate.open()
    assert result.result(clock.patience(40)) == "FROM THERE"


def test_an_object_outlives_cuts_with_its_identity(live: Live, proxy: Proxy) -> None:
    live.execute("thing = {'a': 1}")
    thing = live.namespace["thing"]
    for number in range(3):
        proxy.cut()
        thing[number] = number
        assert live.namespace["thing"] is thing
    assert live.value("thing") == {"a": 1, 0: 0, 1: 1, 2: 2}


def test_events_across_a_cut(live: Live, proxy: Proxy, gate: Gate) -> None:
    began(live, gate)
    live.execute(
        "import threading\ndef start(on_event):\n"
        "    def run():\n        on_event('before')\n        wait()\n        on_event('after')\n"
        "    threading.Thread(target=run, daemon=True).start()"
    )
    seen: list[str] = []
    serving = rpyc.BgServingThread(live)
    try:
        live.namespace["start"](seen.append)
        assert wait_until(lambda: seen == ["before"])
        proxy.cut()
        gate.open()
        assert wait_until(lambda: seen == ["before", "after"], HANGS), seen
    finally:
        serving.stop()


def test_a_call_of_50_seconds(live: Live, clock: Clock) -> None:
    """Much longer than the time without an answer after which a link counts as lost."""
    assert live.modules.time.sleep(clock(50)) is None
    assert live.eval("6 * 7") == 42


# --- what isn't there any more, or not now


def test_the_time_of_a_call_counts_while_the_link_is_lost(live: Live, proxy: Proxy) -> None:
    live.execute("done = []")
    proxy.refuse(FOREVER)
    live._config["sync_request_timeout"] = 1.0
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="did not answer within 1 s"):
        live.execute("done.append(1)")
    assert time.monotonic() - started < 10
    live._config["sync_request_timeout"] = HANGS
    proxy.refuse(0)
    assert live.value("done") == [1], "it was sent, and happens when the link is back"


def test_closing_while_the_link_is_lost_does_not_hang(proxy: Proxy, clock: Clock, remote: Remote) -> None:
    connection = rpyc_kernel.connect(proxy.address, heartbeat=clock.heartbeat, keep=0)
    proxy.refuse(FOREVER)
    started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < clock.patience(15)
    with pytest.raises(RemoteClosedError):
        connection.ping()
    proxy.refuse(0)
    assert wait_until(lambda: session_of(connection) not in known(remote))


def test_a_session_that_is_ended_by_hand(
    live: Live, remote: Remote, gate: Gate, later: Callable[..., Future[Any]]
) -> None:
    has_begun = began(live, gate)
    result = later(live.namespace["wait"])
    assert wait_until(has_begun)
    listing.end(Address.parse(remote.address), known(remote)[session_of(live)])
    for _ in range(2):
        with pytest.raises(SessionGoneError, match="is gone"):
            result.result(HANGS)
        result = later(live.ping)
    assert live.closed


def test_a_session_that_is_taken_over(
    live: Live, remote: Remote, gate: Gate, later: Callable[..., Future[Any]]
) -> None:
    has_begun = began(live, gate)
    result = later(live.namespace["wait"])
    assert wait_until(has_begun)
    other = Link(
        Address.parse(remote.address), lambda _message, _backlog: None, lambda _status, _error: None,
        session=session_of(live), holder="somebody",
    )  # fmt: skip
    other.open({}, threading.Event(), attach=True)
    try:
        for _ in range(2):
            with pytest.raises(TakenOverError, match="by somebody"):
                result.result(HANGS)
            result = later(live.ping)
    finally:
        other.close(end=True)


def test_a_keeper_that_is_killed(live: Live, gate: Gate, later: Callable[..., Future[Any]]) -> None:
    has_begun = began(live, gate)
    keeper = live.modules.os.getppid()
    result = later(live.namespace["wait"])
    assert wait_until(has_begun)
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(SessionGoneError):
        result.result(HANGS)


# --- in a notebook


@pytest.fixture
def client(notebook: Notebook, proxy: Proxy) -> Client:
    notebook.client.good(f"%connect {proxy.address} --new\nimport time\nkept = [1]")
    return notebook.client


def test_a_local_cell_says_in_its_quiet_line_that_it_waits(client: Client, proxy: Proxy, gate: Gate) -> None:
    mark = gate.path.with_name("began")
    client.good(f"def wait():\n    open({str(mark)!r}, 'w').close()\n" + "".join(
        f"    {line}\n" for line in gate.wait.splitlines()) + "    return 'waited'")  # fmt: skip
    cell = client.start("%%local\nremote.namespace['wait']()")
    assert wait_until(mark.exists)
    proxy.refuse(FOREVER)
    client.wait_for(lambda: link_lines(cell), what="the line about the link")
    proxy.refuse(0)
    gate.open()
    client.finish(cell)
    assert cell.text == "'waited'"
    assert [text for _kind, text in link_lines(cell)] == [
        f"link to {proxy.address} lost, reconnecting…", f"link to {proxy.address} was lost, and is back"
    ]  # fmt: skip


def test_stop_while_the_link_is_lost_and_the_next_use_works(client: Client, proxy: Proxy) -> None:
    cell = client.start("%%local\nprint('on')\nremote.modules.time.sleep(600)")
    client.wait_output(cell, "on\n")
    proxy.refuse(FOREVER)
    client.wait_for(lambda: link_lines(cell), what="the line about the link")
    assert client.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    proxy.refuse(0)
    assert client.good("%%local\nremote.value('kept')").text == "[1]"


def test_taken_over_from_a_notebook_and_taken_back(client: Client, notebook: Notebook, remote: Remote) -> None:
    client.good("%connect " + remote.address + " --new --name walk\nkept = [1]")
    client.good("%%local\nkept = remote.namespace['kept']\nkept.append(2)")
    notebook.prepare_another()
    assert notebook._other is not None
    notebook._other.first.good(f"%attach walk {remote.address}\nkept.append(3)")
    cell = client.run("%%local\nkept.append(4)")
    assert cell.error is not None
    assert cell.error["ename"] == "TakenOverError"
    client.good(f"%attach walk {remote.address}")
    assert client.good("%%local\nremote.value('kept')").text == "[1, 2, 3]"
    client.good("%disconnect --end")
