"""How long to wait between attempts to reconnect."""

from itertools import islice

from rpyc_kernel.link import backoff
from rpyc_kernel.link.backoff import FIRST, LAST, delays


def test_the_first_attempt_is_made_at_once():
    assert next(delays()) == 0.0


def test_delays_double_up_to_the_last(monkeypatch):
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    assert list(islice(delays(1.0, 5.0), 6)) == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_each_is_jittered_by_a_half():
    longest = [0.0, *(min(FIRST * 2**number, LAST) for number in range(20))]
    found = [list(islice(delays(), 21)) for _ in range(50)]
    for series in found:
        assert all(most / 2 <= delay <= most for delay, most in zip(series, longest, strict=True))
    assert len({series[-1] for series in found}) > 10
