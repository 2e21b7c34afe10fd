"""What a link decides, step by step: when it dials, what it asks, and what it tells."""

import pytest

from rpyc_kernel.agent.wire import MAX_MESSAGE
from rpyc_kernel.errors import (
    AgentError,
    LinkLost,
    NoAnswerError,
    NotAdmittedError,
    OneShotError,
    ProtocolError,
    TakenOverError,
)
from rpyc_kernel.link import backoff, protocol
from rpyc_kernel.link.actions import Abort, AllowFrames, Answer, Dial, Fail, Role, Send, StatusChanged
from rpyc_kernel.link.protocol import LinkProtocol, LinkStatus
from tests.unit.link_world import ELSEWHERE, HERE, World

NOW = 1000.0
LOST = LinkLost(HERE, "it broke")
ATTACHED = {"parts": True, "epoch": 1}


class Driver:
    """A protocol, and what it wanted last."""

    def __init__(self, hello=None, attached=ATTACHED, **options):
        self.protocol = LinkProtocol(HERE, "session", **options)
        self.numbers = {}
        self.epoch = 0
        self.hello = hello or {}
        self.attached = attached
        self.opening = self.protocol.open({})

    def take(self, kind=None):
        actions = self.protocol.take_actions()
        self.numbers.update({action.role: action.number for action in actions if isinstance(action, Dial)})
        return [action for action in actions if kind is None or isinstance(action, kind)]

    def connect(self, role=Role.PULLER):
        self.take()
        self.protocol.connected(role, self.numbers[role], self.hello)

    def answer(self, role=Role.PULLER, header=None, took=0.1, now=NOW):
        self.take()
        self.protocol.answered(role, self.numbers[role], header or {}, [], took, now)

    def fail(self, role=Role.PULLER, error=LOST, now=NOW):
        self.take()
        self.protocol.failed(role, self.numbers[role], error, now)

    def attach(self, took=0.1):
        """Connect the puller, and begin a link."""
        self.connect()
        self.epoch += 1
        if self.protocol.status is LinkStatus.NEW:
            self.answer()  # to spawn
        self.answer(header={**self.attached, "epoch": self.epoch}, took=took)


@pytest.fixture
def link(monkeypatch):
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    link = Driver()
    link.attach()
    link.connect(Role.SENDER)
    link.take()
    return link


# opening


def test_a_session_is_started_attached_and_pulled_from():
    link = Driver()
    (dial,) = link.take()
    assert dial == Dial(Role.PULLER, dial.number, HERE, protocol.DIAL_TIMEOUT_S, protocol.HELLO_TIMEOUT_S)
    link.connect()
    sender, spawn = link.take()
    assert (sender.role, spawn.op) == (Role.SENDER, "spawn"), "the sender's connection is dialled meanwhile"
    link.answer()
    (attach,) = link.take()
    assert (attach.op, attach.header["take"], attach.header["attempt"]) == ("attach", True, 1)
    link.answer(header=ATTACHED)
    status, opened, *pulls = link.take()
    assert status == StatusChanged(LinkStatus.UP, None)
    assert opened == Answer(link.opening, ATTACHED, [])
    assert [pull.op for pull in pulls] == ["pull"] * protocol.MAX_PULLS


@pytest.mark.parametrize("error", [LOST, AgentError("no"), ValueError("odd")])
def test_what_can_not_be_opened_is_closed_and_nobody_but_its_opener_is_told_why(error):
    link = Driver()
    link.connect()
    link.fail(error=error)
    told = link.take()
    assert StatusChanged(LinkStatus.CLOSED, None) in told
    ((question, why),) = [action for action in told if isinstance(action, Fail)]
    assert question == link.opening
    assert why is error or isinstance(why, ProtocolError)


def test_a_server_that_serves_one_connection_is_not_asked_for_a_session():
    link = Driver(hello={"server": "OneShotServer"})
    link.connect()
    told = link.take()
    assert [type(action.error) for action in told if isinstance(action, Fail)] == [OneShotError]
    assert not [action for action in told if isinstance(action, (Send, Dial))]


def test_the_messages_of_an_older_session_come_whole():
    link = Driver(attached={"epoch": 1})
    link.connect()
    link.answer()
    link.answer(header={"epoch": 1})
    assert link.take(AllowFrames)[0].size > MAX_MESSAGE


# reconnecting


def test_it_is_dialled_at_once_and_then_at_growing_intervals(link):
    link.fail()
    assert link.take(StatusChanged) == [StatusChanged(LinkStatus.LOST, LOST)]
    now, found = NOW, []
    for _ in range(5):
        now = link.protocol.due(Role.PULLER)
        link.protocol.tick(now - 0.001)
        assert not link.take(Dial), "not before its time"
        link.protocol.tick(now)
        (dial,) = link.take(Dial)
        link.numbers[Role.PULLER] = dial.number
        found.append((round(now - NOW, 3), dial.timeout))
        link.fail(now=now)
    waited = [0.0, 0.1, 0.3, 0.7, 1.5]
    assert [at for at, _timeout in found] == waited
    assert [timeout for _at, timeout in found] == [2.0, 3.0, 4.5, 6.75, 10.0]
    assert link.protocol.failure == "The connection to there:1 was lost: it broke."


def test_who_is_locked_out_is_told_so_once_and_it_is_dialled_on(link):
    error = NotAdmittedError("there:1", "it was forgotten there. Pair with it again.")
    link.fail()
    link.take()
    told = []
    for _ in range(3):
        now = link.protocol.due(Role.PULLER)
        link.protocol.tick(now)
        (dial,) = link.take(Dial)
        link.numbers[Role.PULLER] = dial.number
        link.fail(error=error, now=now)
        told += link.take(StatusChanged)
    assert told == [StatusChanged(LinkStatus.LOST, error)]
    assert link.protocol.due(Role.PULLER) > now


def test_whoever_is_in_a_hurry_has_it_dialled_at_once(link):
    link.protocol.hurry()
    assert not link.take(), "it is up"
    link.fail()
    link.protocol.tick(NOW)
    link.fail()
    link.protocol.hurry()
    (dial,) = link.take(Dial)
    link.numbers[Role.PULLER] = dial.number
    link.protocol.hurry()
    assert not link.take(), "the attempt that is under way goes on"
    link.fail(now=NOW + 1)
    assert link.protocol.due(Role.PULLER) == NOW + 1


def test_a_slow_link_gets_the_time_that_it_needs():
    link = Driver()
    link.attach(took=1.0)
    link.fail()
    link.protocol.tick(NOW)
    assert link.take(Dial)[0].timeout == protocol.MIN_ROUND_TRIPS


def test_a_link_that_comes_back_takes_nothing_over(link):
    link.fail()
    link.protocol.tick(NOW)
    link.connect()
    (attach,) = link.take(Send)
    assert (attach.header["take"], attach.header["attempt"]) == (False, 2)


def test_a_session_that_is_another_kernels_now_is_not_dialled_for():
    link = Driver(title="walk")
    link.attach()
    link.fail(error=TakenOverError(HERE, "ada"))
    ((status, error),) = link.take(StatusChanged)
    assert status is LinkStatus.CLOSED
    assert "In a notebook, %attach walk takes it back" in str(error)
    assert link.protocol.due(Role.PULLER) is None


def test_an_answer_that_is_none_closes_the_link(link):
    link.answer(header={"first": "x"})
    assert isinstance(link.protocol.error, ProtocolError)
    assert link.protocol.status is LinkStatus.CLOSED


@pytest.mark.parametrize("lost", [False, True])
def test_another_way_is_taken_at_once(link, lost):
    if lost:
        link.fail()
        link.protocol.tick(NOW)
        link.take()
    link.protocol.move(ELSEWHERE)
    (abort,) = link.take()
    assert (abort.role, abort.reason) == (Role.PULLER, "it goes another way now")
    link.fail(now=NOW)
    link.protocol.tick(NOW)
    assert link.take(Dial)[0].address == ELSEWHERE


# the sender


def test_the_shortest_round_trip_of_a_link_counts(link):
    assert link.protocol.rtt == 0.1
    for took in (0.05, 0.2):
        link.protocol.submit("execute_request", "a", [(b"a", {})])
        link.answer(Role.SENDER, {"accepted": 1}, took=took)
        assert link.protocol.rtt == 0.05
    link.fail()
    link.protocol.tick(NOW)
    link.attach(took=0.3)
    assert link.protocol.rtt == 0.3


def test_a_request_whose_answer_is_lost_holds_back_those_behind_it_until_the_next_link(link):
    """The keeper may not have it, and would refuse them."""
    for name in "ab":
        link.protocol.submit("execute_request", name, [(name.encode(), {})])
    link.fail(Role.SENDER)
    assert [action.role for action in link.take(Abort)] == [Role.PULLER]
    link.protocol.tick(NOW + 1)
    link.connect(Role.SENDER)
    link.protocol.interrupt("c")
    assert [send.op for send in link.take(Send)] == ["interrupt"]
    link.fail()
    link.protocol.tick(NOW + 1)
    link.attach()
    link.connect(Role.SENDER)
    link.answer(Role.SENDER)
    assert [send.header["parent"] for send in link.take(Send)] == ["a"]


def test_interrupts_go_before_questions_and_questions_before_requests(link):
    link.protocol.submit("execute_request", "a", [(b"a", {})])
    link.protocol.submit("execute_request", "b", [(b"b", {})])
    link.protocol.ask("status", {})
    link.protocol.interrupt("a")  # as soon as it is there
    sent = link.take(Send)
    for answer in ({"accepted": 1}, {}, {}, {"accepted": 2}):
        link.answer(Role.SENDER, answer)
        sent += link.take(Send)
    assert [send.op for send in sent] == ["submit", "interrupt", "status", "submit"]


def test_a_link_in_one_direction_is_none():
    link = Driver(heartbeat=1.0)
    link.attach()
    now, aborts = NOW, []
    for _ in range(11):  # in 1.1 s
        assert not aborts
        link.fail(Role.SENDER, NoAnswerError(HERE, 1.0), now)
        aborts = link.take(Abort)
        now += protocol.REDIAL_S
        link.protocol.tick(now)
    assert [abort.role for abort in aborts] == [Role.PULLER]


def test_a_question_fails_while_the_link_is_down(link):
    first = link.protocol.ask("status", {})
    second = link.protocol.ask("status", {})
    link.fail()
    assert link.take(Fail) == [Fail(first, LOST), Fail(second, LOST)]
    with pytest.raises(LinkLost, match="it broke"):
        link.protocol.ask("status", {})


def test_a_question_that_is_refused_is_no_matter_of_the_link(link):
    question, error = link.protocol.ask("keep", {}), AgentError("no")
    link.take()
    link.protocol.refused(Role.SENDER, link.numbers[Role.SENDER], error, NOW)
    assert link.take() == [Fail(question, error)]
    assert link.protocol.status is LinkStatus.UP


# a server with few threads


def test_pulls_do_not_wait_there_and_come_at_growing_intervals():
    link = Driver(hello={"pooled": True})
    link.attach()
    (pull,) = [send for send in link.take(Send) if send.op == "pull"]
    assert pull.header["wait"] == 0.0
    link.connect(Role.SENDER)
    intervals = []
    for _ in range(20):
        link.answer(header={"first": 1})
        intervals.append(link.protocol.due(Role.PULLER) - NOW)
        link.protocol.tick(link.protocol.due(Role.PULLER))
    assert intervals == sorted(intervals)
    assert intervals[-1] == pytest.approx(protocol.MAX_POLL_S)
    link.answer(header={"first": 1})
    link.protocol.submit("execute_request", "a", [(b"a", {})])
    assert link.protocol.due(Role.PULLER) == 0.0, "its answer is looked for at once"


def test_the_world_settles():
    """The tests of a link and a keeper stand on that."""
    world = World()
    world.kernel.submit()
    world.print_text("a")
    world.settle()
    assert world.worker.ran == world.kernel.submitted
    assert world.kernel.tokens == world.written
