"""Large messages on a bad link: slow, cut in their midst, and with a stop button that is pressed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.notebooks import Notebook
from tests.faults.proxy import FIN, RST, How, Proxy
from tests.kernel.client import Client
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

SHOW = "def show(size): display({'text/html': 'x' * (size - 1) + 'y'}, raw=True)"


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def client(notebook: Notebook, proxy: Proxy) -> Client:
    """Of a notebook that is connected through the proxy."""
    notebook.client.good(f"%connect {proxy.address} --new")
    notebook.client.good(SHOW)
    return notebook.client


def shown(cell: Request) -> list[str]:
    return [
        each.content["data"]["text/html"] for each in cell.of("display_data") if "text/html" in each.content["data"]
    ]


@pytest.mark.parametrize(("size", "rate"), [(20 << 20, 1e6), pytest.param(10 << 20, 0.25e6, marks=pytest.mark.soak)])
def test_a_slow_link(client: Client, proxy: Proxy, clock: Clock, size: int, rate: float) -> None:
    """It takes longer than the deadline, and the link isn't lost; a thread's lines come meanwhile."""
    proxy.rate = rate
    size = clock.number(size, 4 << 20)
    client.good(
        "import threading, time\ndone = threading.Event()\n"
        f"def tick():\n    while not done.wait({clock(1)}): print('tick')\n"
    )
    cell = client.start(f"threading.Thread(target=tick).start()\nshow({size})\ndone.set()")
    patience = clock.patience(size / rate + 60)
    client.finish(cell, patience)
    assert [(len(each), each[-1]) for each in shown(cell)] == [(size, "y")]
    assert not link_lines(cell)
    (display,) = cell.of("display_data")
    before = [each for each in cell.messages[: cell.messages.index(display)] if each.kind == "stream"]
    assert len("".join(each.content["text"] for each in before).splitlines()) >= 2, "a line waits for a piece at most"
    request = client.good(f"len({'z' * (size // 2)!r})", patience)
    assert request.text == str(size // 2)
    assert not link_lines(request)


def test_a_stop_gets_through(client: Client, proxy: Proxy, clock: Clock) -> None:
    """The message is given up in its midst, and the next cell doesn't wait for the rest of it."""
    proxy.rate = 1e6
    cell = client.start("print('begun')\nshow(100_000_000)")
    client.wait_output(cell, "begun")
    before = proxy.down
    client.wait_for(lambda: proxy.down > before + 500_000, what="a part of it")
    client.send("control", "interrupt_request", {})
    client.finish(cell, 30)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert client.good("1 + 1").text == "2"
    assert proxy.down < before + 20_000_000


def test_a_stop_while_a_large_cell_is_sent(client: Client, proxy: Proxy) -> None:
    """The rest of it isn't sent, and it doesn't run."""
    client.good("ran = False")
    proxy.rate = 0.5e6
    before = proxy.up
    cell = client.start(f"text = {'z' * 8_000_000!r}\nran = True")
    client.wait_for(lambda: proxy.up > before + 500_000, what="a part of it")
    client.send("control", "interrupt_request", {})
    client.finish(cell, 20)
    assert cell.error is not None
    assert "It has not run." in cell.error["evalue"]
    assert client.good("ran").text == "False"
    assert proxy.up < before + 6_000_000
    assert client.good(f"len({'z' * 1_000_000!r})").text == "1000000"


@pytest.mark.parametrize("how", [RST, FIN])
def test_a_cut_in_the_midst(client: Client, proxy: Proxy, how: How) -> None:
    """It goes on where it was, once, in either direction: no part is sent more than once too often."""
    proxy.rate = 8e6
    size = 6_000_000
    before = proxy.down
    cell = client.start(f"print('begun')\nshow({size})\nprint('ended')")
    for share in (4, 2):
        client.wait_for(lambda share=share: proxy.down > before + size // share, what="a part of it")  # type: ignore[misc]
        proxy.cut(how)
    client.finish(cell, 60)
    assert [len(each) for each in shown(cell)] == [size]
    assert cell.stdout == "begun\nended\n"
    assert proxy.down < before + size + 4_000_000
    before = proxy.up
    cell = client.start(f"text = {'z' * size!r}\nran = len(text)\nprint(ran)")
    for share in (4, 2):
        client.wait_for(lambda share=share: proxy.up > before + size // share, what="a part of it")  # type: ignore[misc]
        proxy.cut(how)
    client.finish(cell, 60)
    assert cell.stdout == f"{size}\n"
    assert proxy.up < before + size + 4_000_000


def test_another_notebook_takes_over_in_the_midst(notebook: Notebook, client: Client, proxy: Proxy) -> None:
    """Whoever has not got the beginning is told what is missing; what follows is there."""
    proxy.rate = 2e6
    name = f"large{proxy.port}"
    client.good(f"%connect {proxy.address} --new --name {name}")
    client.good(SHOW)
    before = proxy.down
    client.start("show(20_000_000)\nprint('ended')")
    client.wait_for(lambda: proxy.down > before + 3_000_000, what="a part of it")
    notebook.prepare_another()
    assert notebook._other is not None
    other = notebook._other.first
    proxy.rate = 0.0
    cell = other.good(f"%attach {name} {proxy.address}", 60)
    assert not shown(cell)
    assert "nothing is shown here: a message of 20,000," in cell.stderr
    assert "ended" in cell.stdout
    assert other.good("1 + 1").text == "2"
    other.good("%disconnect --end")


def test_nobody_is_connected(notebook: Notebook, client: Client, proxy: Proxy, remote: Remote, tmp_path: Path) -> None:
    """What memory has no room for lies on the disk, in parts too; whoever attaches gets it whole."""
    name = f"away{proxy.port}"
    client.good(f"%connect {proxy.address} --new --name {name}")
    client.good(SHOW)
    notebook.prepare_another()
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    cell = client.start(f"print('begun')\n{wait}\nshow(40_000_000)\nprint('ended')")
    client.wait_output(cell, "begun")
    proxy.refuse(60)
    gate.touch()

    def waiting() -> bool:
        found = [each for each in listing.sessions(Address.parse(remote.address)) if each.name == name]
        return (found[0].unread_bytes or 0) > 40_000_000 and not found[0].busy

    assert wait_until(waiting, 60), "it isn't held back"
    assert notebook._other is not None
    other = notebook._other.first
    cell = other.good(f"%attach {name} {remote.address}", 60)
    proxy.refuse(0)
    assert [(len(each), each[-1]) for each in shown(cell)] == [(40_000_000, "y")]
    assert cell.stdout.endswith("ended\n")
    other.good("%disconnect --end")
