"""`input()` and `getpass`: asked of the front end that sent the cell, answered, interrupted, refused."""

from pathlib import Path

import pytest
import zmq

from tests.kernel.client import Client
from tests.kernel.conftest import ALSO_SPAWNED
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import wait_until

pytestmark = ALSO_SPAWNED


def test_input_asks_with_its_prompt_and_gets_the_answer(nb: Client) -> None:
    cell = nb.good("name = input('Your name? ')\nprint('Hello', name)", answers=["Ada"])
    assert cell.inputs[0].content == {"prompt": "Your name? ", "password": False}
    assert cell.stdout == "Hello Ada\n"


def test_getpass_asks_for_a_password(nb: Client) -> None:
    cell = nb.good("import getpass\nlen(getpass.getpass('Secret: '))", answers=["hunter2"])
    assert cell.inputs[0].content == {"prompt": "Secret: ", "password": True}
    assert cell.text == "7"


def test_several_inputs_in_one_cell(nb: Client) -> None:
    code = "print([input(), input('b'), input(3), int(input('d')) + 1])"
    cell = nb.good(code, answers=["", "two words", "漢字 😀", "41"])
    assert cell.stdout == "['', 'two words', '漢字 😀', 42]\n"
    assert [asked.content["prompt"] for asked in cell.inputs] == ["", "b", "3", "d"]


def test_a_long_answer_arrives_whole(nb: Client) -> None:
    assert nb.good("import hashlib\nlen(input())", answers=["é" * 300_000]).text == "300000"


def test_what_was_printed_before_is_shown_when_it_asks(nb: Client) -> None:
    cell = nb.start("import sys\nprint('before', end='')\nprint('warned', end='', file=sys.stderr)\nnone = input()")
    nb.wait_for(lambda: cell.inputs, what="the question")
    nb.wait_for(lambda: cell.stdout == "before" and cell.stderr == "warned", 2, "what was printed before the question")
    nb.answer(cell.inputs[0], "")
    assert nb.finish(cell).status == "ok"


@pytest.mark.parametrize("ask", ["input('? ')", "__import__('getpass').getpass('? ')"])
def test_input_can_be_interrupted(nb: Client, ask: str) -> None:
    cell = nb.start(f"try:\n    {ask}\nfinally:\n    print('finally')")
    nb.wait_for(lambda: cell.inputs, what="the question")
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout == "finally\n"
    assert nb.good("input('again? ')", answers=["yes"]).text == "'yes'"


def test_an_answer_that_comes_too_late_is_not_the_next_ones(nb: Client) -> None:
    cell = nb.start("input('first? ')")
    nb.wait_for(lambda: cell.inputs, what="the question")
    nb.interrupted(cell)
    nb.answer(cell.inputs[0], "late")
    assert nb.good("input('second? ')", answers=["in time"]).text == "'in time'"
    third = nb.start("input('third? ')")
    nb.wait_for(lambda: third.inputs, what="the question")
    nb.answer(cell.inputs[0], "later still")  # JupyterLab leaves the field of a question that was given up
    nb.answer(third.inputs[0], "in time too")
    assert nb.finish(third).text == "'in time too'"


def test_input_in_a_thread(nb: Client) -> None:
    code = (
        "import threading\nbox = []\n"
        "t = threading.Thread(target=lambda: box.append(input('thread? ')))\nt.start(); t.join()\nbox"
    )
    cell = nb.good(code, answers=["answered"])
    assert cell.text == "['answered']"


def test_input_where_no_front_end_answers_is_an_error(nb: Client) -> None:
    cell = nb.run("input('nobody? ')", allow_stdin=False)
    assert cell.status == "error"
    assert cell.error is not None
    assert cell.error["ename"] == "StdinNotImplementedError"
    assert "input" in cell.error["evalue"]
    assert cell.inputs == []


def test_reading_sys_stdin_does_not_hang(nb: Client) -> None:
    """There is nothing to read there: end of file at once, or an error, as in any notebook."""
    cell = nb.run("import sys\nsys.stdin.readline()", timeout=10)
    assert cell.status == "error" or cell.text == "''"


def test_the_question_goes_to_the_front_end_that_asked(nb: Client, nb_kernel: Kernel) -> None:
    other = nb_kernel.client()
    try:
        first = nb.start("input('first? ')")
        nb.wait_for(lambda: first.inputs, what="the question")
        nb.answer(first.inputs[0], "to the first")
        nb.finish(first)
        second = other.start("input('second? ')")
        other.wait_for(lambda: second.inputs, what="the question")
        other.answer(second.inputs[0], "to the second")
        other.finish(second)
        nb.wait_for(lambda: [m for m in nb.stray if m.kind == "execute_result"], what="the other's output")
        assert (first.text, second.text) == ("'to the first'", "'to the second'")
        assert not [message for message in nb.stray + other.stray if message.kind == "input_request"]
        shown = [m.content["data"]["text/plain"] for m in nb.stray if m.kind == "execute_result"]
        assert shown == ["'to the second'"], "every front end sees every output"
    finally:
        nb_kernel.dismiss(other)


LATE = """
import pathlib, threading
told = pathlib.Path({told!r})
def late():
    {wait}
    try:
        told.write_text(input("anybody?"))
    except RuntimeError as error:
        told.write_text(str(error))
thread = threading.Thread(target=late)
thread.start()
"""


def test_a_thread_that_asks_while_no_cell_runs_is_told_so(nb: Client, gate: Gate, tmp_path: Path) -> None:
    """Nobody would see the question; it must not wait for ever."""
    told = tmp_path / "told"
    nb.good(LATE.format(told=str(told), wait=f"exec({gate.wait!r})"), answers=[])
    gate.open()
    assert wait_until(lambda: told.exists() and told.read_text())
    assert "its cell has ended" in told.read_text()


def test_a_thread_of_an_earlier_cell_asks_in_the_cell_that_runs(nb: Client, tmp_path: Path) -> None:
    told = tmp_path / "told"
    nb.good("import threading\ngo = threading.Event()" + LATE.format(told=str(told), wait="go.wait(20)"), answers=[])
    cell = nb.good("go.set(); thread.join(20)", answers=["me"])
    assert [each.content["prompt"] for each in cell.inputs] == ["anybody?"]
    assert told.read_text() == "me"


def test_a_front_end_whose_stdin_is_not_connected_yet_is_asked_once_it_is(nb: Client) -> None:
    """ZeroMQ connects each channel by itself, and its ROUTER drops what is for somebody who isn't there."""
    stdin = nb.sockets["stdin"]
    address = stdin.getsockopt(zmq.LAST_ENDPOINT)
    stdin.disconnect(address)
    nb.drain(0.5)  # until the kernel's side has seen it: what is sent into a connection that ends is gone
    try:
        cell = nb.start("'got ' + input('late? ')", answers=["it"])
        nb.drain(0.5)  # nothing tells that it was not asked
        assert not cell.inputs
    finally:
        stdin.connect(address)
    assert nb.finish(cell).text == "'got it'"
