"""Sessions under random cuts, without Jupyter: every message and every request exactly once, in order."""

from __future__ import annotations

from tests.faults.clock import Clock
from tests.faults.cuts import random_cuts, returns

AT_ONCE = 1.0  # seconds until messages flow again
BUSY = 2.0  # seconds more on a machine that does something else meanwhile


def test_random_cuts_lose_double_and_reorder_nothing(clock: Clock, seed: int) -> None:
    count = 10_000 if clock.is_full else 80
    figures = random_cuts(count, seed, sessions=4, say=print)
    print(figures)
    assert not figures.wrong, str(figures)
    assert figures.cuts >= count
    assert figures.requests > figures.cuts / 2  # as many as come about between the cuts


def test_ten_sessions_at_once_under_random_cuts_for_two_minutes(clock: Clock, seed: int) -> None:
    figures = random_cuts(1_000_000, seed, sessions=10, seconds=120 if clock.is_full else 3, say=print)
    print(figures)
    assert not figures.wrong, str(figures)
    assert figures.cuts > 10


def test_messages_flow_again_at_once(clock: Clock, seed: int) -> None:
    """After a cut, and after an outage: nobody waits for a pause between two attempts that has grown long."""
    found = returns(20, clock.number(30), seed, longest=clock(10))
    print(found)
    assert max(found.after_cut) < AT_ONCE + BUSY
    assert max(found.after_refusal) < AT_ONCE + BUSY
    assert sorted(found.after_cut)[len(found.after_cut) // 2] < AT_ONCE
    assert sorted(found.after_refusal)[len(found.after_refusal) // 2] < AT_ONCE
