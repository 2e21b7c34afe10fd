"""Deadlines, by a clock that the test sets."""

import threading

import pytest

from rpyc_kernel.transport.deadline import MIN_HEARD_BYTES, POLL_INTERVAL_S, Deadline, Silence


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(Deadline, "clock", lambda *_self: now[0])
    return now


def test_it_is_over_when_its_time_is(clock):
    deadline = Deadline(2)
    assert (deadline.left(), deadline.expired) == (2, False)
    clock[0] += 3
    assert (deadline.left(), deadline.expired) == (0, True)


def test_without_a_time_it_has_no_end(clock):
    deadline = Deadline(None)
    clock[0] += 1e9
    assert (deadline.left(), deadline.slice(), deadline.expired) == (None, None, False)


@pytest.mark.parametrize(
    ("timeout", "cancel", "longest", "expected"),
    [
        (2, None, None, 2),
        (2, threading.Event(), None, POLL_INTERVAL_S),
        (POLL_INTERVAL_S / 2, threading.Event(), None, POLL_INTERVAL_S / 2),
        (None, threading.Event(), None, POLL_INTERVAL_S),
        (2, None, 0.2, 0.2),
        (0.1, None, 0.2, 0.1),
        (None, None, 0.2, 0.2),
    ],
)
@pytest.mark.usefixtures("clock")
def test_a_slice_is_what_is_left_or_what_others_must_be_looked_for_in(timeout, cancel, longest, expected):
    assert Deadline(timeout, cancel).slice(longest) == expected


def test_a_part_ends_with_the_whole_and_is_cancelled_with_it(clock):
    cancel = threading.Event()
    whole = Deadline(2, cancel)
    assert (whole.part(1).left(), whole.part(3).left()) == (1, 2)
    cancel.set()
    assert whole.part(1).cancelled
    clock[0] += 2
    assert whole.part(1).expired


def test_a_silence_begins_anew_with_enough_bytes(clock):
    silence = Silence(2)
    clock[0] += 1
    silence.heard(MIN_HEARD_BYTES - 1)
    assert silence.left() == 1
    silence.heard(1)
    assert silence.left() == 2
