"""Each frame is taken once and in order, whichever way it goes, whatever is lost and whatever comes twice."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpyc_kernel.agent.direct.sequence import MAX_KEPT_FRAMES, OVERHEAD_BYTES, Sequence

LIMIT = 1 << 20
ENDS = st.sampled_from((0, 1))


class TwoEnds(RuleBasedStateMachine):
    """Two ends. Messages arrive once and in order; a shortcut loses what is on it, and each end learns of it later."""

    def __init__(self):
        super().__init__()
        self.ends = (Sequence(LIMIT), Sequence(LIMIT))
        self.messages = (deque(), deque())  # to each end: number, acknowledgement, frame
        self.shortcut = (deque(), deque())
        self.knows = [True, True]  # whether each end has noticed the last loss
        self.open = False
        self.unfinished = [False, False]  # whether an interrupt came before the last frame was gone
        self.sent, self.taken = ([], []), ([], [])

    def frame(self, end):
        frame = b"%d from %d" % (len(self.sent[end]), end)
        self.sent[end].append(frame)
        return frame

    @rule(end=ENDS, interrupted=st.booleans())
    def send_in_a_message(self, end, interrupted):
        self.finish(end)
        frame = self.frame(end)
        number = self.ends[end].number(frame, keep=False)
        if not interrupted:
            self.messages[1 - end].append((number, self.ends[end].received, frame))
            self.ends[end].sent()
        else:
            self.unfinished[end] = True

    @precondition(lambda self: self.open or not all(self.knows))
    @rule(end=ENDS)
    def send_by_the_shortcut(self, end):
        """Also by one that is lost already, as long as this end doesn't know."""
        if not self.open and self.knows[end]:
            return
        self.finish(end)
        if self.ends[end].has_room:
            frame = self.frame(end)
            item = self.ends[end].number(frame, keep=True), self.ends[end].received, frame
            self.ends[end].sent()
            if self.open:
                self.shortcut[1 - end].append(item)

    @rule(end=ENDS, by_shortcut=st.booleans())
    def arrive(self, end, by_shortcut):
        queue = (self.shortcut if by_shortcut else self.messages)[end]
        if queue:
            number, received, frame = queue.popleft()
            self.ends[end].acknowledge(received)
            self.ends[end].arrived(number, frame)

    @rule(end=ENDS)
    def take(self, end):
        while self.ends[end].ready:
            self.taken[end].append(self.ends[end].take()[0])

    @precondition(lambda self: self.open)
    @rule()
    def cut(self):
        for queue in self.shortcut:
            queue.clear()
        self.open, self.knows = False, [False, False]

    def finish(self, end):
        if self.unfinished[end]:
            self.send_again(end)

    def send_again(self, end):
        """It may have been done before: an interrupt may have come in between."""
        for number, frame in self.ends[end].unacknowledged(self.unfinished[end]):
            self.messages[1 - end].append((number, self.ends[end].received, frame))
        self.unfinished[end] = False

    @rule(end=ENDS)
    def notice(self, end):
        if not self.open:
            self.send_again(end)
            self.knows[end] = True

    @precondition(lambda self: not self.open and all(self.knows))
    @rule()
    def dial(self):
        self.open = True

    @invariant()
    def what_was_taken_is_what_was_sent_so_far(self):
        for end in (0, 1):
            assert self.taken[end] == self.sent[1 - end][: len(self.taken[end])]

    def teardown(self):
        if self.open:
            self.cut()
        for end in (0, 1):
            self.notice(end)
        for end in (0, 1):
            while self.messages[end]:
                self.arrive(end, by_shortcut=False)
            self.take(end)
            assert self.taken[end] == self.sent[1 - end]


TwoEnds.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestTwoEnds = TwoEnds.TestCase


def test_what_is_not_acknowledged_is_bounded():
    sequence = Sequence(LIMIT)
    for _ in range(MAX_KEPT_FRAMES):
        assert sequence.has_room
        last = sequence.number(b"frame", keep=True)
        sequence.sent()
    assert not sequence.has_room
    sequence.acknowledge(1)
    assert sequence.has_room
    assert [number for number, _frame in sequence.unacknowledged(False)] == list(range(2, last + 1))


def test_a_frame_is_sent_again_only_if_it_was_not_finished():
    sequence = Sequence(LIMIT)
    assert sequence.number(b"frame", keep=False) == 1
    assert sequence.unacknowledged(False) == []
    assert sequence.unacknowledged(True) == [(1, b"frame")]
    sequence.sent()
    assert sequence.unacknowledged(True) == []
    assert sequence.number(b"kept", keep=True) == 2
    assert sequence.unacknowledged(True) == [(2, b"kept")]


def test_what_was_never_sent_is_not_acknowledged():
    with pytest.raises(ValueError, match="never sent"):
        Sequence(LIMIT).acknowledge(1)


@pytest.mark.parametrize("first", [1, 2], ids=["in turn", "before their turn"])
def test_what_nobody_takes_is_bounded(first):
    sequence = Sequence(LIMIT)
    fits = LIMIT // OVERHEAD_BYTES + 1
    for number in range(first, first + fits):
        sequence.arrived(number, b"")
    with pytest.raises(ValueError, match="more than 1 MiB that nobody has asked for, or waits for"):
        sequence.arrived(first + fits, b"")
