"""Messages that are large: whatever one end may make the other end takes, up to one limit, and above it says so."""

import re
from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import SPAWNED, Remote
from tests.kernel.results import Request

pytestmark = pytest.mark.mainly("ipython")

SIZES = pytest.mark.parametrize("size", [20_000_000, pytest.param(70_000_000, marks=pytest.mark.soak)])
LIMIT = 4 << 20
"""Bytes of a message, in the tests of what is above the limit."""

SHOW = """
class Large:
    def __init__(self, text): self.text = text
    def _repr_html_(self): return self.text
def show(size, last=""): display(Large("ä" + "x" * (size - 1 - len(last)) + last))
"""


def html(cell: Request) -> str:
    (shown,) = [each for each in cell.messages if "text/html" in each.content.get("data", ())]
    return str(shown.content["data"]["text/html"])


@SIZES
def test_a_large_display_stands_where_it_was_made(nb: Client, size: int) -> None:
    nb.good(SHOW)
    cell = nb.good(f"print('before')\nshow({size}, 'é')\nprint('after')")
    text = html(cell)
    assert (len(text), text[:2], text[-2:]) == (size, "äx", "xé")
    assert [each.kind for each in cell.messages] == ["stream", "display_data", "stream"]
    assert nb.good("1 + 1").text == "2"


@SIZES
def test_a_large_last_value_and_a_large_reply(nb: Client, size: int) -> None:
    assert nb.good(f"bytes({size // 4})").text == repr(bytes(size // 4))
    cell = nb.good("1", user_expressions={"large": "'y' * 10_000_000"})
    assert cell.reply is not None
    assert cell.reply["user_expressions"]["large"]["data"]["text/plain"] == repr("y" * 10_000_000)
    assert cell.text == "1"


def test_large_updates_of_one_display_come_in_order(nb: Client) -> None:
    nb.good(SHOW)
    cell = nb.good(
        "h = display(Large('x'), display_id=True)\nfor i in range(3): h.update(Large('x' * 3_000_000 + str(i)))"
    )
    assert [each.content["data"]["text/html"][-2:] for each in cell.of("update_display_data")] == ["x0", "x1", "x2"]


@SIZES
def test_large_buffers_of_a_comm_both_ways(nb: Client, size: int) -> None:
    code = f"from comm import create_comm\nlarge = create_comm('large', {{'a': 1}}, buffers=[bytes({size}), b'b'])"
    opened = nb.good(code).of("comm_open")[0]
    assert [len(each) for each in opened.buffers] == [size, 1]
    nb.good("came = []\nlarge.on_msg(lambda each: came.append((each['content']['data'], *map(len, each['buffers']))))")
    nb.comm_send(opened.content["comm_id"], {"b": 2}, [bytes(size), b"12"])
    assert nb.good("came").text == f"[({{'b': 2}}, {size}, 2)]"


@pytest.mark.parametrize("size", [5_000_000, pytest.param(70_000_000, marks=pytest.mark.soak)])
def test_a_large_cell(nb: Client, size: int) -> None:
    count = nb.good("1").reply["execution_count"]  # type: ignore[index]
    cell = nb.good(f"text = {'y' * size!r}\nlen(text)", timeout=120)
    assert cell.text == str(size)
    assert cell.reply is not None
    assert cell.reply["execution_count"] == count + 1


@SIZES
def test_large_frames_of_a_live_connection(nb: Client, size: int) -> None:
    code = f"""%%local
remote.execute("there = bytes({size})")
remote.namespace["back"] = remote.eval("there")
print(len(remote.namespace["back"]), remote.eval("back == there"))"""
    assert nb.good(code, timeout=120).stdout == f"{size} True\n"


def test_what_a_large_message_is_when_it_is_replayed(nb: Client) -> None:
    """As it was, where that is short enough to be kept, else a line that says how much it was."""
    nb.good(SHOW)
    kept = nb.good("show(2_500_000)")
    assert html(nb.good("%replay")) == html(kept)
    assert nb.good("display('small')\nshow(9_000_000)").status == "ok"
    again = nb.good("%replay")
    assert "1 output (9,0" in again.stdout
    assert "dropped here" in again.stdout


def test_a_stop_while_a_large_message_is_on_its_way(nb: Client) -> None:
    """It is given up in its midst, and what follows is whole."""
    nb.good(SHOW)
    size = 20_000_000
    cell = nb.start(f"print('begun')\nwhile True: show({size})")
    nb.wait_output(cell, "begun")
    nb.send("control", "interrupt_request", {})
    nb.finish(cell)
    assert cell.status == "error"
    assert all(len(each.content["data"]["text/html"]) == size for each in cell.of("display_data"))
    assert len(html(nb.good("show(5_000_000)"))) == 5_000_000


def test_with_spawned_workers() -> None:
    with Remote(SPAWNED + "plain") as remote, Kernel() as client:
        connect(client, remote)
        client.good(SHOW)
        assert len(html(client.good("show(20_000_000)"))) == 20_000_000
        assert client.good(f"text = {'y' * 3_000_000!r}\nlen(text)").text == "3000000"


# --- above the limit


@pytest.fixture(scope="module")
def bounded(remote: Remote) -> Iterator[Client]:
    """A notebook of which both ends have a limit of LIMIT."""
    env = {"RPYC_KERNEL_MAX_MESSAGE": str(LIMIT)}
    with Remote(remote.kind, env=env) as server, Kernel(env=env) as client:
        connect(client, server)
        client.good(SHOW)
        yield client


def refused(cell: Request) -> str:
    assert cell.status == "error", cell
    assert cell.error is not None
    text = str(cell.error["evalue"])
    assert re.search(f"a message of [0-9,]{{9,}} bytes, and at most {LIMIT:,} travel", text), text
    assert len(str(cell.messages)) < 100_000
    return text


OVER = {
    "a display": "show(5_000_000)",
    "a last value": "'x' * 5_000_000",
    "a comm": "from comm import create_comm\ncreate_comm('large', {}, buffers=[bytes(5_000_000)])",
    "an exception": "raise ValueError('x' * 5_000_000)",
    "a question": "input('x' * 5_000_000)",
}


@pytest.mark.parametrize("code", OVER.values(), ids=OVER)
def test_above_the_limit_it_is_an_error_of_its_cell(bounded: Client, code: str) -> None:
    cell = bounded.run(f"print('before')\nkept = 1\n{code}")
    refused(cell)
    assert cell.stdout == "before\n"
    assert bounded.good("kept").text == "1"


def test_a_reply_above_the_limit(bounded: Client) -> None:
    refused(bounded.run("1", user_expressions={"large": "'y' * 5_000_000"}))
    assert bounded.good("1 + 1").text == "2"


def test_a_cell_above_the_limit_is_not_sent(bounded: Client) -> None:
    text = refused(bounded.run(f"text = {'y' * 5_000_000!r}\nprint('ran')"))
    assert "was not asked" in text
    assert bounded.good("1 + 1").text == "2"


def test_a_comm_message_above_the_limit(bounded: Client) -> None:
    code = "from comm import create_comm\nsmall = create_comm('small', {})\nsmall.on_msg(lambda _: print('came'))"
    comm = bounded.good(code).of("comm_open")[0].content["comm_id"]
    told = bounded.comm_send(comm, {}, [bytes(5_000_000)])
    bounded.wait_output(told, f"at most {LIMIT:,} travel")
    bounded.wait_output(bounded.comm_send(comm, {}, [bytes(1_000_000)]), "came")


TOO_LONG = f"at most {LIMIT - 4096:,} travel"  # a frame is a message of its own, with a few bytes around it


def test_frames_above_the_limit_are_errors_of_their_calls(bounded: Client) -> None:
    there = bounded.run("%%local\nremote.eval('bytes(5_000_000)')")
    assert TOO_LONG in there.error["evalue"]  # type: ignore[index]
    here = bounded.run("%%local\nremote.namespace['large'] = bytes(5_000_000)")
    assert TOO_LONG in here.error["evalue"]  # type: ignore[index]
    assert bounded.good("%%local\nprint(remote.eval('1 + 1'))").stdout == "2\n"


def test_text_has_no_limit(bounded: Client) -> None:
    assert len(bounded.good("print('z' * 20_000_000)").stdout) == 20_000_001


def test_what_only_this_end_refuses_is_given_up(remote: Remote) -> None:
    """The other machine may send it: a sentence stands in its place, and it isn't asked for again."""
    with Kernel(env={"RPYC_KERNEL_MAX_MESSAGE": str(LIMIT)}) as client:
        connect(client, remote)
        client.good(SHOW)
        cell = client.good("show(9_000_000)\nprint('after')")
        assert f"at most {LIMIT:,} travel" in cell.stderr
        assert cell.stdout == "after\n"
        lost = client.run("1", user_expressions={"large": "'y' * 9_000_000"})
        assert f"at most {LIMIT:,} travel" in lost.error["evalue"]  # type: ignore[index]
        assert lost.status == "error"
        assert client.good("1 + 1").text == "2"


def test_what_one_end_can_not_read_is_given_up_there(remote: Remote) -> None:
    """JSON that is nested deeper than a Python reads: a sentence, in either direction, and the session goes on."""
    with Kernel() as client:
        connect(client, remote)
        client.good("import sys\nsys.setrecursionlimit(10 ** 6)\na = []\nfor _ in range(20_000): a = [a]")
        cell = client.good("display({'application/json': a}, raw=True)\nprint('after')")
        assert "nothing is shown here: a packet whose header is no JSON" in cell.stderr
        assert cell.stdout == "after\n"
        code = "sys.setrecursionlimit(200)\nfrom comm import create_comm\nsmall = create_comm('small', {})"
        comm = client.good(code).of("comm_open")[0].content["comm_id"]
        deep: list[object] = []
        for _ in range(500):
            deep = [deep]
        client.comm_send(comm, {"deep": deep})
        assert client.good("1 + 1").text == "2"


def test_what_has_no_end_can_be_stopped(nb: Client) -> None:
    """An iterator in JSON is read item by item, up to a bound."""
    code = "import itertools, time\ndef slowly():\n    while True: time.sleep(0.01); yield 1\n"
    nb.good(code)
    cell = nb.start("print('begun')\ndisplay({'application/json': {'g': slowly()}}, raw=True)")
    nb.wait_output(cell, "begun")
    nb.send("control", "interrupt_request", {})
    nb.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    cell = nb.run("display({'application/json': {'g': itertools.count()}}, raw=True)")
    assert cell.error is not None
    assert "a count gives more than 1,000,000 items" in cell.error["evalue"]
    cell = nb.run("from comm import create_comm\ncreate_comm('endless', {'a': iter(int, 1)})")
    assert cell.error is not None
    assert "gives more than 1,000,000 items" in cell.error["evalue"]
    cell = nb.good("display({'application/json': {'r': range(3), 's': {1}, 'b': b'a', 'g': iter('ab')}}, raw=True)")
    assert cell.of("display_data")[0].content["data"]["application/json"] == {
        "r": [0, 1, 2],
        "s": [1],
        "b": "YQ==",
        "g": ["a", "b"],
    }
