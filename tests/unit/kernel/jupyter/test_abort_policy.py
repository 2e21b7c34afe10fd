"""Which cells are aborted after an error: those that were sent before it was told."""

import datetime as dt

import pytest

from rpyc_kernel.kernel.jupyter.abort_policy import IN_FLIGHT_S, AbortPolicy, Moment

TOLD = Moment(5, 100.0, dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC))  # the error, when 5 messages had come
BEFORE, AFTER = TOLD.date - dt.timedelta(milliseconds=1), TOLD.date + dt.timedelta(milliseconds=1)
SOON, LATE = TOLD.at + IN_FLIGHT_S / 2, TOLD.at + IN_FLIGHT_S * 2


@pytest.fixture
def policy():
    policy = AbortPolicy()
    policy.replying(TOLD)
    policy.failed()
    return policy


def test_before_any_error_nothing_is_aborted():
    policy = AbortPolicy()
    assert not policy.aborts(1, 0.0, BEFORE)
    policy.replying(TOLD)
    assert not policy.aborts(5, SOON, BEFORE)


@pytest.mark.parametrize("date", [BEFORE, AFTER, None])
def test_what_had_come_when_the_error_was_told_is_aborted_whatever_its_date(policy, date):
    assert policy.aborts(5, TOLD.at - 1, date)


def test_what_comes_just_then_is_aborted_if_it_was_sent_before(policy):
    assert policy.aborts(6, SOON, BEFORE)
    assert not policy.aborts(6, SOON, AFTER)


def test_what_comes_later_runs(policy):
    assert not policy.aborts(6, LATE, BEFORE)


@pytest.mark.parametrize("date", [None, "yesterday", BEFORE.replace(tzinfo=None)])
def test_without_a_date_that_can_be_compared_it_runs(policy, date):
    assert not policy.aborts(6, SOON, date)


def test_it_is_the_reply_with_the_error_that_counts_and_no_later_one(policy):
    policy.replying(Moment(9, 200.0, AFTER))
    assert not policy.aborts(9, 200.0, AFTER)
    policy.failed()
    assert policy.aborts(9, 200.0, AFTER)


def test_behind_a_stopped_debugger_only_the_same_cell_is_aborted(policy):
    assert policy.only is None
    policy.replying(Moment(9, 200.0, AFTER), "breakpoint()")
    assert policy.only is None
    policy.failed()
    assert policy.only == "breakpoint()"
    policy.replying(Moment(12, 300.0, AFTER))
    policy.failed()
    assert policy.only is None
