"""How much of a transfer is under way: the link is filled, and its queue stays short."""

from __future__ import annotations

import pytest

from rpyc_kernel.link.window import MAX_BLOCK_BYTES, MAX_BYTES, MIN_BYTES, Window


def carry(rate: float, trip: float, seconds: float) -> tuple[float, float]:
    """A link of that many bytes per second, and seconds of a round trip. Returns its rate of the second half of the
    time, and how long a packet of somebody else's would wait in its queue then at most."""
    window, now, line_free, queue = Window(), 0.0, 0.0, []
    arrivals: list[float] = []
    carried, longest = 0, 0.0
    while now < seconds:
        while window.open:
            size = window.block
            window.sent(size, now)
            line_free = max(line_free, now + trip) + size / rate
            arrivals.append(line_free)
        if now > seconds / 2:
            longest = max(longest, line_free - now - trip)
        now = arrivals.pop(0)
        size = window.answered(now)
        if now > seconds / 2:
            carried += size
        queue.append(size)
    return carried / (seconds / 2), longest


@pytest.mark.parametrize("rate", [250e3, 1e6, 10e6, 100e6, 2e9])
@pytest.mark.parametrize("trip", [0.0002, 0.01, 0.1])
def test_the_link_is_filled_and_others_wait_little(rate, trip):
    reached, wait = carry(rate, trip, 20.0)
    assert reached > 0.8 * min(rate, MAX_BYTES / trip)
    assert wait < 0.2 + 2 * MIN_BYTES / rate


def test_bounds():
    window = Window()
    for number in range(1000):
        window.sent(window.block, number)
        window.answered(number)
    assert (window.size, window.block) == (MAX_BYTES, MAX_BLOCK_BYTES)
    for number in range(1000):
        window.sent(window.block, number)
        window.answered(number + 10)
    assert window.size == MIN_BYTES
    assert window.open
