"""Comms in both directions, and the widgets that live on them."""

import uuid

import pytest

from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.results import Comm, Request


def opened(nb: Client, code: str, target: str = "jupyter.widget") -> Comm:
    """Run a cell and return the comm that it opened (the last one of this target)."""
    before = set(nb.comms)
    nb.good(code, timeout=60)
    new = [comm for key, comm in nb.comms.items() if key not in before and comm.target == target]
    assert new, f"no comm was opened; {nb.seen()}"
    return new[-1]


def test_a_comm_from_the_kernel_arrives_with_data_and_buffers(nb: Client) -> None:
    comm = opened(
        nb,
        "from comm import create_comm\n"
        "c = create_comm(target_name='tests', data={'a': [1, None, 'é']}, metadata={'m': 1}, buffers=[b'\\x00\\xff'])\n"
        "c.send({'b': 2}, buffers=[b'xyz', bytes(100_000)])",
        "tests",
    )
    first, second = comm.received
    assert first.content["data"] == {"a": [1, None, "é"]}
    assert first.metadata["m"] == 1
    assert first.buffers == [b"\x00\xff"]
    assert second.content["data"] == {"b": 2}
    assert second.buffers == [b"xyz", bytes(100_000)]
    nb.good("c.close()")
    assert not comm.open


def test_a_message_from_the_page_reaches_its_handler(nb: Client) -> None:
    comm = opened(
        nb,
        "from comm import create_comm\nc = create_comm(target_name='tests')\ngot = []\n"
        "@c.on_msg\ndef on_msg(msg):\n"
        "    got.append((msg['content']['data'], [bytes(b) for b in msg['buffers']])); print('handled')\n"
        "    c.send({'answer': len(got)})",
        "tests",
    )
    handled = nb.comm_send(comm.id, {"from": "page"}, [b"\x01\x02"])
    assert nb.good("got").text == "[({'from': 'page'}, [b'\\x01\\x02'])]"
    assert handled.stdout == "handled\n", "what the handler prints belongs to the message that it handles"
    assert comm.received[-1].content["data"] == {"answer": 1}
    assert comm.received[-1].parent == handled.id


def test_a_comm_that_the_page_opens(nb: Client) -> None:
    nb.good(
        "import comm\nseen = []\ndef target(c, msg):\n    seen.append(msg['content']['data'])\n"
        "    c.on_msg(lambda m: seen.append(m['content']['data']))\n    c.on_close(lambda m: seen.append('closed'))\n"
        "    c.send({'welcome': 1})\n"
        "comm.get_comm_manager().register_target('from_page', target)"
    )
    name = uuid.uuid4().hex
    first = nb.comm_open(name, "from_page", {"hello": 1})
    assert [m.content["data"] for m in first.of("comm_msg")] == [{"welcome": 1}]
    assert name in nb.comm_info()
    nb.comm_send(name, {"then": 2})
    nb.comm_close(name)
    assert nb.good("seen").text == "[{'hello': 1}, {'then': 2}, 'closed']"
    assert name not in nb.comm_info()


def test_a_comm_for_nobody_is_closed(nb: Client) -> None:
    name = uuid.uuid4().hex
    answer = nb.comm_open(name, "no_such_target", {})
    assert [m.content["comm_id"] for m in answer.of("comm_close")] == [name]
    assert nb.good("1").text == "1"


def test_comm_info_lists_what_is_open(nb: Client) -> None:
    comm = opened(nb, "from comm import create_comm\nlisted = create_comm(target_name='listed')", "listed")
    assert nb.comm_info()[comm.id] == {"target_name": "listed"}
    assert list(nb.comm_info("listed")) == [comm.id]
    assert comm.id not in nb.comm_info("other")
    nb.good("listed.close()")
    assert comm.id not in nb.comm_info()


def test_an_error_in_a_handler_is_shown_and_harms_nothing(nb: Client) -> None:
    comm = opened(
        nb, "from comm import create_comm\nbad = create_comm(target_name='bad')\nbad.on_msg(lambda m: 1/0)", "bad"
    )
    handled = nb.comm_send(comm.id, {})
    shown = handled.stderr + (handled.traceback if handled.error else "")
    assert "ZeroDivisionError" in shown
    assert nb.good("1").text == "1"


def test_a_handler_can_be_interrupted(nb: Client) -> None:
    comm = opened(
        nb,
        "import time\nfrom comm import create_comm\nc = create_comm(target_name='slow')\n"
        "@c.on_msg\ndef slow(msg):\n    print('ready', flush=True); time.sleep(60)",
        "slow",
    )
    handled = nb.send("shell", "comm_msg", {"comm_id": comm.id, "data": {}})
    nb.wait_output(handled, "ready")
    nb.interrupt()
    nb.wait_for(lambda: handled.idle_at is not None, 5, "the end of the handler")
    assert nb.good("1").text == "1"


def test_messages_are_handled_in_order_between_cells(nb: Client) -> None:
    comm = opened(
        nb,
        "from comm import create_comm\nc = create_comm(target_name='order')\nline = []\n"
        "c.on_msg(lambda m: line.append(m['content']['data']['n']))",
        "order",
    )
    for i in range(30):
        nb.send("shell", "comm_msg", {"comm_id": comm.id, "data": {"n": i}})
    assert nb.good("line == list(range(30))").text == "True"


@pytest.mark.mainly("ipython")
@pytest.mark.parametrize("rounds", [50, pytest.param(3000, marks=pytest.mark.soak)])
def test_a_cell_right_behind_comm_messages_ends(nb: Client, rounds: int) -> None:
    """Each of them has its own "idle", whichever of them ends while the next begins."""
    comm = opened(
        nb,
        "from comm import create_comm\nc = create_comm(target_name='slider')\nc.on_msg(lambda message: None)",
        "slider",
    )
    waiting: list[Request] = []
    for _ in range(rounds):
        waiting[:] = [nb.send("shell", "comm_msg", {"comm_id": comm.id, "data": {}}) for _ in range(6)]
        nb.finish(nb.start("1"))
        nb.wait_for(lambda: all(each.idle_at for each in waiting), what="the end of a comm message")


ipywidgets = pytest.mark.parametrize("remote", ["ipython"], indirect=True)


@ipywidgets
def test_a_slider_moved_in_the_page_changes_its_value_there(nb: Client) -> None:
    cell = nb.good("import ipywidgets\ns = ipywidgets.IntSlider(value=3, description='Level')\ns", timeout=60)
    assert cell.data is not None
    slider = nb.comms[cell.data["application/vnd.jupyter.widget-view+json"]["model_id"]]
    assert slider.state["value"] == 3
    assert slider.state["description"] == "Level"
    nb.good("s.observe(lambda change: print('moved to', change.new), 'value')")
    moved = nb.comm_send(slider.id, {"method": "update", "state": {"value": 42}, "buffer_paths": []})
    assert moved.stdout == "moved to 42\n"
    assert nb.good("s.value").text == "42"


@ipywidgets
def test_a_value_set_there_moves_the_slider_in_the_page(nb: Client) -> None:
    nb.good("import ipywidgets\ns = ipywidgets.IntSlider(value=3)", timeout=60)
    slider = [comm for comm in nb.comms.values() if comm.state.get("_model_name") == "IntSliderModel"][-1]
    nb.good("s.value = 77")
    assert slider.state["value"] == 77


@ipywidgets
def test_an_output_widget_catches_what_is_printed(nb: Client) -> None:
    """It tells the page to take the output of this cell's request: it has to know the request."""
    nb.good("import ipywidgets\nout = ipywidgets.Output()", timeout=60)
    widget = [comm for comm in nb.comms.values() if comm.state.get("_model_name") == "OutputModel"][-1]
    cell = nb.good("with out:\n    print('caught')")
    taken = [m.content["data"]["state"].get("msg_id") for m in widget.received[1:]]
    assert cell.id in taken
    assert widget.state["msg_id"] == ""


@ipywidgets
def test_interact_calls_its_function_again(nb: Client) -> None:
    nb.good("import ipywidgets\ncalls = []\n@ipywidgets.interact(x=(0, 10))\ndef f(x=2): calls.append(x)", timeout=60)
    slider = [comm for comm in nb.comms.values() if comm.state.get("_model_name") == "IntSliderModel"][-1]
    nb.comm_send(slider.id, {"method": "update", "state": {"value": 9}, "buffer_paths": []})
    assert nb.good("calls").text == "[2, 9]"


@ipywidgets
def test_tqdm_is_a_widget(nb: Client) -> None:
    cell = nb.good("from tqdm.auto import tqdm\nfor i in tqdm(range(5), desc='steps'): pass", timeout=60)
    assert cell.displays
    assert "application/vnd.jupyter.widget-view+json" in cell.displays[0]
    bars = [comm for comm in nb.comms.values() if comm.state.get("_model_name") == "FloatProgressModel"]
    assert bars[-1].state["value"] == 5


@pytest.mark.parametrize("remote", ["plain"], indirect=True)
def test_tqdm_is_a_line_of_text(nb: Client) -> None:
    cell = nb.good("import warnings\nwarnings.simplefilter('ignore')\nfrom tqdm.auto import tqdm\n"
                   "for i in tqdm(range(5), desc='steps'): pass")  # fmt: skip
    assert "\rsteps: 100%|" in cell.stderr
    assert "5/5" in cell.stderr


CONTEXT = """
import asyncio, contextvars, decimal, sys
from comm import create_comm
var = contextvars.ContextVar("var", default="default"); var.set("set by a cell"); decimal.getcontext().prec = 7
c = create_comm(target_name="context"); seen = []
@c.on_msg
def look(msg):
    seen.append((var.get(), decimal.getcontext().prec)); var.set("set by a callback"); decimal.getcontext().prec += 1
"""


def test_callbacks_and_cells_share_their_context(nb: Client, gate: Gate) -> None:
    """Whatever a cell sets is there in a callback and the other way round, also while a cell awaits."""
    comm = opened(nb, CONTEXT, "context")
    nb.comm_send(comm.id, {})
    assert nb.good("seen, var.get()").text == "([('set by a cell', 7)], 'set by a callback')"
    nb.good("async def f(): return 'after await'\nvar.set(await f());")
    nb.comm_send(comm.id, {})
    assert nb.good("seen[-1]").text == "('after await', 8)"
    cell = nb.start(
        f"var.set('set by a cell that waits'); print('ready')\nasync def wait():\n{gate.wait_async}"
        "await wait()\nprint(var.get(), decimal.getcontext().prec)"
    )
    nb.wait_output(cell, "ready")
    nb.comm_send(comm.id, {})
    gate.open()
    assert nb.finish(cell).stdout == "ready\nset by a callback 10\n"
    assert nb.good("seen[-1]").text == "('set by a cell that waits', 9)"


@pytest.mark.parametrize(
    "code", ["sys.exit('over')", "raise KeyboardInterrupt", "raise GeneratorExit", "raise Own('x')"]
)
def test_a_callback_that_exits_is_an_error_and_ends_nothing(nb: Client, code: str) -> None:
    comm = opened(
        nb,
        "import sys\nfrom comm import create_comm\nclass Own(BaseException): pass\n"
        f"kept = 1; c = create_comm(target_name='exits')\n@c.on_msg\ndef leave(msg): {code}",
        "exits",
    )
    handled = nb.comm_send(comm.id, {})
    assert handled.error is not None
    assert handled.error["ename"] in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "Own")
    assert nb.good("kept").text == "1"
