"""What decides whether a link is silent: times are given, and nothing waits."""

import math

import pytest

from rpyc_kernel.agent.keeper.safe_stop import FIRST_BEAT_S, MAX_INTERVAL_S, SafeStop

STOP = {"id": 1, "kind": "disconnect", "name": "stop_motors", "after": 0.5}
SLOW = {"id": 2, "kind": "disconnect", "name": "park", "after": 2.0}
DEATH = {"id": 3, "kind": "death", "name": "brake"}


def stops(*told):
    found = SafeStop()
    found.register(list(told or (STOP,)), 0.0)
    return found


def silent(found, looked):
    """What is to run after two looks, as the loop takes them."""
    return found.take_silent(looked) or found.take_silent(looked)


def test_it_runs_once_for_each_silence():
    found = stops()
    found.beat(10.0)
    assert found.due == 10.5
    assert not silent(found, 10.49)
    assert silent(found, 10.5) == [1]
    assert found.due == math.inf
    assert not silent(found, 100.0)
    found.beat(101.0)
    assert silent(found, 101.6) == [1]


def test_a_beat_that_waited_while_the_keeper_was_held_up_counts():
    found = stops()
    found.beat(10.0)
    assert found.take_silent(11.0) == []  # what has come meanwhile is taken before the second look
    assert found.due == 0.0  # at once
    found.beat(11.0)
    assert found.take_silent(11.0) == []
    assert found.take_silent(11.1) == []


def test_each_has_its_own_time_and_beats_come_often_enough_for_the_shortest():
    found = stops(STOP, SLOW)
    assert found.interval == pytest.approx(0.1)
    found.beat(10.0)
    assert silent(found, 10.6) == [1]
    assert not silent(found, 11.9)
    assert silent(found, 12.0) == [2]
    assert stops(SLOW).interval == pytest.approx(0.4)
    assert stops(dict(SLOW, after=3600.0)).interval == MAX_INTERVAL_S


def test_without_a_first_beat_it_counts_from_the_registration():
    found = stops()
    assert not silent(found, FIRST_BEAT_S - 0.1)
    assert silent(found, FIRST_BEAT_S) == [1]
    assert "no heartbeat had come in the 10 s" in found.report({"ran": 1, "began": 10.0}, "pi", "12:00:00")


def test_one_that_is_registered_while_the_link_is_silent_waits_for_a_heartbeat():
    found = stops()
    assert found.beat(10.0), "it was awaited"
    assert not found.beat(10.1)
    assert silent(found, 11.0) == [1]
    assert not found.register([SLOW], 13.0)
    assert not silent(found, 13.1 + FIRST_BEAT_S - 0.2)
    assert found.beat(20.0)
    assert found.register([SLOW, STOP], 20.1)
    assert silent(found, 22.0) == [2, 1]


def test_registering_another_leaves_the_others_as_they_are():
    found = stops()
    found.beat(10.0)
    assert silent(found, 10.6) == [1]
    found.register([STOP, SLOW], 10.7)
    assert silent(found, 12.1) == [2], "the first has run for this silence"


def test_without_functions_no_beats_are_wanted():
    found = stops(STOP, DEATH)
    found.beat(10.0)
    found.register([DEATH], 11.0)
    assert (found.interval, found.due) == (0.0, math.inf)
    found.beat(12.0)
    assert found.heard is None
    assert found.take_dead() == [3]
    assert found.take_dead() == []


def test_the_report_says_who_when_and_how_late():
    found = stops()
    found.beat(10.0)
    assert silent(found, 10.51) == [1]
    text = found.report({"ran": 1, "began": 10.513, "error": ""}, "pi", "12:00:00")
    assert text == "on_disconnect ran stop_motors on pi at 12:00:00, 0.51 s after the last heartbeat.\n"
    assert found.report({"ran": 1, "began": 10.5}, "pi", "12:00:00") == "", "it is told once"


@pytest.mark.parametrize("told", [{}, dict(STOP, after=math.nan), dict(STOP, kind="x"), dict(STOP, id="x"), None])
def test_what_the_agent_has_not_written_is_refused(told):
    with pytest.raises((LookupError, TypeError, ValueError)):
        SafeStop().register([told], 0.0)
