"""The client's half of a session: alone, then with the keeper's over a link that loses and repeats."""

import contextlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpyc_kernel.agent.keeper.outbox.journal import Journal
from rpyc_kernel.agent.keeper.requests import Requests
from rpyc_kernel.agent.wire import Message, Parts, is_part, part_packet, unpack
from rpyc_kernel.link.state import SequenceError, SessionState

EVERYTHING = 1 << 40


@pytest.fixture
def state():
    state = SessionState()
    state.attached(1, 0)
    return state


def submit(state, *names):
    return [state.submit("execute_request", name, name.encode()) for name in names]


def send_all(state):
    sent = []
    while (submission := state.next_unsent()) is not None:
        state.sent()
        sent.append((submission.number, submission.parent))
    return sent


def test_requests_are_numbered_and_sent_in_order(state):
    first, second = submit(state, "a", "b")
    assert (first.number, first.type, first.parent, first.packet) == (1, "execute_request", "a", b"a")
    assert second.number == 2
    assert send_all(state) == [(1, "a"), (2, "b")]
    assert state.next_unsent() is None


def test_what_was_accepted_is_not_sent_again(state):
    submit(state, "a", "b", "c")
    send_all(state)
    state.accepted(2)
    assert state.next_unsent() is None
    submit(state, "d")
    assert send_all(state) == [(4, "d")]
    state.attached(2, 3)
    assert send_all(state) == [(4, "d")]


def test_what_was_not_accepted_is_sent_again_on_a_new_link(state):
    submit(state, "a", "b", "c")
    send_all(state)
    state.attached(2, 1)
    assert send_all(state) == [(2, "b"), (3, "c")]


def test_what_is_accepted_before_it_was_sent_is_not_sent(state):
    submit(state, "a", "b")
    state.accepted(1)
    assert send_all(state) == [(2, "b")]


def test_a_kernel_that_takes_over_goes_on_with_the_numbers_of_the_session():
    state = SessionState()
    state.attached(3, 7)
    assert submit(state, "a")[0].number == 8


def test_what_was_submitted_before_the_first_link_is_sent_whatever_the_session_has_accepted_of_others():
    state = SessionState()
    submit(state, "a")
    state.attached(3, 7)
    assert send_all(state) == [(8, "a")]


def test_what_is_refused_is_given_up_with_all_its_parts_and_its_numbers_are_free_again(state):
    submit(state, "a")
    for start in (0, 1, 2):
        state.submit("execute_request", "b", b"%d" % start, part=[7, start, 3])
    submit(state, "b")
    state.sent()
    state.accepted(1)
    state.sent()
    state.accepted(2)
    refused = state.next_unsent()
    state.sent()
    state.attached(2, 2)
    assert state.refused(refused)
    assert send_all(state) == [(3, "b")]
    assert state.next_unsent() is None
    assert not state.refused(refused)
    assert submit(state, "c")[0].number == 4


def test_what_was_sent_in_part_has_not_run(state):
    for start in (0, 1):
        state.submit("execute_request", "a", b"%d" % start, part=[7, start, 2])
    state.sent()
    assert not state.was_tried("a")
    state.interrupt("a")
    state.accepted(1)
    assert state.next_interrupt() is None
    state.sent()
    assert state.was_tried("a")
    state.accepted(2)
    assert state.next_interrupt() == "a"


@pytest.mark.parametrize("epoch", [0, 4, 5])
def test_an_epoch_that_is_not_newer_is_refused(epoch):
    state = SessionState()
    state.attached(5, 0)
    with pytest.raises(SequenceError):
        state.attached(epoch, 0)
    assert state.epoch == 5


def test_what_is_taken_back_is_not_sent_and_its_number_is_free_again(state):
    submit(state, "a", "b")
    send_all(state)
    state.withdraw("a")
    state.withdraw("b")
    state.attached(2, 1)  # "a" had arrived, it turns out
    assert state.next_unsent() is None
    submit(state, "c")
    assert send_all(state) == [(2, "c")]


def test_what_is_submitted_after_that_and_before_the_new_link(state):
    submit(state, "a", "b")
    state.withdraw("b")
    state.withdraw("a")
    submit(state, "c", "d")
    state.attached(2, 0)
    assert send_all(state) == [(1, "c"), (2, "d")]
    assert submit(state, "e")[0].number == 3


def test_what_was_never_sent_is_known(state):
    submit(state, "a", "b", "c", "b")
    state.sent()
    assert [state.was_tried(name) for name in "abc"] == [True, False, False]
    state.withdraw("b")
    state.attached(2, 0)
    assert send_all(state) == [(1, "a"), (2, "c")]
    assert submit(state, "d")[0].number == 3


def test_what_was_sent_on_an_earlier_link_was_tried(state):
    """Its acknowledgement may be lost, and it runs."""
    submit(state, "a", "b", "c")
    state.sent()
    state.attached(2, 0)
    assert [state.was_tried(name) for name in "ab"] == [True, False]
    state.withdraw("a")
    assert [state.was_tried(name) for name in "bc"] == [False, False]
    state.attached(3, 1)
    assert send_all(state) == [(2, "b"), (3, "c")]


def test_what_was_accepted_was_tried(state):
    submit(state, "a", "b")
    send_all(state)
    state.accepted(1)
    assert state.was_tried("a")


def test_an_interrupt_waits_until_its_request_is_there(state):
    """Sent before it, it would mean nothing, and the request would run."""
    submit(state, "a", "b")
    state.sent()
    state.accepted(1)
    state.interrupt("b")
    assert state.next_interrupt() is None
    state.interrupt("a")
    state.interrupt("a")
    assert state.next_interrupt() == "a"
    state.interrupted("a")
    assert state.next_interrupt() is None
    state.sent()
    state.attached(2, 1)
    assert state.next_interrupt() is None
    state.accepted(2)
    assert state.next_interrupt() == "b"


def test_after_taking_it_back_an_interrupt_is_still_delivered(state):
    """Whoever pressed stop twice wants the cell to stop; that its acknowledgement was lost changes nothing."""
    submit(state, "a")
    state.interrupt("a")
    state.withdraw("a")
    assert state.next_interrupt() == "a"


def test_the_backlog_is_what_waited_when_the_link_began(state):
    assert state.backlog == 0
    state.attached(2, 0, last=7)
    assert (state.received, state.backlog) == (0, 7)
    other = SessionState()
    other.attached(3, 0, acknowledged=3, last=7)
    assert (other.received, other.backlog) == (3, 7)


def test_messages_that_came_before_are_left_out(state):
    assert state.arrived(1, [b"1", b"2"]) == [b"1", b"2"]
    assert state.arrived(1, [b"1", b"2", b"3"]) == [b"3"]
    assert state.arrived(2, [b"2", b"3"]) == []
    assert state.received == 3


def test_an_empty_answer_changes_nothing(state):
    state.arrived(1, [b"1"])
    assert state.arrived(2, []) == []
    assert state.arrived(1, []) == []
    assert state.received == 1


@pytest.mark.parametrize("packets", [[b"3"], []])
def test_a_gap_is_an_error_and_not_taken_for_received(state, packets):
    state.arrived(1, [b"1"])
    with pytest.raises(SequenceError, match="message 3 came after 1"):
        state.arrived(3, packets)
    assert state.received == 1


class KeeperWithoutProcess:
    """What a keeper does with its plain objects, see keeper/loop.py."""

    def __init__(self):
        self.journal, self.requests = Journal(EVERYTHING), Requests()
        self.epoch = 0
        self.ran = []

    def attach(self, acked):
        self.epoch += 1
        self.journal.acknowledge(acked)
        self.journal.rewind()
        return self.epoch, self.requests.accepted

    def submit(self, epoch, submission):
        if epoch != self.epoch:
            return None
        kept = (submission.number, submission.type, submission.parent, submission.packet)
        taken = self.requests.accept(*kept, True, submission.more.get("part"))
        if taken is not None:
            self.ran.append(submission.parent)
            assert taken.packet == submission.parent.encode()
        return self.requests.accepted

    def pull(self, epoch, acked, max_bytes):
        if epoch != self.epoch:
            return None
        self.journal.acknowledge(acked)
        return self.journal.take(max_bytes)


class Link(RuleBasedStateMachine):
    """A link that breaks. Answers come in order or are lost; requests may come twice, or when another link is there."""

    def __init__(self):
        super().__init__()
        self.state, self.keeper = SessionState(), KeeperWithoutProcess()
        self.written, self.received = [], []  # (name, parent, data) of the worker, and as they came here
        self.submitted, self.given_up, self.taken_back = [], set(), set()
        self.requests, self.strays, self.answers, self.accepted = [], [], [], []
        self.up = False
        self.parts = Parts()
        self.reconnect(False)

    # the worker

    @rule(
        name=st.sampled_from(["stdout", "stderr"]),
        parent=st.sampled_from("ab"),
        text=st.text("xä", min_size=1, max_size=9),
    )
    def print_text(self, name, parent, text):
        self.keeper.journal.add_text(name, parent, text.encode())
        self.written.append((name, parent, text))

    @rule(urgent=st.booleans())
    def publish(self, urgent):
        content = {"serial": len(self.written)}
        self.keeper.journal.add_packet(Message("display_data", content, "a").encode(), urgent)
        self.written.append(("", "a", content))

    @rule(size=st.integers(40, 200), ended=st.booleans(), between=st.booleans())
    def publish_in_parts(self, size, ended, between):
        """A message that is cut; others may come between its parts, and it may be given up in the midst."""
        content = {"serial": len(self.written)}
        packet = Message("display_data", content, "a").encode()
        name = len(self.written) + 1
        for start in range(0, len(packet), size):
            given_up = start + size >= len(packet) and not ended
            numbers = [name, -1 if given_up else start, len(packet)]
            piece = b"" if given_up else packet[start : start + size]
            part = part_packet(numbers, "display_data", "a", piece)
            if between:
                self.print_text("stdout", "b", "between")
            self.keeper.journal.add_packet(part, False)
        if ended:
            self.written.append(("", "a", content))

    # the kernel

    @rule()
    def submit(self):
        name = f"request {len(self.submitted)}"
        self.submitted.append(name)
        self.state.submit("execute_request", name, name.encode())

    @rule(size=st.integers(1, 5))
    def submit_in_parts(self, size):
        name = f"request {len(self.submitted)}"
        self.submitted.append(name)
        for start in range(0, len(name), size):
            part = [len(self.submitted), start, len(name)]
            self.state.submit("execute_request", name, name[start : start + size].encode(), part=part)

    @precondition(lambda self: self.up and self.state.next_unsent())
    @rule()
    def send(self):
        self.requests.append((self.state.epoch, self.state.next_unsent()))
        self.state.sent()

    @precondition(lambda self: self.requests)
    @rule(times=st.integers(1, 2))
    def a_request_comes_there(self, times):
        request = self.requests.pop(0)
        for _ in range(times):
            self.accepted.append(self.keeper.submit(*request))

    @precondition(lambda self: self.up and self.accepted)
    @rule()
    def its_answer_comes_here(self):
        self.state.accepted(self.accepted.pop(0))

    @precondition(lambda self: self.up)
    @rule(max_bytes=st.integers(0, 500))
    def pull(self, max_bytes):
        self.answers.append(self.keeper.pull(self.state.epoch, self.state.received, max_bytes))

    @precondition(lambda self: self.up and self.answers)
    @rule()
    def a_pull_is_answered(self):
        for packet in self.state.arrived(*self.answers.pop(0)):
            whole = packet
            if is_part(packet):
                header, buffers = unpack(packet)
                whole = self.parts.take(header["part"], buffers[0])
                if whole is None:
                    continue
            message = Message.decode(whole)
            name, text = message.content.get("name", ""), message.content.get("text", message.content)
            self.received.append((name, message.parent, text))

    # the link

    @precondition(lambda self: self.up)
    @rule()
    def break_link(self):
        self.strays += self.requests
        self.requests, self.answers, self.accepted = [], [], []
        self.up = False

    @precondition(lambda self: self.strays)
    @rule(data=st.data())
    def a_stray_request_comes_there(self, data):
        stray = self.strays.pop(data.draw(st.integers(0, len(self.strays) - 1)))
        with contextlib.suppress(ValueError):  # one before it hasn't come yet: refused, and nobody hears of it
            self.keeper.submit(*stray)

    @precondition(lambda self: not self.up)
    @rule(lost=st.booleans())
    def reconnect(self, lost):
        epoch, accepted = self.keeper.attach(self.state.received)
        if not lost:
            self.state.attached(epoch, accepted)
            self.up = True

    @precondition(lambda self: self.up and self.submitted)
    @rule(data=st.data())
    def take_back(self, data):
        """A long request is stopped while the link is up: it doesn't run."""
        name = data.draw(st.sampled_from(self.submitted))
        if self.state.take_back(name):
            self.given_up.add(name)
            self.taken_back.add(name)
        assert not self.taken_back & set(self.keeper.ran)

    @precondition(lambda self: not self.up and self.submitted)
    @rule(data=st.data())
    def give_up(self, data):
        name = data.draw(st.sampled_from(self.submitted))
        tried = self.state.was_tried(name)
        self.state.withdraw(name)
        if not tried:
            assert name not in self.keeper.ran
        self.given_up.add(name)

    @invariant()
    def no_request_runs_twice_or_out_of_order(self):
        indexes = [self.submitted.index(name) for name in self.keeper.ran]
        assert indexes == sorted(set(indexes))

    @invariant()
    def every_message_came_once_and_in_order(self):
        received, written = joined(self.received), joined(self.written)
        if received and isinstance(received[-1][2], str):  # a text of which more may come
            *last, text = received.pop()
            assert last == [*written[len(received)][:2]]
            assert written[len(received)][2].startswith(text)
        assert received == written[: len(received)]

    def teardown(self):
        if not self.up:
            self.reconnect(False)
        while self.requests or self.state.next_unsent():
            if not self.requests:
                self.send()
            self.a_request_comes_there(1)
        assert set(self.submitted) - set(self.keeper.ran) <= self.given_up
        assert not self.taken_back & set(self.keeper.ran)
        self.pull(EVERYTHING)
        while self.answers:
            self.a_pull_is_answered()
        assert joined(self.received) == joined(self.written)
        self.keeper.pull(self.state.epoch, self.state.received, 0)
        assert not self.keeper.journal.unread, "what was received is still kept"


def joined(messages):  # texts of one stream and cell as one: where they are cut is nobody's business
    found = []
    for name, parent, data in messages:
        if name and found and found[-1][:2] == (name, parent):
            found[-1] = (name, parent, found[-1][2] + data)
        else:
            found.append((name, parent, data))
    return found


TestLink = Link.TestCase
TestLink.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
