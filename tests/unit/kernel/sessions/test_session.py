"""A session as the notebook has it: what goes in, where everything goes that comes back, and what its verbs do."""

import asyncio
import re
import threading

import pytest

from rpyc_kernel.errors import AgentError, DialError, NotTakenError, TakenOverError, WithdrawnError
from rpyc_kernel.kernel.sessions import session as session_module
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address
from tests.unit.remote_session import Machine, in_loop, settle

DIED = {"text": "was killed by SIGSEGV", "signal": "SIGSEGV"}


@pytest.fixture
def machine():
    return Machine()


# --- requests and their replies


@in_loop
async def test_a_reply_comes_back_to_who_asked(machine):
    first, second = await machine.asks("a"), await machine.asks("b")
    machine.gives("execute_reply", "b", execution_count=2)
    machine.gives("execute_reply", "a", status="error", ename="NameError")
    assert await second == {"status": "ok", "execution_count": 2}
    assert (await first)["ename"] == "NameError"
    assert [call.args[0].parent for call in machine.link.submit.call_args_list] == ["a", "b"]


@in_loop
async def test_what_runs_and_what_waits_behind_it(machine):
    tasks = [await machine.asks("a"), await machine.asks("c", "complete_request"), await machine.asks("b", "comm_msg")]
    assert machine.session.requests.queue() == ["a", "b"]
    assert machine.session.requests.waits("c")
    for task in tasks:
        task.cancel()
    await settle()
    assert not machine.session.requests.waits("c")


@in_loop
async def test_whoever_waits_gets_the_error_for_which_no_reply_will_come(machine):
    first, second, third = [await machine.asks(msg_id) for msg_id in "abc"]
    machine.refuse("b", NotTakenError("pi", "it is full"))
    with pytest.raises(NotTakenError):
        await second
    machine.session.withdraw("c", WithdrawnError("pi"))
    with pytest.raises(WithdrawnError):
        await third
    machine.link.withdraw.assert_called_once_with("c")
    assert not first.done()
    machine.becomes(LinkStatus.CLOSED, TakenOverError("pi", "ada", 0.0, "walk"))
    with pytest.raises(TakenOverError):
        await first
    assert machine.session.closed


@in_loop
async def test_a_reply_that_nobody_waits_for_goes_nowhere(machine):
    machine.gives("execute_reply", "z", status="ok")
    await settle()
    task = await machine.asks("z")
    assert not task.done()
    task.cancel()


@in_loop
async def test_only_a_cell_makes_it_a_used_one(machine):
    (await machine.asks("a", "complete_request")).cancel()
    assert not machine.session.used
    (await machine.asks("b")).cancel()
    assert machine.session.used


# --- what comes back


@in_loop
async def test_output_is_shown_in_its_cell(machine):
    (await machine.asks("a")).cancel()
    machine.gives("stream", "a", name="stdout", text="one\n")
    assert machine.shown == [("stream", "a", {"name": "stdout", "text": "one\n"})]
    machine.host.before.assert_called_once()


@in_loop
async def test_a_question_is_asked_and_its_answer_names_it(machine):
    machine.gives("input_request", "a", prompt="> ", serial=5)
    machine.host.ask.assert_not_called()  # on the link's thread
    await settle()
    session, question = machine.host.ask.call_args.args
    assert session is machine.session
    session.answer(question, {"value": "yes"})
    (answer,) = machine.link.submit.call_args.args
    assert (answer.type, answer.parent, answer.content) == ("input_reply", "a", {"value": "yes", "serial": 5})


def test_it_says_what_it_is_and_believes_no_warning_to_be_more_than_a_line(machine):
    assert machine.session.describe() == "pi"
    machine.link.hello = {"host": "board\x1b[2J", "warnings": ["loginctl\x07 ends it" * 100, 5] * 9}
    machine.gives("session_info", python="3.9.2", shell="IPython 8", cwd="/srv", pid=7)
    assert machine.session.info["pid"] == 7
    assert machine.session.has_python
    described = machine.session.describe()
    assert re.fullmatch(r"board.{1,4}\[2J \(pi\): Python 3\.9\.2, IPython 8, /srv", described)
    assert described.isprintable()
    assert len(machine.session.warnings) == 5
    assert max(map(len, machine.session.warnings)) <= session_module.MAX_WARNING_CHARACTERS
    assert machine.session.title == "01234567"


# --- a session that was taken over


@in_loop
async def test_what_belongs_to_other_notebooks_is_shown_by_the_cell_that_took_it_over(machine):
    machine.session.adopt(by="taker")
    ours = await machine.asks("mine")
    machine.gives("stream", "theirs", name="stdout", text="x")
    machine.gives("stream", "mine", name="stdout", text="y")
    assert [(cell, content["text"]) for _type, cell, content in machine.shown] == [("taker", "x"), ("mine", "y")]
    ours.cancel()


def test_the_backlog_waits_until_the_cell_has_said_what_follows(machine):
    machine.session.adopt(by="taker")
    arrives = threading.Thread(target=machine.gives, args=("stream", "theirs"), kwargs={"backlog": True, "text": "x"})
    arrives.start()
    assert not machine.shown
    machine.session.announce()
    arrives.join(10)
    assert machine.shown == [("stream", "taker", {"text": "x"})]


@in_loop
async def test_the_outcome_of_a_cell_of_another_notebook(machine):
    machine.session.adopt(by="taker")
    machine.link.attached = {"open": [["execute_request", "x"], ["execute_request", "y"], ["complete_request", "c"], 7]}
    assert machine.session.foreign_cells == ["x", "y"]
    machine.gives("execute_reply", "x", status="ok", execution_count=4)
    machine.gives("execute_reply", "long ago", status="ok")
    await settle()
    assert (await machine.session.outcome("x"))["execution_count"] == 4
    waiting = asyncio.create_task(machine.session.outcome("y"))
    await settle()
    machine.gives("execute_reply", "y", status="error")
    assert (await waiting)["status"] == "error"
    forgotten = asyncio.create_task(machine.session.outcome("long ago"))
    await settle()
    assert not forgotten.done()
    forgotten.cancel()


@pytest.mark.parametrize(("told", "count"), [(5, 5), ("5", None), (-1, None), (10**12, None), (None, None)])
def test_the_count_goes_on_from_what_the_session_tells_if_that_can_be(machine, told, count):
    machine.link.attached = {"execution_count": told}
    machine.link.ask.return_value = ({"execution_count": 9}, [])
    assert machine.session.last_count(now=False) == count
    assert machine.session.last_count(now=True) == 9


# --- the ends of its Pythons


@in_loop
async def test_a_cell_whose_python_died_is_answered_with_an_error_and_so_is_what_was_sent_too_early(machine):
    task = await machine.asks("a")
    machine.gives("execute_reply", "a", sealed=True, begun=True, end=DIED, deaths=1)
    reply = await task
    assert (reply["status"], reply["ename"]) == ("error", "WorkerDied")
    assert reply["evalue"].startswith("The Python on pi was killed by SIGSEGV.")
    assert [shown[:2] for shown in machine.shown] == [("error", "a")]
    assert machine.session.deaths == 1
    assert machine.session.refusal(7, 0.0).endswith("it was sent before that was known.")  # seven had arrived
    assert machine.session.refusal(8, 1e9) == ""
    assert machine.session.take_news() == ""


@in_loop
async def test_a_death_between_two_cells_is_told_once(machine):
    machine.gives("worker_died", sealed=True, deaths=1, **DIED)
    assert machine.session.refusal(8, 1e12) == ""
    assert "was killed by SIGSEGV" in machine.session.take_news()
    assert machine.session.take_news() == ""
    machine.gives("worker_died", deaths=2, **DIED)  # the other Python says it itself
    assert machine.session.take_news() == ""
    assert machine.session.deaths == 1


def test_a_restart_ends_with_the_old_python_whose_last_words_its_cell_shows(machine):
    machine.host.runs.side_effect = lambda msg_id: msg_id == "restarter"

    def ask(op, header, timeout=None):
        assert op == "restart"
        machine.gives("stream", "gone", text="atexit")
        machine.gives("worker_died", sealed=True, restart=True, text="was restarted")
        return {}, []

    machine.link.ask.side_effect = ask
    assert machine.session.restart("restarter", threading.Event())
    machine.gives("stream", "gone", text="later")
    assert [(cell, content["text"]) for _type, cell, content in machine.shown] == [
        ("restarter", "atexit"),
        ("gone", "later"),
    ]
    assert machine.session.take_news() == ""


def test_a_restart_that_is_stopped_or_takes_too_long_says_so(machine, monkeypatch):
    cancel = threading.Event()
    cancel.set()
    machine.link.ask.return_value = ({}, [])
    assert not machine.session.restart("restarter", cancel)
    monkeypatch.setattr(session_module, "RESTART_TIMEOUT_S", 0.0)
    assert not machine.session.restart("restarter", threading.Event())


# --- how the link is


@in_loop
async def test_a_cell_that_waits_for_a_lost_link_says_so_in_one_line(machine):
    task = await machine.asks("a")
    lookup = await machine.asks("c", "complete_request")
    machine.becomes(LinkStatus.LOST)
    await settle()
    later = await machine.asks("b")
    assert machine.lines == [("a", "link to pi lost, reconnecting…"), ("b", "link to pi lost, reconnecting…")]
    machine.output.line.reset_mock()
    machine.becomes(LinkStatus.UP)
    await settle()
    assert sorted(machine.lines) == [
        ("a", "link to pi was lost, and is back"),
        ("b", "link to pi was lost, and is back"),
    ]
    machine.becomes(LinkStatus.UP)
    await settle()
    assert len(machine.lines) == 2
    machine.host.changed.assert_called_with(machine.session, LinkStatus.UP)
    for each in (task, later, lookup):
        each.cancel()


# --- open and move


def opened(machine, *, attach=False):
    machine.session.open({"kept": True}, threading.Event(), attach=attach)


def test_it_is_open_once_a_python_is_ready(machine):
    machine.link.open.side_effect = lambda *_args, **_options: machine.gives("session_info", pid=1)
    opened(machine)
    assert machine.session.kept
    machine.link.submit.assert_not_called()
    opened(machine, attach=True)
    assert machine.link.submit.call_args.args[0].type == "session_info_request"


@pytest.mark.parametrize("ended", [True, False])
def test_what_begins_and_dies_is_ended_or_told_to_be_an_orphan(machine, ended):
    def dies(*_args, **_options):
        machine.link.attached = {"deaths": 1}
        machine.gives("stream", text="no module named site")
        machine.gives("worker_died", sealed=True, stillborn=True, deaths=1, **DIED)

    machine.link.open.side_effect = dies
    machine.link.close.return_value = ended
    with pytest.raises(AgentError, match=r"before it could run a cell\.\nno module named site"):
        opened(machine)
    machine.link.close.assert_called_once_with(end=True)
    assert machine.session.orphaned is not ended


def test_one_that_was_taken_over_and_is_busy_is_open_before_it_says_where_it_is(machine):
    machine.link.behind = 5
    opened(machine, attach=True)
    assert machine.session.info == {}


def test_widgets_of_a_session_that_is_ended_are_marked_without_waiting_for_a_front_end(machine):
    """The kernel may be ending, and the page gone: neither would come to its end."""
    waits = []
    machine.output.publish.side_effect = lambda _message, until, **_more: waits.append(not until.is_set())
    machine.link.close.side_effect = lambda *, end: machine.becomes(LinkStatus.CLOSED) is None and end
    machine.gives("comm_open", "a", comm_id="w", target_name="jupyter.widget", data={"state": {"_dom_classes": []}})
    waits.clear()
    assert machine.session.close(end=True)
    assert waits
    assert not any(waits)


def test_a_move_that_fails_is_taken_back(machine):
    there, cancel = Address.parse("board"), threading.Event()
    machine.link.wait_up.side_effect = DialError("board", "nobody listens")
    with pytest.raises(DialError):
        machine.session.move("board", there, cancel)
    assert [call.args for call in machine.link.move.call_args_list] == [(there,), (Address.parse("pi"),)]
    assert machine.session.name == "pi"
    machine.link.wait_up.side_effect = None
    machine.session.move("board", there, cancel)
    assert machine.session.name == "board"


def test_who_keeps_it_is_known_to_have_said_so(machine):
    machine.session.keep(60.0)
    machine.link.ask.assert_called_once_with("keep", {"keep": 60.0})
    assert machine.session.kept
