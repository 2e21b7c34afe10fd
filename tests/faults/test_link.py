"""The link under a running cell breaks in every way: the cell shows what it shows without, once and in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.cuts import lives
from tests.faults.notebooks import Notebook, counting
from tests.faults.proxy import FIN, RST, How, Proxy
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def survives(notebook: Notebook, proxy: Proxy, remote: Remote) -> Callable[..., Request]:
    """`Notebook.survives` through the proxy."""

    def run(code: str, fault: Callable[[Request], None], **kw: float) -> Request:
        return notebook.survives(proxy.address, remote.address, code, fault, **kw)

    return run


def told_once(cell: Request, address: str) -> None:
    """One quiet line, updated in place."""
    kinds = [kind for kind, _text in link_lines(cell)]
    assert kinds[:1] == ["display_data"]
    assert set(kinds[1:]) == {"update_display_data"}
    texts = [text for _kind, text in link_lines(cell)]
    assert texts[0] == f"link to {address} lost, reconnecting…"
    assert texts[-1] == f"link to {address} was lost, and is back"


@pytest.mark.parametrize("how", [RST, FIN])
def test_a_cut(survives: Callable[..., Request], clock: Clock, proxy: Proxy, how: How) -> None:
    cell = survives(counting(60, pause=clock(1)), lambda _cell: proxy.cut(how))
    told_once(cell, proxy.address)


def test_a_blackhole(survives: Callable[..., Request], clock: Clock, proxy: Proxy, notebook: Notebook) -> None:
    """Nothing is lost of what was on its way, and the deadline notices: TCP itself would take a quarter of an hour."""

    def fault(cell: Request) -> None:
        proxy.blackhole()
        notebook.client.wait_for(lambda: link_lines(cell), clock.patience(15), "the line about the link")
        clock.sleep(5)
        proxy.heal()

    cell = survives(counting(60, pause=clock(1)), fault)
    told_once(cell, proxy.address)


def test_a_press_on_a_link_of_which_nobody_knows_yet_that_it_is_silent(notebook: Notebook, proxy: Proxy) -> None:
    """It is kept like a later one: the cell waits a moment for the link, and is stopped there when that is back."""
    client = notebook.client
    client.good(f"%connect {proxy.address} --new")
    cell = client.start("import time\nprint('on', flush=True)\ntime.sleep(3600)")
    client.wait_output(cell, "on\n")
    proxy.blackhole()
    client.interrupt()
    client.finish(cell)
    assert "You stopped waiting for" in str(cell.error), cell.error
    assert "press stop again to wait no longer" in link_lines(cell)[-1][1]
    proxy.heal()
    assert client.good("6 * 7").text == "42"


def test_a_stall_of_40_seconds(survives: Callable[..., Request], clock: Clock, proxy: Proxy) -> None:
    cell = survives(counting(60, pause=clock(1)), lambda _cell: proxy.stall(clock(40)), seconds=80)
    told_once(cell, proxy.address)


def test_a_server_that_refuses_for_20_seconds(survives: Callable[..., Request], clock: Clock, proxy: Proxy) -> None:
    cell = survives(counting(60, pause=clock(1)), lambda _cell: proxy.refuse(clock(20)), seconds=80)
    told_once(cell, proxy.address)


def test_one_byte_at_a_time(survives: Callable[..., Request], clock: Clock, proxy: Proxy) -> None:
    proxy.bytewise = True
    survives(counting(clock.number(1000), every=20, together=10), lambda _cell: None, seconds=200)


def test_cuts_at_random_bytes(survives: Callable[..., Request], clock: Clock, proxy: Proxy, rng: random.Random) -> None:
    cuts = clock.number(100)

    def fault(_cell: Request) -> None:
        proxy.lives = lives(rng, cuts, lambda: proxy.cuts >= cuts)
        proxy.cut()

    survives(counting(clock.number(20_000), every=100, together=20, pause=clock(0.2)), fault, seconds=200)
    assert proxy.cuts > 1


def test_fifty_cuts_in_a_cell_of_many_lines(
    survives: Callable[..., Request],
    clock: Clock,
    proxy: Proxy,
    notebook: Notebook,
    remote: Remote,
    rng: random.Random,
    tmp_path: Path,
) -> None:
    """Each once some more has come, while the cell goes on printing."""
    lines, needed, cuts, shows = clock.number(50_000), 50, 54, 270  # it may end before the last ones
    made = tmp_path / "cuts"  # has a byte for each; the cell gets no more than two parts ahead of them
    wait = f"while os.path.getsize({str(made)!r}) + 2 < i // {lines // cuts}: time.sleep(0.001)"
    code = counting(lines, every=lines // shows, together=20, pause=clock(0.1), also=wait)
    made.write_bytes(bytes(cuts))
    notebook.undisturbed(remote.address, code)
    made.write_bytes(b"")

    def fault(cell: Request) -> None:
        for number in range(cuts):
            wanted = max(len(cell.displays) + 1, number * shows // cuts)
            notebook.client.wait_for(lambda wanted=wanted: len(cell.displays) >= wanted or cell.done, what="more")
            if cell.done:
                assert number >= needed, f"the cell had ended before cut {number}"
                break
            wait_until(lambda: proxy.connections)
            proxy.cut(rng.choice([RST, FIN]))
            made.write_bytes(bytes(number + 1))

    cell = survives(code, fault, seconds=200)
    assert proxy.cuts >= needed
    told_once(cell, proxy.address)
