"""The 27 checks of the public Kernel Testbed, in our own words: a front end needs these of any kernel.

Each check takes a started kernel and its front end, and raises AssertionError. They share one kernel; `RUN` is their
order, with the one that ends it last.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import zmq
from jupyter_client.session import DELIM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.client import Client
    from tests.kernel.kernels import Kernel

    Check = Callable[[Kernel, Client], None]

TIMEOUT_S = 10.0
RICH = "class Rich:\n    def _repr_html_(self): return '<b>rich</b>'\n    def __repr__(self): return 'plain'\nRich()"


def heartbeat(kernel: Kernel, front: Client) -> None:
    """The heartbeat socket sends a message back."""
    with front.context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(front.zmq._make_url("hb"))
        socket.send(b"are you there?")
        assert socket.poll(int(TIMEOUT_S * 1000)), "no echo"
        assert socket.recv() == b"are you there?"


def iopub_welcome(kernel: Kernel, front: Client) -> None:
    """A new subscription to IOPub is welcomed."""
    with front.context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(front.zmq._make_url("iopub"))
        socket.subscribe(b"testbed")  # ZeroMQ tells a kernel of the first subscription to a topic
        assert socket.poll(int(TIMEOUT_S * 1000)), "nothing came"
        frames = socket.recv_multipart()
        header = json.loads(frames[frames.index(DELIM) + 2])
        assert header["msg_type"] == "iopub_welcome"


def kernel_info(kernel: Kernel, front: Client) -> None:
    """kernel_info_request is answered."""
    reply = front.kernel_info()
    assert reply["status"] == "ok"
    assert reply["implementation"]
    assert "banner" in reply


def kernel_info_language(kernel: Kernel, front: Client) -> None:
    """kernel_info_reply names the language, its version, its files."""
    language = front.kernel_info()["language_info"]
    assert language["name"] == "python"
    assert language["version"].startswith("3.")
    assert language["file_extension"] == ".py"
    assert language["mimetype"] == "text/x-python"


def protocol_version(kernel: Kernel, front: Client) -> None:
    """kernel_info_reply names the version of the protocol."""
    assert front.kernel_info()["protocol_version"].split(".")[0] == "5"


def stdout(kernel: Kernel, front: Client) -> None:
    """Printed text arrives as a stream."""
    assert front.good("print('to stdout')").stdout == "to stdout\n"


def stderr(kernel: Kernel, front: Client) -> None:
    """Text printed to stderr arrives as the other stream."""
    assert front.good("import sys; print('to stderr', file=sys.stderr)").stderr == "to stderr\n"


def execute_reply(kernel: Kernel, front: Client) -> None:
    """A cell is answered with its status and count."""
    reply = front.good("1").reply
    assert reply is not None
    assert reply["status"] == "ok"
    assert isinstance(reply["execution_count"], int)
    assert {"user_expressions", "payload"} <= set(reply)


def busy_and_idle(kernel: Kernel, front: Client) -> None:
    """The kernel says when it is busy with a cell and when it is idle, and all output lies between."""
    cell = front.good("print('between')")
    assert cell.at_idle == len(cell.messages) == 1


def execute_input(kernel: Kernel, front: Client) -> None:
    """The code of a cell is told to all front ends."""
    cell = front.good("'what is told'")
    assert cell.input is not None
    assert cell.input.content["code"] == "'what is told'"
    assert cell.reply is not None
    assert cell.input.content["execution_count"] == cell.reply["execution_count"]


def shutdown(kernel: Kernel, front: Client) -> None:
    """shutdown_request is answered, and the kernel ends."""
    assert front.ask("shutdown_request", {"restart": False}, "control")["status"] == "ok"
    process = kernel.manager.provisioner.process  # type: ignore[union-attr]
    assert process.wait(TIMEOUT_S) == 0


def complete(kernel: Kernel, front: Client) -> None:
    """complete_request gives the names that begin so."""
    front.good("a_name_to_complete = 1")
    reply = front.complete("a_name_to_c")
    assert reply["matches"] == ["a_name_to_complete"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (0, 11)


def inspect(kernel: Kernel, front: Client) -> None:
    """inspect_request gives an object's documentation."""
    reply = front.inspect("len(", 3)
    assert reply["found"] is True
    assert "Return the number of items" in reply["data"]["text/plain"]


def is_complete_for_whole_code(kernel: Kernel, front: Client) -> None:
    """Whole code is complete."""
    assert front.is_complete("x = 1")["status"] == "complete"


def is_complete_for_half_code(kernel: Kernel, front: Client) -> None:
    """Half of it is incomplete, and wrong code is invalid."""
    assert front.is_complete("for i in range(3):")["status"] == "incomplete"
    assert front.is_complete("import = 7q")["status"] == "invalid"


def history(kernel: Kernel, front: Client) -> None:
    """history_request gives the cell that was run last."""
    front.good("'to be remembered'")
    assert front.history(n=1)[-1][2] == "'to be remembered'"


def comm_info(kernel: Kernel, front: Client) -> None:
    """comm_info_request is answered."""
    assert isinstance(front.comm_info(), dict)


def error(kernel: Kernel, front: Client) -> None:
    """An exception arrives as a message and in the reply, by its name, its text and its traceback."""
    cell = front.run("raise ValueError('the text')")
    assert cell.error is not None
    assert cell.reply is not None
    for content in (cell.error, cell.reply):
        assert (content["ename"], content["evalue"]) == ("ValueError", "the text")
        assert any("ValueError" in line for line in content["traceback"])


def display_data(kernel: Kernel, front: Client) -> None:
    """A display arrives with all its types."""
    shown = front.good("display({'text/plain': 'x', 'text/html': '<b>x</b>'}, raw=True)").displays
    assert shown == [{"text/plain": "x", "text/html": "<b>x</b>"}]


def update_display_data(kernel: Kernel, front: Client) -> None:
    """A display is updated by its id."""
    cell = front.good("handle = display('first', display_id=True); handle.update('second')")
    first, second = [each.content for each in cell.messages]
    assert [each.kind for each in cell.messages] == ["display_data", "update_display_data"]
    assert first["transient"]["display_id"] == second["transient"]["display_id"]
    assert second["data"]["text/plain"] == "'second'"


def execute_result(kernel: Kernel, front: Client) -> None:
    """The last value arrives as a result, with the cell's count."""
    cell = front.good("6 * 7")
    assert cell.text == "42"
    assert cell.reply is not None
    assert cell.of("execute_result")[0].content["execution_count"] == cell.reply["execution_count"]


def rich_result(kernel: Kernel, front: Client) -> None:
    """A value that knows HTML is shown as HTML and as text."""
    assert front.good(RICH).data == {"text/plain": "plain", "text/html": "<b>rich</b>"}


def stdin(kernel: Kernel, front: Client) -> None:
    """input() asks the front end, and gets its answer."""
    cell = front.good("input('which? ')", answers=["this"])
    assert cell.inputs[0].content == {"prompt": "which? ", "password": False}
    assert cell.text == "'this'"


def comms(kernel: Kernel, front: Client) -> None:
    """A comm is opened, carries messages both ways, is listed, and is closed."""
    front.good(
        "heard = []\n"
        "def target(comm, message):\n"
        "    comm.on_msg(lambda message: (heard.append(message['content']['data']), comm.send({'echo': len(heard)})))\n"
        "    comm.on_close(lambda message: heard.append('closed'))\n"
        "get_ipython().kernel.comm_manager.register_target('testbed', target)"
    )
    comm_id = uuid.uuid4().hex
    front.comm_open(comm_id, "testbed", {})
    assert comm_id in front.comm_info("testbed")
    said = front.comm_send(comm_id, {"hello": 1})
    assert [each.content["data"] for each in said.of("comm_msg")] == [{"echo": 1}]
    front.comm_close(comm_id)
    assert comm_id not in front.comm_info("testbed")
    assert front.good("heard").text == "[{'hello': 1}, 'closed']"


def interrupt(kernel: Kernel, front: Client) -> None:
    """A cell that runs is interrupted, and the next one runs."""
    cell = front.start("import time\nprint('running')\ntime.sleep(600)")
    front.wait_output(cell, "running")
    assert front.interrupted(cell) < TIMEOUT_S
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert front.good("1").text == "1"


def execution_counts(kernel: Kernel, front: Client) -> None:
    """Each cell counts one more; a silent one doesn't count."""
    counts = [(front.good("1").reply or {})["execution_count"] for _ in range(2)]
    front.good("1", silent=True)
    counts.append((front.good("1").reply or {})["execution_count"])
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2]


def parent_headers(kernel: Kernel, front: Client) -> None:
    """Every message says which request it belongs to, by the whole header."""
    front.stray.clear()
    cell = front.good("print(1); display(2); 3")
    assert [each.kind for each in cell.messages] == ["stream", "display_data", "execute_result"]
    for message in cell.messages:
        header = message.raw["parent_header"]
        assert (header["msg_id"], header["msg_type"]) == (cell.id, "execute_request")
        assert header["session"] == front.zmq.session.session
    assert not front.stray
    assert json.dumps(cell.reply)


TIERS: dict[str, tuple[Check, ...]] = {
    "basics": (
        heartbeat,
        iopub_welcome,
        kernel_info,
        kernel_info_language,
        protocol_version,
        stdout,
        stderr,
        execute_reply,
        busy_and_idle,
        execute_input,
        shutdown,
    ),
    "interactive": (
        complete,
        inspect,
        is_complete_for_whole_code,
        is_complete_for_half_code,
        history,
        comm_info,
        error,
    ),
    "rich": (display_data, update_display_data, execute_result, rich_result),
    "advanced": (stdin, comms, interrupt, execution_counts, parent_headers),
}
RUN: tuple[Check, ...] = (*(check for tier in TIERS.values() for check in tier if check is not shutdown), shutdown)
