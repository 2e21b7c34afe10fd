"""The journal: numbers, joining of text, giving out, acknowledging, giving out again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.keeper.journal import CHUNK, OVERHEAD, Journal
from rpyc_kernel.agent.wire import Message

EVERYTHING = 1 << 40


def texts(packets):
    """(stream, parent, text) of each message; (None, None, bytes) of what was a packet."""
    found = []
    for packet in packets:
        if bytes(packet).startswith(b"packet"):
            found.append((None, None, bytes(packet)))
        else:
            message = Message.decode(packet)
            found.append((message.content["name"], message.parent, message.content["text"]))
    return found


@pytest.fixture
def journal():
    return Journal(1000)


def test_numbers_begin_at_one_and_follow_each_other(journal):
    journal.add_packet(b"packet 1", False)
    journal.add_packet(b"packet 2", False)
    assert journal.take(1) == (1, [b"packet 1"])
    assert journal.take(1) == (2, [b"packet 2"])
    assert journal.take(1) == (3, [])


def test_text_of_one_stream_and_cell_joins_until_it_is_sent(journal):
    journal.add_text("stdout", "a", b"one ")
    journal.add_text("stdout", "a", b"two ")
    assert texts(journal.take(1)[1]) == [("stdout", "a", "one two ")]
    journal.add_text("stdout", "a", b"three")
    first, packets = journal.take(1)
    assert (first, texts(packets)) == (2, [("stdout", "a", "three")])


@pytest.mark.parametrize(("name", "parent"), [("stderr", "a"), ("stdout", "b")])
def test_text_of_another_stream_or_cell_does_not_join(journal, name, parent):
    journal.add_text("stdout", "a", b"one")
    journal.add_text(name, parent, b"two")
    journal.add_text("stdout", "a", b"three")
    seen = [("stdout", "a", "one"), (name, parent, "two"), ("stdout", "a", "three")]
    assert texts(journal.take(EVERYTHING)[1]) == seen


def test_text_does_not_join_across_a_message(journal):
    journal.add_text("stdout", "a", b"one")
    journal.add_packet(b"packet", False)
    journal.add_text("stdout", "a", b"two")
    assert len(journal.take(EVERYTHING)[1]) == 3


def test_long_text_is_cut_between_characters(journal):
    whole = "xä€😀" * CHUNK
    journal.add_text("stdout", "a", whole.encode())
    pieces = [text for _name, _parent, text in texts(journal.take(EVERYTHING)[1])]
    assert "".join(pieces) == whole
    assert all(CHUNK - 4 < len(piece.encode()) <= CHUNK for piece in pieces[:-1])


def test_joined_text_stays_below_the_chunk(journal):
    for _ in range(5):
        journal.add_text("stdout", "a", b"x" * (CHUNK // 2))
    assert [len(text) for *_, text in texts(journal.take(EVERYTHING)[1])] == [CHUNK, CHUNK, CHUNK // 2]


def test_what_the_journal_was_given_is_its_own(journal):
    line = bytearray(b"mine")
    journal.add_text("stdout", "a", line)
    line[:] = b"xxxx"
    assert texts(journal.take(1)[1]) == [("stdout", "a", "mine")]


def test_a_take_gives_about_what_was_asked_for(journal):
    for number in range(5):
        journal.add_packet(b"packet %d" % number, False)
    assert len(journal.take(0)[1]) == 1
    assert len(journal.take(9)[1]) == 2
    assert len(journal.take(EVERYTHING)[1]) == 2


def test_acknowledging_frees(journal):
    journal.add_packet(b"packet 1", False)
    journal.add_text("stdout", "a", b"text")
    journal.add_text("stdout", "a", b"text")
    assert journal.size == 8 + 8 + 2 * OVERHEAD
    journal.take(EVERYTHING)
    journal.acknowledge(1)
    assert (journal.size, len(journal.entries), journal.acknowledged) == (8 + OVERHEAD, 1, 1)
    journal.acknowledge(2)
    assert (journal.size, len(journal.entries), journal.acknowledged) == (0, 0, 2)


def test_what_was_not_given_out_cannot_be_acknowledged(journal):
    journal.add_packet(b"packet 1", False)
    journal.add_packet(b"packet 2", False)
    journal.take(1)
    journal.acknowledge(2**40)
    assert journal.take(EVERYTHING) == (2, [b"packet 2"])


def test_an_old_acknowledgement_changes_nothing(journal):
    for _ in range(3):
        journal.add_packet(b"packet", False)
    journal.take(EVERYTHING)
    journal.acknowledge(2)
    journal.acknowledge(1)
    journal.acknowledge(-5)
    assert (journal.acknowledged, len(journal.entries)) == (2, 1)


def test_after_a_rewind_a_number_stands_for_the_same_message(journal):
    journal.add_text("stdout", "a", b"one")
    journal.add_text("stdout", "b", b"not sent yet")
    before = journal.take(1)
    journal.rewind()
    journal.add_text("stdout", "b", b", and longer")
    assert journal.take(1) == before
    assert texts(journal.take(EVERYTHING)[1]) == [("stdout", "b", "not sent yet, and longer")]


def test_text_does_not_join_what_was_sent_on_an_earlier_link(journal):
    journal.add_text("stdout", "a", b"one")
    before = journal.take(EVERYTHING)
    journal.rewind()
    journal.add_text("stdout", "a", b"two")
    assert journal.take(1) == before
    assert texts(journal.take(EVERYTHING)[1]) == [("stdout", "a", "two")]


def test_it_is_full_at_its_limit_counting_what_messages_cost():
    journal = Journal(3 * OVERHEAD)
    for _ in range(2):
        journal.add_packet(b"", False)
        assert not journal.full
    journal.add_packet(b"", False)
    assert journal.full
    journal.take(EVERYTHING)
    assert journal.full
    journal.acknowledge(1)
    assert not journal.full


def test_nothing_is_journalled_for_no_text(journal):
    journal.add_text("stdout", "a", b"")
    assert journal.unsent == 0


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("text"), st.sampled_from(["stdout", "stderr"]), st.sampled_from("ab"), st.text("xä€", max_size=5)
        ),
        st.tuples(st.just("packet"), st.booleans()),
        st.tuples(st.just("take"), st.integers(0, 300)),
        st.tuples(st.just("acknowledge"), st.integers(0, 3)),
        st.tuples(st.just("rewind")),
    ),
    max_size=40,
)


@given(actions)
def test_its_counts_are_those_of_its_entries(steps):
    journal = Journal(1000)
    for kind, *rest in steps:
        if kind == "text":
            journal.add_text(rest[0], rest[1], rest[2].encode())
        elif kind == "packet":
            journal.add_packet(b"packet", rest[0])
        elif kind == "acknowledge":
            journal.acknowledge(journal.acknowledged + rest[0])
        else:
            getattr(journal, kind)(*rest)
        entries = list(journal.entries)
        unsent = entries[journal.sent :]
        assert journal.size == sum(len(entry.data) + OVERHEAD for entry in entries)
        assert journal.unsent == len(unsent)
        assert journal.urgent == sum(entry.urgent for entry in unsent)
        assert journal.unsent_bytes == sum(len(entry.data) for entry in unsent)
        assert journal.full == (journal.size >= 1000)
