"""When a waiting pull is answered: what is urgent at once, the rest once a pace."""

import pytest

from rpyc_kernel.agent.keeper.outbox.journal import Journal
from rpyc_kernel.agent.keeper.session import MAX_PACE_S, MIN_PACE_S, Pull, due
from rpyc_kernel.agent.wire import image_packet

NOW = 1000.0


@pytest.fixture
def journal():
    return Journal(1 << 20)


def pull(deadline=NOW + 5.0, max_bytes=1000, rtt=0.1):
    return Pull(deadline, max_bytes, rtt)


def test_an_empty_journal_answers_at_the_deadline(journal):
    assert due(pull(), journal, 0.0, NOW) == NOW + 5.0


def test_what_somebody_waits_for_goes_at_once(journal):
    journal.add_text("stdout", "a", b"text")
    journal.add_packet(b"reply", True)
    assert due(pull(), journal, NOW, NOW) == NOW


def test_other_messages_go_a_pace_after_the_last(journal):
    journal.add_packet(b"display", False)
    assert due(pull(rtt=0.1), journal, NOW - 0.04, NOW) == pytest.approx(NOW + 0.06)
    assert due(pull(rtt=0.1), journal, NOW - 0.2, NOW) <= NOW


def test_the_first_message_for_long_goes_at_once(journal):
    journal.add_packet(b"display", False)
    assert due(pull(), journal, 0.0, NOW) <= NOW


def test_a_full_answer_does_not_wait(journal):
    journal.add_text("stdout", "a", b"x" * 999)
    assert due(pull(), journal, NOW, NOW) > NOW
    journal.add_text("stdout", "a", b"x")
    assert due(pull(), journal, NOW, NOW) == NOW


def test_no_answer_is_later_than_the_deadline(journal):
    journal.add_packet(b"display", False)
    assert due(pull(deadline=NOW + 0.01), journal, NOW, NOW) == NOW + 0.01


def test_what_was_given_out_is_no_reason_to_answer(journal):
    journal.add_packet(b"reply", True)
    journal.take(1)
    assert due(pull(), journal, 0.0, NOW) == NOW + 5.0
    journal.rewind()
    assert due(pull(), journal, 0.0, NOW) == NOW


@pytest.mark.parametrize(("rtt", "pace"), [(0.0, MIN_PACE_S), (-1.0, MIN_PACE_S), (0.1, 0.1), (60.0, MAX_PACE_S)])
def test_the_pace_is_the_round_trip_within_bounds(rtt, pace):
    assert pull(rtt=rtt).pace == pace


def picture():
    content = {"data": {}, "metadata": {}, "transient": {"display_id": "one"}}
    return image_packet("update_display_data", "a", content, "image/jpeg", b"\xff\xd8\xff")


def test_where_its_acknowledgement_is_waited_for_the_pull_behind_a_picture_is_answered_at_once(journal):
    journal.add_picture(picture())
    journal.take(1000)
    assert due(pull(), journal, NOW, NOW) == NOW + 5.0
    assert due(pull(), journal, NOW, NOW, measuring=True) == NOW
    journal.add_picture(picture())
    assert due(pull(), journal, NOW, NOW) == NOW
    assert journal.take(1000)[1] == []
    assert due(pull(), journal, NOW, NOW) == NOW + 5.0


def test_on_a_fast_link_another_picture_follows_while_one_is_under_way(journal):
    journal.ahead = 1000
    for _ in range(2):
        journal.add_picture(picture())
        assert due(pull(), journal, NOW - 1.0, NOW) <= NOW
        assert len(journal.take(1000)[1]) == 1
    journal.ahead = 1
    journal.add_picture(picture())
    assert journal.take(1000)[1] == []


def test_a_picture_waits_for_the_one_under_way(journal):
    journal.add_picture(picture())
    journal.take(1000)
    journal.take(1000)
    journal.add_picture(picture())
    journal.add_text("stdout", "a", b"x" * 2000)
    assert due(pull(), journal, 0.0, NOW) == NOW + 5.0
    journal.acknowledge(1)
    assert due(pull(), journal, 0.0, NOW) == NOW


def test_a_picture_goes_as_soon_as_60_a_second_need(journal):
    journal.add_picture(picture())
    assert due(pull(rtt=0.001), journal, NOW - 0.006, NOW) <= NOW
    assert due(pull(rtt=0.001), journal, NOW - 0.001, NOW) == pytest.approx(NOW + 0.004)
    assert due(pull(rtt=0.1), journal, NOW - 0.04, NOW) == pytest.approx(NOW + 0.06)
    journal.take(1)
    journal.add_packet(b"display", False)
    journal.add_picture(picture())
    assert due(pull(rtt=0.001), journal, NOW - 0.006, NOW) > NOW
