"""How fast the link is, by the time until a picture is acknowledged."""

import pytest

from rpyc_kernel.agent.keeper.link_speed import MIN_MEASURED_BYTES, LinkSpeed


def measured(speed, size, seconds, rtt=0.05, number=1):
    start = 100.0 * number
    speed.left(number, size, rtt, start)
    speed.arrived(number, start + seconds)
    return speed.bytes_per_second


def test_nothing_is_known_at_first():
    speed = LinkSpeed()
    speed.arrived(5, 1.0)
    assert speed.bytes_per_second == 0


def test_the_round_trip_does_not_count():
    assert measured(LinkSpeed(), 50_000, 0.25) == pytest.approx(250_000, rel=0.001)


def test_it_is_measured_now_and_then():
    speed = LinkSpeed()
    measured(speed, 50_000, 0.25)
    speed.left(2, 50_000, 0.0, 100.3)
    assert not speed.waits_for
    speed.left(3, 50_000, 0.0, 101.0)
    assert speed.waits_for
    speed.arrived(3, 101.1)
    assert not speed.waits_for


def test_so_much_may_be_ahead_of_another_picture():
    speed = LinkSpeed()
    assert speed.ahead == 0
    measured(speed, 50_000, 0.25)
    assert speed.ahead == pytest.approx(25_000, rel=0.001)


def test_what_is_small_says_nothing():
    assert measured(LinkSpeed(), MIN_MEASURED_BYTES - 1, 1.0) == 0


def test_an_acknowledgement_of_what_was_before_is_not_the_one():
    speed = LinkSpeed()
    speed.left(5, 50_000, 0.0, 100.0)
    speed.arrived(4, 100.1)
    assert speed.bytes_per_second == 0
    speed.left(9, 500_000, 0.0, 100.2)  # one at a time
    speed.arrived(9, 100.5)
    assert speed.bytes_per_second == pytest.approx(100_000, rel=0.001)


def test_slower_is_believed_half_and_faster_at_once():
    speed = LinkSpeed()
    measured(speed, 100_000, 0.15)
    assert measured(speed, 100_000, 10.05, number=2) == pytest.approx(505_000, rel=0.001)
    assert measured(speed, 100_000, 0.06, number=3) == pytest.approx(10_000_000, rel=0.001)


def test_faster_than_light_is_fast():
    assert measured(LinkSpeed(), 100_000, 0.01) > 1_000_000
