"""How long to wait between attempts to reconnect."""

from itertools import islice

from rpyc_kernel.link import backoff
from rpyc_kernel.link.backoff import LAST_DELAY_S, OFTEN_S, SOON_S, delays


def test_the_first_attempt_is_made_at_once():
    assert next(delays()) == 0.0


def test_delays_double_and_stay_short_for_a_while_and_double_again_up_to_the_last(monkeypatch):
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    found = list(islice(delays(first=1.0, often=3.0, soon=12.0, last=10.0), 10))
    assert found == [0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 6.0, 10.0, 10.0, 10.0]


def test_whoever_waits_half_a_minute_sees_the_link_back_within_a_second(monkeypatch):
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    waited, longest = 0.0, []
    for delay in delays():
        waited += delay
        (longest.append(delay) if waited <= SOON_S else None)
        if waited > 600:
            assert delay == LAST_DELAY_S
            break
    assert max(longest) == OFTEN_S < 1


def test_each_is_jittered_by_a_half():
    found = [list(islice(delays(), 60)) for _ in range(50)]
    assert all(LAST_DELAY_S / 2 <= series[-1] <= LAST_DELAY_S for series in found)
    assert len({series[-1] for series in found}) > 10
