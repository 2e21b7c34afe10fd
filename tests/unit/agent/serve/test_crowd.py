"""Who is connected, and who has to go."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.serve.crowd import Crowd


def test_the_oldest_of_the_largest_crowd_goes():
    crowd = Crowd(max_new=4)
    arrivals = [("first", "10.0.0.9"), ("one", "10.0.0.1"), ("two", "10.0.0.1"), ("three", "10.0.0.1")]
    assert [crowd.arrive(name, host, 0.0) for name, host in arrivals] == [None] * 4
    assert crowd.arrive("four", "10.0.0.1", 1.0) == "one"
    assert not crowd.prove("one", "ada")
    assert crowd.prove("first", "bob")
    assert crowd.counts() == {"bob": 1}


def test_who_does_not_prove_itself_in_time_goes():
    crowd = Crowd(timeout=10)
    crowd.arrive("slow", "a", 0.0)
    crowd.arrive("quick", "a", 5.0)
    crowd.prove("quick", "ada")
    assert crowd.due() == 10.0
    assert crowd.overdue(9.9) == []
    assert crowd.overdue(10.0) == ["slow"]
    assert crowd.due() is None
    assert crowd.of_client("ada") == ["quick"]


def test_there_is_room_for_so_many():
    crowd = Crowd(max_proved=1)
    for name in ("one", "two", "three"):
        crowd.arrive(name, "a", 0.0)
    assert crowd.prove("one", "ada")
    assert not crowd.prove("two", "ada")
    crowd.leave("one")
    assert crowd.prove("three", "ada")
    assert crowd.everybody() == ["three"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_a_single_one_is_never_sent_away_for_a_crowd(steps):
    """Whatever comes, there are never more than may be, and a host with less than another one loses nobody."""
    crowd = Crowd(max_new=5, max_proved=4)
    new = {}
    for number, (host, proves) in enumerate(steps):
        before = Counter(new.values())
        leaver = crowd.arrive(number, host, float(number))
        if leaver is not None:
            assert before[new.pop(leaver)] == max(before.values())
        new[number] = host
        if proves and crowd.prove(number, host):
            del new[number]
        elif proves:
            crowd.leave(number)
            new.pop(number)
        assert len(new) <= 5
        assert sum(crowd.counts().values()) <= 4
