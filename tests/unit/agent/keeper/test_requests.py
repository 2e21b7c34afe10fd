"""Which requests were accepted, which run, and whom output belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.keeper.requests import EXECUTE, MAX_PARENTS, Requests


@pytest.fixture
def requests():
    return Requests()


def accept(requests, number, parent, type=EXECUTE, answered=True):
    return requests.accept(number, type, parent, b"packet " + parent.encode(), answered)


def test_a_request_is_taken_as_it_came(requests):
    request = accept(requests, 1, "a")
    assert (request.number, request.type, request.parent, request.packet) == (1, EXECUTE, "a", b"packet a")
    assert not request.begun
    assert requests.open == {1: request}
    assert requests.accepted == 1


@given(st.lists(st.integers(-1, 12)))
def test_each_number_is_taken_once_and_none_left_out(numbers):
    requests = Requests()
    taken = []
    for number in numbers:
        if number > len(taken) + 1:
            with pytest.raises(ValueError, match=f"request {number} came after {len(taken)}"):
                accept(requests, number, "a")
        elif accept(requests, number, "a"):
            taken.append(number)
        assert requests.accepted == len(taken)
    assert taken == list(range(1, len(taken) + 1))


def test_what_has_no_reply_is_accepted_and_not_open(requests):
    assert accept(requests, 1, "a", "input_reply", answered=False)
    assert requests.open == {}
    assert requests.accepted == 1


def test_a_request_is_open_until_its_end(requests):
    accept(requests, 1, "a")
    accept(requests, 2, "b")
    requests.end(1)
    requests.end(1)
    assert list(requests.open) == [2]


def test_a_request_is_found_by_its_message_until_its_end(requests):
    request = accept(requests, 1, "a")
    assert requests.named("a") is request
    assert requests.named("b") is None
    requests.end(1)
    assert requests.named("a") is None


def test_the_cell_is_the_one_that_has_begun(requests):
    first, _second = accept(requests, 1, "a"), accept(requests, 2, "b")
    accept(requests, 3, "c", "complete_request")
    assert requests.cell is None
    requests.begin(3)
    assert requests.cell is None
    requests.begin(1)
    assert requests.cell is first
    requests.end(1)
    assert requests.cell is None


def test_an_unknown_number_begins_and_ends_nothing(requests):
    requests.begin(7)
    requests.end(7)
    assert requests.cell is None
    assert requests.foreign_parent == ""


def test_output_of_others_belongs_to_the_running_cell_else_to_the_last(requests):
    for number, parent in enumerate("abc", 1):
        accept(requests, number, parent)
    assert requests.foreign_parent == ""
    requests.begin(1)
    assert requests.foreign_parent == "a"
    requests.end(1)
    assert requests.foreign_parent == "a"
    requests.begin(2)
    assert requests.foreign_parent == "b"


def test_a_comm_message_does_not_take_the_output_of_others(requests):
    accept(requests, 1, "a")
    requests.begin(1)
    requests.end(1)
    accept(requests, 2, "b", "comm_msg")
    requests.begin(2)
    assert requests.foreign_parent == "a"


def test_the_parent_of_a_request_is_known_after_its_end(requests):
    accept(requests, 1, "a")
    requests.end(1)
    accept(requests, 2, "b")
    assert (requests.parent_of(1), requests.parent_of(2)) == ("a", "b")


def test_what_was_too_long_ago_belongs_to_the_last_cell_and_memory_is_bounded(requests):
    for number in range(1, MAX_PARENTS + 2):
        accept(requests, number, str(number))
        requests.begin(number)
        requests.end(number)
    assert requests.parent_of(2) == "2"
    assert requests.parent_of(1) == str(MAX_PARENTS + 1)
    assert len(requests._parents) == MAX_PARENTS


def test_with_the_worker_what_it_had_begun_is_lost_and_cells_that_waited_are_not(requests):
    for number, (parent, kind) in enumerate({"a": EXECUTE, "b": EXECUTE, "c": "complete_request"}.items(), 1):
        accept(requests, number, parent, kind)
    requests.begin(1)
    assert [request.parent for request in requests.lost()] == ["a", "c"]
    requests.end(1)
    assert [request.parent for request in requests.lost()] == ["c"]
