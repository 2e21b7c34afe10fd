"""Every request on every channel is answered, whatever is in it, and none leaves a channel dead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.results import Request

pytestmark = pytest.mark.mainly("plain")

CELL = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("execute_request", {"code": "6 * 7", **CELL}),
    ("execute_request", {"code": "%%local\n6 * 7", **CELL}),
    ("execute_request", {"code": "%hosts", **CELL}),
    ("execute_request", {"code": "6 * 7"}),
    ("complete_request", {"code": "impor", "cursor_pos": 5}),
    ("complete_request", {"code": "impor"}),
    ("inspect_request", {"code": "print", "cursor_pos": 5, "detail_level": 0}),
    ("is_complete_request", {"code": "if x:"}),
    ("history_request", {"hist_access_type": "tail", "output": False, "raw": True, "n": 3}),
    ("history_request", {"hist_access_type": "tail", "n": 3, "of_our_own": 1}),
    ("comm_info_request", {}),
    ("kernel_info_request", {}),
    ("connect_request", {}),
]

CONTROL: list[tuple[str, dict[str, Any]]] = [
    ("interrupt_request", {}),
    ("usage_request", {}),
    ("debug_request", {"type": "request", "seq": 7, "command": "debugInfo"}),
    ("list_subshell_request", {}),
]

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("create_subshell_request", {}),
    ("delete_subshell_request", {"subshell_id": "x"}),
    ("delete_subshell_request", {}),
]

MALFORMED: list[tuple[str, Any]] = [
    ("execute_request", {}),
    ("execute_request", {"code": 5}),
    ("execute_request", {"code": None}),
    ("execute_request", {"code": "1", "user_expressions": [1]}),
    ("execute_request", []),
    ("execute_request", "1 + 1"),
    ("execute_request", None),
    ("complete_request", {}),
    ("complete_request", {"code": "a", "cursor_pos": "1"}),
    ("inspect_request", {"code": "a"}),
    ("inspect_request", {"code": "a", "cursor_pos": 1, "omit_sections": 5}),
    ("is_complete_request", {"code": ["a"]}),
    ("history_request", {}),
    ("history_request", {"hist_access_type": "tail", "n": "many"}),
    ("history_request", {"hist_access_type": "range", "start": "x"}),
    ("comm_info_request", {"target_name": {}}),
]

ODD: list[tuple[str, dict[str, Any]]] = [
    ("execute_request", {"code": "'\ud800'", **CELL}),
    ("execute_request", {"code": "1", **CELL, "user_expressions": {"a": 5, "b": None}}),
    ("execute_request", {"code": "1", "silent": "yes", "allow_stdin": None, "store_history": []}),
    ("complete_request", {"code": "abc", "cursor_pos": -5}),
    ("complete_request", {"code": "abc", "cursor_pos": 10**9}),
    ("inspect_request", {"code": "abc", "cursor_pos": 10**9, "detail_level": 99}),
    ("history_request", {"hist_access_type": "nonsense"}),
    ("history_request", {"hist_access_type": "search", "pattern": None, "n": None}),
    ("history_request", {"hist_access_type": "range", "session": 10**9, "start": -1}),
    ("is_complete_request", {"code": "\0"}),
    ("comm_info_request", {"target_name": ""}),
]
"""Read in different ways by different kernels: any reply will do."""


def answered(nb: Client, channel: str, kind: str, content: Any) -> Request:
    """Send a request; its reply has come, and the request is idle."""
    request = nb.send(channel, kind, json.dumps(content).encode())
    nb.wait_for(lambda: request.reply is not None, 20, f"the reply to {kind} {content!r} on {channel}")
    nb.finish(request)
    return request


def usable(nb: Client) -> None:
    """Both channels serve what comes next."""
    assert nb.good("6 * 7").text == "42"
    assert nb.kernel_info()["status"] == "ok"


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_every_request_is_answered(nb: Client, channel: str) -> None:
    for kind, content in [*GOOD, *CONTROL]:
        reply = answered(nb, channel, kind, content).reply
        assert reply is not None
        if kind == "debug_request":
            assert reply["success"] is True
        elif kind != "is_complete_request" and kind != "usage_request":
            assert reply["status"] == "ok", (kind, content, reply)
    usable(nb)


def test_a_cell_of_the_control_channel_is_like_one_of_the_shell(nb: Client) -> None:
    nb.good("shared = 20")
    for code in ("shared + 22", "%%local\n20 + 22"):
        cell = answered(nb, "control", "execute_request", {"code": code, **CELL})
        assert cell.text == "42", code
        assert cell.reply is not None
        assert cell.reply["execution_count"] > 0
    failed = answered(nb, "control", "execute_request", {"code": "1 / 0", **CELL})
    assert failed.error is not None
    assert failed.error["ename"] == "ZeroDivisionError"
    asked = nb.send("control", "execute_request", {"code": "input('?')", **CELL, "allow_stdin": True}, answers=["yes"])
    assert nb.finish(asked).text == "'yes'"


def test_what_waits_on_the_control_channel_holds_up_neither_an_interrupt_nor_a_question(nb: Client) -> None:
    running = nb.send("control", "execute_request", {"code": "import time\nprint('on'); time.sleep(60)", **CELL})
    nb.wait_output(running, "on")
    queued = nb.send("control", "execute_request", {"code": "'after'", **CELL, "stop_on_error": True})
    assert nb.ask("complete_request", {"code": "prin", "cursor_pos": 4}, "control")["matches"]
    assert nb.kernel_info()["status"] == "ok"
    assert nb.interrupted(running) < 10
    assert running.error is not None
    assert running.error["ename"] == "KeyboardInterrupt"
    assert nb.finish(queued).status in ("aborted", "ok")
    usable(nb)


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_request_that_cannot_be_understood_is_answered_with_an_error(nb: Client, channel: str) -> None:
    for kind, content in [*MALFORMED, *(REFUSED if channel == "control" else [])]:
        reply = answered(nb, channel, kind, content).reply
        assert reply is not None
        assert reply["status"] == "error", (kind, content, reply)
        assert reply["ename"]
        assert reply["evalue"]
    usable(nb)


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_odd_values_are_answered(nb: Client, channel: str) -> None:
    for kind, content in ODD:
        answered(nb, channel, kind, content)
    usable(nb)


def test_a_request_that_cannot_be_understood_is_answered_beside_a_cell(nb: Client) -> None:
    cell = nb.start("import time\nprint('on'); time.sleep(60)")
    nb.wait_output(cell, "on")
    for kind, content in MALFORMED:
        if kind != "execute_request":
            reply = answered(nb, "shell", kind, content).reply
            assert reply is not None
            assert reply["status"] == "error"
    assert nb.interrupted(cell) < 10
    usable(nb)


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_what_is_no_message_is_dropped(nb: Client, channel: str) -> None:
    """As ipykernel does: there is nobody to answer."""
    session, socket = nb.zmq.session, nb.sockets[channel]
    message = session.msg("execute_request", {"code": "print('must not run')"})
    frames = session.serialize(message)
    forged = [frames[0], b"0" * len(frames[1]), *frames[2:]]
    headers = [b"{}", b"[]", b"5", b'{"msg_id": "x"}', b'{"msg_type": "execute_request"}', b"no json", b"[" * 100_000]
    broken = [[frames[0], session.sign([header, *frames[3:6]]), header, *frames[3:6]] for header in headers]
    for each in (forged, *broken, frames[:3], [b""], [b"", b"", b""]):
        socket.send_multipart(each)
    for kind in ("nonsense_request", "nonsense", "execute_reply", ""):
        request = nb.send(channel, kind, {})
        nb.wait_for(lambda request=request: request.idle_at is not None, what=kind)
        assert request.reply is None
    usable(nb)


def test_what_is_for_a_subshell_is_refused(nb: Client) -> None:
    request = nb.send("shell", "execute_request", {"code": "1", **CELL}, subshell="none")
    nb.finish(request)
    assert request.reply is not None
    assert request.reply["status"] == "error"
    assert request.reply["ename"] == "UnknownSubshellError"
    usable(nb)


@pytest.mark.parametrize("content", [{}, {"comm_id": []}, {"comm_id": 5, "data": []}, [], None, {"target_name": {}}])
def test_comm_messages_that_are_none_do_no_harm(nb: Client, content: Any) -> None:
    for kind in ("comm_msg", "comm_close", "comm_open"):
        nb.send("shell", kind, json.dumps(content).encode())
    usable(nb)
