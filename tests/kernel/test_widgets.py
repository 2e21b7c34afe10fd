"""Widgets beside what a notebook goes through: cells that run, machines that change, links and Pythons that end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Comm, Request

pytestmark = pytest.mark.parametrize("remote", ["ipython"], indirect=True)

DEAD = "jupyter-widgets-disconnected"
SLIDER = (
    "import time, ipywidgets\ncalls = []\ns = ipywidgets.IntSlider(value=3)\n"
    "s.observe(lambda change: calls.append((change.new, time.time())), 'value')"
)


def newest(nb: Client, model: str = "IntSliderModel") -> Comm:
    return [comm for comm in nb.comms.values() if comm.state.get("_model_name") == model][-1]


def made(nb: Client, code: str, model: str = "IntSliderModel") -> Comm:
    """Run a cell, and return the widget of that kind that it has made last."""
    nb.good(code, timeout=60)
    return newest(nb, model)


def move(nb: Client, slider: Comm, value: int, **more: Any) -> Request:
    """Move a slider, and don't wait."""
    data = {"method": "update", "state": {"value": value}, "buffer_paths": [], **more}
    return nb.send("shell", "comm_msg", {"comm_id": slider.id, "data": data})


def click(nb: Client, button: Comm) -> Request:
    data = {"method": "custom", "content": {"event": "click"}}
    return nb.send("shell", "comm_msg", {"comm_id": button.id, "data": data})


def handled(nb: Client, *requests: Request) -> None:
    nb.wait_for(lambda: all(each.idle_at is not None for each in requests), what="the end of what a widget sent")


def states(nb: Client) -> Request:
    """Ask for all widgets as a page does that has just been loaded."""
    control = uuid.uuid4().hex
    opening = {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}}
    nb.send("shell", "comm_open", opening, metadata={"version": "1.0.0"})
    asked = nb.comm_send(control, {"method": "request_states"})
    nb.comm_close(control)
    return asked


def test_a_slider_is_heard_in_time_and_a_flood_of_it_is_one_call(nb: Client, gate: Gate) -> None:
    slider = made(nb, SLIDER + "\nb = ipywidgets.Button()\nb.on_click(lambda b: calls.append('click'))")
    button = newest(nb, "ButtonModel")
    cell = nb.start(f"async def wait():\n{gate.wait_async}\nprint('ready'); await wait()")
    nb.wait_output(cell, "ready")
    sent = []
    for value in range(10, 30):
        sent.append(time.time())
        handled(nb, move(nb, slider, value))
    gate.open()
    nb.finish(cell)
    got = eval(nb.good("calls").text or "")
    assert [value for value, _at in got] == list(range(10, 30))
    delays = sorted(at - then for (_value, at), then in zip(got, sent, strict=True))
    print("a moved slider reached Python in", delays[10], "s")
    assert delays[0] < 1

    held = Gate(gate.path.parent)
    nb.good("calls.clear()")
    cell = nb.start(f"print('ready')\n{held.wait}")
    nb.wait_output(cell, "ready")
    moves = [move(nb, slider, 30 + n) for n in range(500)]
    moves += [click(nb, button), click(nb, button)]
    moves += [move(nb, slider, 50 - n % 3) for n in range(500)]
    last = nb.start("[each if each == 'click' else each[0] for each in calls]")
    nb.wait_for(lambda: sum(each.idle_at is None for each in moves) <= 6, what="that all has come to the kernel")
    held.open()
    handled(nb, *moves)
    calls = eval(nb.finish(last).text or "")
    assert calls.count("click") == 2, calls
    assert calls[-1] == 50 - 499 % 3
    assert len(calls) <= 7, calls  # two around each of the clicks, and at most one that was under way
    assert nb.comm_send(slider.id, {"method": "request_state"}).of("comm_msg")[0].content["data"]["state"]["value"] == (
        50 - 499 % 3
    )


def test_large_buffers_go_both_ways(nb: Client) -> None:
    """FileUpload: what the page sends is 8 MB beside the JSON; Image: what it gets."""
    upload = made(nb, "import ipywidgets, hashlib\nu = ipywidgets.FileUpload()", "FileUploadModel")
    file = bytes(range(256)) * (8 << 12)
    entry = {"name": "a.bin", "type": "", "size": len(file), "last_modified": 0}
    state = {"value": [entry], "_counter": 1}
    nb.comm_send(upload.id, {"method": "update", "state": state, "buffer_paths": [["value", 0, "content"]]}, [file])
    assert nb.good("bytes(u.value[0].content) == bytes(range(256)) * (8 << 12)").text == "True"
    image = made(nb, "i = ipywidgets.Image(value=bytes(u.value[0].content))", "ImageModel")
    assert image.received[0].buffers == [file]
    assert image.received[0].content["data"]["buffer_paths"] == [["value"]]


def test_widgets_of_two_machines_and_of_this_one_live_side_by_side(
    new_kernel: Callable[..., Kernel], remote: Remote, gate: Gate
) -> None:
    """A page that is reloaded asks once, and gets all."""
    nb = new_kernel().first
    with Remote("ipython") as second:
        connect(nb, remote)
        first = made(nb, "import ipywidgets\ns = ipywidgets.IntSlider(value=1)\ni = ipywidgets.Image(value=b'picture')")
        connect(nb, second)
        other = made(nb, "import ipywidgets\ns = ipywidgets.IntSlider(value=2)")
        local = made(nb, "%%local\nimport ipywidgets\ns = ipywidgets.IntSlider(value=3)")
        for slider in (first, other, local):
            move(nb, slider, 50 + slider.state["value"])
        assert nb.good("%%local\ns.value").text == "53"
        assert nb.good("s.value").text == "52"
        assert {first.id, other.id, local.id} <= set(nb.comm_info("jupyter.widget"))
        (answer,) = states(nb).of("comm_msg")
        assert answer.content["data"]["method"] == "update_states"
        found = answer.content["data"]["states"]
        assert [found[each.id]["state"]["value"] for each in (first, other, local)] == [51, 52, 53]
        image = newest(nb, "ImageModel").id
        assert answer.content["data"]["buffer_paths"] == [[image, "state", "value"]]
        assert answer.buffers == [b"picture"]

        cell = nb.start(f"print('ready')\n{gate.wait}")  # the page then asks each widget, and waits for the cell
        nb.wait_output(cell, "ready")
        assert [each.kind for each in states(nb).messages] == ["comm_close"]
        asked = nb.send("shell", "comm_msg", {"comm_id": other.id, "data": {"method": "request_state"}})
        gate.open()
        handled(nb, asked)
        assert asked.of("comm_msg")[0].content["data"]["state"]["value"] == 52

        nb.good("%disconnect")
        left = move(nb, other, 60)
        again = move(nb, other, 61)
        handled(nb, left, again)
        assert left.stderr.startswith(f"This widget belongs to a session on {second.address} that this notebook has")
        assert again.stderr == ""
        handled(nb, move(nb, first, 70))
        connect(nb, second)
        handled(nb, move(nb, other, 62))
        assert nb.good("s.value").text == "62"
        connect(nb, remote)
        assert nb.good("s.value").text == "70"


def test_a_session_that_is_taken_over_brings_its_widgets(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    nb, after = new_kernel().first, new_kernel().first
    connect(nb, remote, "--name", "w")
    slider = made(nb, "import ipywidgets\ns = ipywidgets.IntSlider(value=7)\ni = ipywidgets.Image(value=b'picture')")
    picture = newest(nb, "ImageModel")
    nb.good("1")
    after.good(f"%attach w {remote.address}")
    after.wait_for(lambda: {slider.id, picture.id} <= set(after.comms), what="the widgets of the session")
    assert after.comms[slider.id].state == slider.state
    assert after.comms[picture.id].received[0].buffers == [b"picture"]
    assert after.comms[picture.id].received[0].content["data"]["buffer_paths"] == [["value"]]
    assert after.comms[picture.id].received[0].metadata["version"].startswith("2.")
    assert slider.id in after.comm_info()
    handled(after, move(after, slider, 8))
    assert after.good("s.value").text == "8"
    after.good("s.value = 9")
    assert after.comms[slider.id].state["value"] == 9
    nb.wait_for(lambda: DEAD in slider.state["_dom_classes"], what="the mark of a widget that was taken over")
    assert nb.comm_info() == {}


def test_the_widgets_of_a_python_that_died_are_marked(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    nb = new_kernel().first
    connect(nb, remote)
    slider = made(nb, SLIDER + "\nfrom comm import create_comm\nc = create_comm(target_name='tests')")
    local = made(nb, "%%local\nimport ipywidgets\nh = ipywidgets.IntSlider(value=3)")
    cell = nb.run("import os; os.kill(os.getpid(), 9)")
    assert cell.error is not None
    sentence = f"The Python on {remote.address} was ended by signal 9 (SIGKILL)"
    assert sentence in cell.error["evalue"]
    assert "Its variables and 1 widget are lost" in cell.error["evalue"]
    assert slider.state["_dom_classes"] == [DEAD]
    assert slider.state["disabled"]
    assert slider.state["tooltip"].startswith(sentence)
    assert not [comm for comm in nb.comms.values() if comm.target == "tests"][-1].open
    assert local.state["_dom_classes"] == []
    assert slider.id not in nb.comm_info()
    moved, again = move(nb, slider, 5), move(nb, slider, 6)
    handled(nb, moved, again)
    assert moved.stderr == slider.state["tooltip"] + "\n"
    assert again.messages == []
    handled(nb, move(nb, local, 5))
    assert nb.good("%%local\nh.value").text == "5"
    slider = made(nb, SLIDER)
    nb.good("%restart")
    assert slider.state["_dom_classes"] == [DEAD]


def test_a_slider_that_is_moved_while_the_link_is_lost_arrives_once_it_is_back(remote: Remote) -> None:
    with Proxy(remote.port) as proxy, Kernel() as nb:
        nb.good(f"%connect {proxy.address}")
        slider = made(nb, SLIDER + "\nb = ipywidgets.Button()\nb.on_click(lambda b: calls.append(('click', 0)))")
        button = newest(nb, "ButtonModel")
        proxy.refuse(60)
        assert wait_until(lambda: "reconnecting" in nb.run("%hosts").stdout)
        moves = [move(nb, slider, value) for value in range(10, 60)]
        clicked = click(nb, button)
        handled(nb, *moves, clicked)
        assert clicked.stderr.startswith(f"The link to {proxy.address} is lost: this click was not carried there")
        assert nb.good("%%local\n1").text == "1", "nothing of this waits for the link"
        proxy.refuse(0)
        assert nb.good("s.value").text == "59"
        assert len(eval(nb.good("[value for value, _at in calls]").text or "")) <= 2
