"""How many sessions a server may start, by its environment."""

import threading

import pytest

from rpyc_kernel.agent.session_limit import VARIABLE, LimitError, room_for_one


def test_without_a_limit_nobody_counts():
    for environment in ({}, {VARIABLE: ""}, {VARIABLE: "many"}, {VARIABLE: "0"}):
        with room_for_one(environment, pytest.fail):
            pass


def test_the_last_one_has_room_and_the_next_has_none():
    with room_for_one({VARIABLE: "2"}, lambda: ["one"]):
        pass
    with pytest.raises(LimitError, match="keeps 2 sessions at a time"), room_for_one({VARIABLE: "2"}, lambda: "ab"):
        pytest.fail("there is no room")


def test_two_that_come_at_once_are_counted_one_after_the_other():
    sessions, refused = [], []
    barrier = threading.Barrier(8)

    def start():
        barrier.wait(10)
        try:
            with room_for_one({VARIABLE: "3"}, lambda: list(sessions)):
                sessions.append("one")
        except LimitError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(sessions), len(refused)) == (3, 5)
