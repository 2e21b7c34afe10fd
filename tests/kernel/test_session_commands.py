"""`%sessions`, `%attach`, `%replay`, `%ping`, `%restart`: a session is found, taken over, shown again, begun afresh."""

import re
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def named(new_kernel: Callable[..., Kernel], own_remote: Remote) -> tuple[Client, Client]:
    """A notebook with a session named ``walk``, and another one that is connected to nothing."""
    first, second = new_kernel().first, new_kernel().first
    connect(first, own_remote, "--name", "walk")
    return first, second


SCRIPT = Path(sys.argv[0]).name
"""How the session of a script is called that runs in the process of the tests."""


def rows(table: str) -> dict[str, str]:
    """The lines of ``%sessions`` by the name that they begin with, marks included.

    Sessions of scripts are left out: tests that run beside these have some in a folder that all of a user share.
    """
    found = {line[:20].split("  ")[0].strip(): line for line in table.splitlines()[1:]}
    return {name: line for name, line in found.items() if name != SCRIPT}


# --- %sessions


def test_sessions_lists_what_runs_and_marks_ones_own(named: tuple[Client, Client], own_remote: Remote) -> None:
    first, second = named
    assert list(rows(first.good("%sessions").stdout)) == ["* walk"]
    seen = rows(second.good(f"%sessions {own_remote.address}").stdout)
    assert list(seen) == ["walk"]
    assert "idle" in seen["walk"]
    assert "@" in seen["walk"], "held by whom"
    assert second.good(f"%sessions {own_remote.address}").stdout.startswith("name")


def test_sessions_shows_a_busy_one_as_busy(named: tuple[Client, Client], own_remote: Remote, gate: Gate) -> None:
    first, second = named
    cell = first.start(gate.wait)
    second.wait_for(lambda: "busy" in second.good(f"%sessions {own_remote.address}").stdout, 10, "busy")
    gate.open()
    first.finish(cell)


def test_sessions_end_ends_one_by_name(named: tuple[Client, Client], own_remote: Remote) -> None:
    first, second = named
    pid = int(str(first.good("import os; os.getpid()").text))
    assert second.good(f"%sessions {own_remote.address} --end walk").stdout.strip().endswith("has ended.")
    assert wait_until(lambda: pid not in own_remote.processes(), 10)
    assert not rows(second.good(f"%sessions {own_remote.address}").stdout)
    gone = first.run("1")
    assert gone.error is not None
    assert gone.error["ename"] == "SessionGoneError"


@pytest.mark.parametrize("command", ["%sessions {} --end nobody", "%attach nobody {}"])
def test_a_name_that_is_none_is_a_sentence_with_those_that_are(
    named: tuple[Client, Client], own_remote: Remote, command: str
) -> None:
    _first, second = named
    failed = second.run(command.format(own_remote.address))
    assert failed.error is not None
    assert re.search(r"There is .*\bwalk \(", failed.error["evalue"])


def test_sessions_without_a_machine_asks_which(front: Client) -> None:
    failed = front.run("%sessions")
    assert failed.error is not None
    assert "Not connected" in failed.error["evalue"]


# --- %attach


def test_attach_takes_a_session_with_its_variables_its_count_and_its_out(
    named: tuple[Client, Client], own_remote: Remote
) -> None:
    first, second = named
    for number in range(4):
        first.good(f"value = {number}\nvalue * 10")
    taken = second.good(f"%attach walk {own_remote.address}")
    assert taken.stdout.startswith("Attached to walk on ")
    after = second.good("value, Out[5], _")
    assert after.text == "(3, 30, 30)"
    assert after.reply is not None
    assert after.reply["execution_count"] == 6, "the session's own count goes on"


def test_attach_and_code_in_one_cell(named: tuple[Client, Client], own_remote: Remote) -> None:
    first, second = named
    first.good("value = 'there'")
    cell = second.good(f"%attach walk {own_remote.address}\nvalue")
    assert cell.text == "'there'"
    assert second.good("_").text == "'there'"


def test_whoever_had_it_is_told_by_whom_and_can_take_it_back(named: tuple[Client, Client], own_remote: Remote) -> None:
    first, second = named
    first.good("mine = 1")
    second.good(f"%attach walk {own_remote.address}\nmine = 2")
    told = first.run("mine")
    assert told.error is not None
    assert told.error["ename"] == "TakenOverError"
    assert re.search(r"taken over by \S+@\S+ at \d\d:\d\d\. In a notebook, %attach walk takes it", told.error["evalue"])
    first.good("%attach walk")
    assert first.good("mine").text == "2"
    other = second.run("mine")
    assert other.error is not None
    assert other.error["ename"] == "TakenOverError"


def test_a_cell_that_runs_while_it_is_taken_over_goes_on_in_the_attaching_cell(
    named: tuple[Client, Client], own_remote: Remote, gate: Gate
) -> None:
    first, second = named
    running = first.start(f"print('before')\n{gate.wait}print('after')\n'the value'")
    first.wait_output(running, "before\n")
    taking = second.start(f"%attach walk {own_remote.address}\nprint('then this')")
    first.finish(running)
    assert running.error is not None
    assert running.error["ename"] == "TakenOverError"
    second.complete("pri")
    assert not taking.done, "it goes on until the cell has ended"
    gate.open()
    second.finish(taking)
    assert taking.stdout.endswith("after\nthen this\n")
    assert taking.text == "'the value'"


def test_the_stop_button_of_the_attaching_cell_stops_what_runs_there(
    named: tuple[Client, Client], own_remote: Remote
) -> None:
    first, second = named
    running = first.start("import time\nprint('on')\ntime.sleep(600)")
    first.wait_output(running, "on\n")
    taking = second.start(f"%attach walk {own_remote.address}")
    second.wait_output(taking, "Attached")
    assert second.interrupted(taking) < 10
    assert taking.error is not None
    assert taking.error["ename"] == "KeyboardInterrupt"
    assert second.good("1 + 1").text == "2"


def test_a_question_of_a_cell_that_was_taken_over_is_asked_of_the_one_who_took_it(
    named: tuple[Client, Client], own_remote: Remote
) -> None:
    first, second = named
    asking = first.start("name = input('who? ')")
    first.wait_for(lambda: asking.inputs, what="the question")
    second.good("1")
    taking = second.start(f"%attach walk {own_remote.address}\nname", answers=["Ada"])
    assert second.finish(taking).text == "'Ada'"
    assert len(taking.inputs) == 1
    assert taking.inputs[0].content["prompt"] == "who? "


def test_output_of_a_session_that_nobody_had_is_shown_by_the_attaching_cell(
    new_kernel: Callable[..., Kernel], own_remote: Remote, gate: Gate
) -> None:
    first = new_kernel()
    connect(first.first, own_remote, "--name", "walk", "--keep", "1h")
    lines = 5000
    cell = first.first.start(
        f"print('on')\n{gate.wait}for i in range({lines}): print('line', i)\n"
        "display({'text/plain': 'a picture', 'text/html': '<b>a picture</b>'}, raw=True)\n'the value'"
    )
    first.first.wait_output(cell, "on\n")
    first.manager.signal_kernel(9)  # the laptop is gone
    gate.open()
    second = new_kernel().first
    second.wait_for(lambda: "idle" in second.good(f"%sessions {own_remote.address}").stdout, 20, "the end of the cell")
    taking = second.good(f"%attach walk {own_remote.address}")
    head, _newline, rest = taking.stdout.partition("\n")
    assert head.startswith("Attached to walk on ")
    assert "what nobody has seen yet follows" in head
    assert rest.endswith("".join(f"line {i}\n" for i in range(lines)))
    assert [shown["text/html"] for shown in taking.displays] == ["<b>a picture</b>"]
    assert taking.text == "'the value'"


def test_a_notebook_that_left_its_session_sees_in_the_attaching_cell_what_came_meanwhile(
    named: tuple[Client, Client], own_remote: Remote, gate: Gate
) -> None:
    first, second = named
    wait = textwrap.indent(gate.wait, "    ")
    first.good(f"def later():\n{wait}    print('meanwhile')\nimport threading; threading.Thread(target=later).start()")
    first.good("%disconnect")
    failed = first.run("%attach walk")
    assert failed.error is not None
    assert "Not connected" in failed.error["evalue"]
    gate.open()
    seen = first.wait_for
    seen(lambda: "1 message," in second.good(f"%sessions {own_remote.address}").stdout, 10, "what nobody has read yet")
    back = first.good(f"%attach walk {own_remote.address}")
    first.wait_output(back, "meanwhile\n", 5)


def test_attach_to_what_one_has_says_so(named: tuple[Client, Client]) -> None:
    first, _second = named
    first.good("kept = 1")
    assert "already" in first.good("%attach walk").stdout
    assert first.good("kept").text == "1"


def test_attach_ends_a_session_in_which_nothing_was_run(named: tuple[Client, Client], own_remote: Remote) -> None:
    _first, second = named
    connect(second, own_remote, "--name", "empty")
    second.good("%attach walk")
    assert wait_until(lambda: list(rows(second.good("%sessions").stdout)) == ["* walk"], 10)


# --- %replay


def test_replay_shows_again_what_the_last_cell_gave_out(nb: Client) -> None:
    nb.good("print('a line')\nimport sys; print('noise', file=sys.stderr)\ndisplay('shown')\n'value'")
    again = nb.good("%replay")
    assert (again.stdout, again.stderr) == ("a line\n", "noise\n")
    assert [shown["text/plain"] for shown in again.displays] == ["'shown'"]
    assert again.text == "'value'"
    assert nb.good("_").text == "'value'", "it was shown, not run"


def test_replay_of_a_cell_by_its_number(nb: Client) -> None:
    numbers = []
    for word in ("one", "two", "three"):
        cell = nb.good(f"print({word!r})")
        assert cell.reply is not None
        numbers.append(cell.reply["execution_count"])
    assert nb.good(f"%replay {numbers[1]}").stdout == "two\n"
    assert nb.good(f"%replay {numbers[0]}").stdout == "one\n"


def test_replay_shows_an_error_and_is_none(nb: Client) -> None:
    nb.run("1/0")
    again = nb.run("%replay")
    assert again.status == "ok"
    assert [message.content["ename"] for message in again.of("error")] == ["ZeroDivisionError"]


@pytest.mark.parametrize("which", ["99999", "seven", "-1"])
def test_replay_of_what_is_none_is_a_sentence(nb: Client, which: str) -> None:
    failed = nb.run(f"%replay {which}")
    assert failed.error is not None
    assert failed.error["ename"] == "CommandError"


def test_replay_of_a_cell_that_gave_out_nothing_says_so(nb: Client) -> None:
    nb.good("x = 1")
    assert nb.good("%replay").stdout == "It gave out nothing.\n"


# --- %ping


def test_ping_tells_round_trip_load_and_age(nb: Client) -> None:
    line = nb.good("%ping").stdout
    assert re.search(r"round trip \d+\.\d ms, load \d+\.\d\d \d+\.\d\d \d+\.\d\d, session .*\d+ s old", line), line


# --- %restart and the second press


def test_restart_ends_the_python_and_keeps_the_connection(fresh: Client) -> None:
    pid = fresh.good("import os; gone = 1; os.getpid()").text
    fresh.good("%restart")
    failed = fresh.run("gone")
    assert failed.error is not None
    assert failed.error["ename"] == "NameError"
    assert failed.stderr == "", "whoever has asked for it needs no obituary"
    assert fresh.good("import os; os.getpid()").text != pid


# C code that looks for no signal: nothing but the end of its process ends it.
STUBBORN = "print('on')\nsum(range(10**13))"


def test_a_second_press_names_the_way_out_which_works_beside_the_cell(fresh: Client) -> None:
    cell = fresh.start(STUBBORN)
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    assert "%restart" not in cell.stderr
    time.sleep(0.6)  # a press within half a second counts as the same
    fresh.interrupt()
    fresh.wait_output(cell, "%restart")
    time.sleep(0.6)  # likewise
    fresh.interrupt()
    assert cell.stderr.count("%restart") == 1, "once is enough"
    assert fresh.good("%restart", timeout=20).stdout.startswith("A fresh Python runs on ")
    fresh.finish(cell, 10)
    assert cell.error is not None
    assert "was restarted" in cell.error["evalue"]
    assert fresh.good("1 + 1").text == "2"


SWALLOWING = """
import time
print('on')
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print('no')
"""


def test_a_restart_that_comes_as_its_cell_fails_is_done(fresh: Client, gate: Gate) -> None:
    """It may come too late to run beside the cell, and behind an error it would be aborted."""
    failing = fresh.start(f"%%local\n{gate.wait}1/0")  # a local cell: while it runs, nothing is looked at
    restart, queued = fresh.start("%restart"), fresh.start("1")
    gate.open()
    assert [fresh.finish(each).status for each in (failing, restart, queued)] == ["error", "ok", "aborted"]


def test_presses_far_apart_are_no_second_press(fresh: Client) -> None:
    cell = fresh.start(SWALLOWING)
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    time.sleep(3.2)  # what is tested is how far apart two presses are
    fresh.interrupt()
    fresh.wait_for(lambda: cell.stdout.count("no\n") == 2, what="the second interrupt")
    assert "%restart" not in cell.stderr
    fresh.good("%restart", timeout=10)
    fresh.finish(cell, 10)
