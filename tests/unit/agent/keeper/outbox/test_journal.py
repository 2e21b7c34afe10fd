"""The journal: numbers, joining of text, giving out, acknowledging, giving out again; and its bounds."""

import base64
import errno
import os
import re
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpyc_kernel.agent.keeper.outbox.entries import CHUNK_BYTES, OVERHEAD_BYTES
from rpyc_kernel.agent.keeper.outbox.journal import Journal, open_journal
from rpyc_kernel.agent.keeper.outbox.spill import Spill
from rpyc_kernel.agent.wire import Message, image_packet

ALL_BYTES = 1 << 40


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
    assert texts(journal.take(ALL_BYTES)[1]) == seen


def test_text_does_not_join_across_a_message(journal):
    journal.add_text("stdout", "a", b"one")
    journal.add_packet(b"packet", False)
    journal.add_text("stdout", "a", b"two")
    assert len(journal.take(ALL_BYTES)[1]) == 3


def test_long_text_is_cut_between_characters(journal):
    whole = "xä€😀" * CHUNK_BYTES
    journal.add_text("stdout", "a", whole.encode())
    pieces = [text for _name, _parent, text in texts(journal.take(ALL_BYTES)[1])]
    assert "".join(pieces) == whole
    assert all(CHUNK_BYTES - 4 < len(piece.encode()) <= CHUNK_BYTES for piece in pieces[:-1])


def test_joined_text_stays_below_the_chunk(journal):
    for _ in range(5):
        journal.add_text("stdout", "a", b"x" * (CHUNK_BYTES // 2))
    assert [len(text) for *_, text in texts(journal.take(ALL_BYTES)[1])] == [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES // 2]


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
    assert len(journal.take(ALL_BYTES)[1]) == 2


def test_acknowledging_frees(journal):
    journal.add_packet(b"packet 1", False)
    journal.add_text("stdout", "a", b"text")
    journal.add_text("stdout", "a", b"text")
    assert journal.size == 8 + 8 + 2 * OVERHEAD_BYTES
    journal.take(ALL_BYTES)
    journal.acknowledge(1)
    assert (journal.size, journal.unread, journal.acknowledged) == (8 + OVERHEAD_BYTES, 1, 1)
    journal.acknowledge(2)
    assert (journal.size, journal.unread, journal.acknowledged) == (0, 0, 2)


def test_what_was_not_given_out_cannot_be_acknowledged(journal):
    journal.add_packet(b"packet 1", False)
    journal.add_packet(b"packet 2", False)
    journal.take(1)
    journal.acknowledge(2**40)
    assert journal.take(ALL_BYTES) == (2, [b"packet 2"])


def test_an_old_acknowledgement_changes_nothing(journal):
    for _ in range(3):
        journal.add_packet(b"packet", False)
    journal.take(ALL_BYTES)
    journal.acknowledge(2)
    journal.acknowledge(1)
    journal.acknowledge(-5)
    assert (journal.acknowledged, journal.unread) == (2, 1)


def test_after_a_rewind_a_number_stands_for_the_same_message(journal):
    journal.add_text("stdout", "a", b"one")
    journal.add_text("stdout", "b", b"not sent yet")
    before = journal.take(1)
    journal.rewind()
    journal.add_text("stdout", "b", b", and longer")
    assert journal.take(1) == before
    assert texts(journal.take(ALL_BYTES)[1]) == [("stdout", "b", "not sent yet, and longer")]


def test_text_does_not_join_what_was_sent_on_an_earlier_link(journal):
    journal.add_text("stdout", "a", b"one")
    before = journal.take(ALL_BYTES)
    journal.rewind()
    journal.add_text("stdout", "a", b"two")
    assert journal.take(1) == before
    assert texts(journal.take(ALL_BYTES)[1]) == [("stdout", "a", "two")]


def test_it_is_full_at_its_limit_counting_what_messages_cost():
    journal = Journal(3 * OVERHEAD_BYTES)
    for _ in range(2):
        journal.add_packet(b"", False)
        assert not journal.full
    journal.add_packet(b"", False)
    assert journal.full
    journal.take(ALL_BYTES)
    assert journal.full
    journal.acknowledge(1)
    assert not journal.full


def test_nothing_is_journalled_for_no_text(journal):
    journal.add_text("stdout", "a", b"")
    assert journal.unsent == 0


# while nobody listens


def display(parent, serial, size=0):
    return Message("display_data", {"serial": serial, "data": "x" * size}, parent).encode()


def update(display_id, serial, size=0):
    content = {"serial": serial, "data": "x" * size, "transient": {"display_id": display_id}}
    return Message("update_display_data", content, "a").encode()


def all_of(journal):
    """Everything that is given out, acknowledged as it comes."""
    messages = []
    while True:
        first, packets = journal.take(1000)
        if not packets:
            return messages
        messages += [Message.decode(packet) for packet in packets]
        journal.acknowledge(first + len(packets) - 1)


def serials(messages):
    return [each.content["serial"] for each in messages if each.type != "stream"]


DROPPED = re.compile(r"\[([\d,]+) lines? \(([\d,]+) bytes\) dropped here: [^\n]*\]\n")


# pictures of ``show``


def picture(value, display="one", kind="update_display_data"):
    """A message of ``show``; of a hundred bytes of picture."""
    content = {"data": {}, "metadata": {}, "transient": {"display_id": display}}
    return image_packet(kind, "a", content, "image/jpeg", b"\xff\xd8\xff" + bytes([value]) * 100)


def values(packets):
    """The pictures among some messages, by their value; of others their text."""
    found = []
    for packet in packets:
        message = Message.decode(packet)
        data = message.content.get("data", {}).get("image/jpeg")
        found.append(base64.b64decode(data)[3] if data else message.content.get("text", message.type))
    return found


def take_all(journal):
    return values(journal.take(ALL_BYTES)[1])


def test_a_newer_picture_takes_the_place_of_one_that_waits(journal):
    journal.add_picture(picture(0, kind="display_data"))
    for value in range(1, 100):
        journal.add_picture(picture(value))
        journal.add_picture(picture(value + 100, "two"))
    assert journal.unread == 3
    assert take_all(journal) == [0, 99, 199]


def test_its_place_is_that_of_the_older_one_or_text_would_keep_it_back_for_ever(journal):
    journal.add_picture(picture(1))
    journal.add_text("stdout", "a", b"text")
    journal.add_picture(picture(2))
    assert journal.size == journal.unread_bytes + OVERHEAD_BYTES * 2
    assert take_all(journal) == [2, "text"]
    journal.acknowledge(2)
    assert journal.size == 0


def test_one_that_was_given_out_stays(journal):
    journal.add_picture(picture(1))
    journal.take(1)
    journal.add_picture(picture(2))
    assert journal.unread == 2
    journal.rewind()
    assert take_all(journal) == [1, 2]


def test_what_users_update_is_never_replaced_by_others(journal):
    content = {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "one"}}
    own = Message("update_display_data", content, "a").encode()
    for value in (1, 2):
        journal.add_packet(own, False)
        journal.add_picture(picture(value))
    assert take_all(journal) == ["update_display_data", 2, "update_display_data"]


def test_no_picture_is_given_out_while_one_is_under_way(journal):
    journal.add_picture(picture(1))
    assert take_all(journal) == [1]
    journal.add_picture(picture(2))
    assert (journal.held, journal.unsent) == (True, 1)
    assert journal.take(ALL_BYTES) == (2, [])
    journal.add_text("stdout", "a", b"behind it")
    assert journal.take(ALL_BYTES) == (2, [])
    journal.acknowledge(1)
    assert not journal.held
    assert take_all(journal) == [2, "behind it"]


def test_text_before_it_goes_meanwhile(journal):
    journal.add_picture(picture(1))
    take_all(journal)
    journal.add_text("stdout", "a", b"before it")
    journal.add_picture(picture(2))
    assert not journal.held
    assert take_all(journal) == ["before it"]
    assert journal.held


def test_pictures_of_several_displays_go_together(journal):
    for display in "abc":
        journal.add_picture(picture(1, display))
    assert take_all(journal) == [1, 1, 1]
    for display in "abc":
        journal.add_picture(picture(2, display))
    assert take_all(journal) == []
    journal.acknowledge(2)
    assert take_all(journal) == []
    journal.acknowledge(3)
    assert take_all(journal) == [2, 2, 2]


def test_what_somebody_waits_for_takes_the_pictures_before_it_along(journal):
    journal.add_picture(picture(1))
    take_all(journal)
    journal.add_picture(picture(2))
    journal.add_packet(Message("execute_reply", {"status": "ok"}, "a").encode(), True)
    assert not journal.held
    assert take_all(journal) == [2, "execute_reply"]


def test_a_new_link_gets_the_picture_that_was_under_way_and_the_newest(journal):
    journal.add_picture(picture(1))
    take_all(journal)
    for value in (2, 3):
        journal.add_picture(picture(value))
    journal.rewind()
    assert take_all(journal) == [1, 3]


def test_while_nobody_is_there_one_picture_waits_and_it_is_spilled_like_the_rest(tmp_path):
    journal = Journal(1000, 4000, Spill(str(tmp_path), 1 << 20, 0))
    journal.listening = False
    journal.add_picture(picture(0, kind="display_data"))
    for value in range(1, 50):
        journal.add_picture(picture(value))
        journal.add_text("stdout", str(value), b"text %d\n" % value * 50)
    assert journal.spill.count
    journal.listening = True
    found = take_all(journal)
    while more := take_all(journal):
        found += more
    assert [value for value in found if isinstance(value, int)] == [0, 49]
    assert (journal.unread, journal.unsent) == (len(found), 0)


def counts(text):
    """How many lines and bytes the markers in a text stand for, and how many markers there are."""
    found = [[int(number.replace(",", "")) for number in each] for each in DROPPED.findall(text)]
    return sum(lines for lines, _ in found), sum(size for _, size in found), len(found)


def unheard(memory=100_000, folder=None, cap=0, limit=ALL_BYTES):
    journal = Journal(limit, memory, Spill(folder, cap, 0))
    journal.listening = False
    return journal


def lines(first, last):
    return "".join(f"line {number}\n" for number in range(first, last))


@pytest.mark.parametrize("cap", [0, 200_000])
def test_the_oldest_text_is_dropped_and_counted(tmp_path, cap):
    journal = unheard(folder=str(tmp_path), cap=cap)
    whole = lines(0, 200_000)
    for start in range(0, 200_000, 50):
        journal.add_text("stdout", "a", lines(start, start + 50).encode())
        assert journal.in_memory < 110_000 + CHUNK_BYTES
        assert journal.spill.on_disk <= cap
        assert not journal.full
    text = "".join(each.content["text"] for each in all_of(journal))
    marker = DROPPED.match(text)
    tail = text[marker.end() :]
    assert whole.endswith(tail)
    assert len(tail) >= 75_000 - CHUNK_BYTES + cap * 3 // 4
    dropped = whole[: len(whole) - len(tail)]
    assert counts(text) == (dropped.count("\n"), len(dropped), 1)
    assert journal.spill.on_disk == 0


def test_nothing_is_dropped_as_long_as_memory_has_room(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=100_000)
    text = b"a line of the cell\n" * 1000
    for number in range(9):  # three go to the disk at a time, of the second three one finds it full
        journal.add_text("stdout", str(number), text)
    assert journal.spill.count == 5
    assert journal.unread_bytes == 9 * len(text)
    journal.add_text("stdout", "9", text)
    journal.add_text("stdout", "10", text)
    assert counts("".join(each.content["text"] for each in all_of(journal)))[0] >= 1000


def test_while_somebody_listens_nothing_is_dropped(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=100_000, limit=50_000)
    journal.listening = True
    for number in range(3000):
        journal.add_text("stdout", "a", b"x" * 100)
        journal.add_packet(update("d", number), False)
    assert journal.full
    assert journal.unread == 6000
    assert journal.spill.on_disk == 0


def test_what_waits_is_put_where_there_is_room_once_nobody_listens(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=1_000_000)
    journal.listening = True
    for number in range(300):
        journal.add_packet(display("a", number, 1000), False)
    assert journal.spill.on_disk == 0
    journal.listening = False
    assert journal.in_memory < 100_000
    assert serials(all_of(journal)) == list(range(300))


def test_only_text_is_dropped(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=50_000)
    for number in range(60):
        journal.add_text("stdout", "a", b"a line of the cell\n" * 500)
        journal.add_packet(display("a", number, 1000), number % 2 == 0)
    messages = all_of(journal)
    assert serials(messages) == list(range(60))
    gone, _size, markers = counts("".join(each.content["text"] for each in messages if each.type == "stream"))
    kept = sum(each.content["text"].count("a line of the cell") for each in messages if each.type == "stream")
    assert (gone + kept, gone > 20_000, markers <= 60) == (30_000, True, True)


@pytest.mark.needs("posix")
def test_when_others_take_the_disk_not_all_is_dropped_at_once(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=10_000_000)
    for _ in range(1000):
        journal.add_text("stdout", "a", b"a line of the cell\n" * 100)
    spilled = journal.spill.on_disk
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("rpyc_kernel.agent.keeper.outbox.segment.os.pwrite", side_effect=full):
        for _ in range(12):
            journal.add_text("stdout", "a", b"a line of the cell\n" * 100)
    assert spilled - 700_000 < journal.spill.on_disk < spilled  # a segment
    assert journal.in_memory < 100_000
    text = "".join(each.content["text"] for each in all_of(journal))
    assert counts(text)[0] + text.count("a line of the cell") == 101_200


@pytest.mark.parametrize("cap", [0, 200_000])
def test_the_worker_waits_when_nothing_can_be_dropped(tmp_path, cap):
    journal = unheard(folder=str(tmp_path), cap=cap)
    number = 0
    while not journal.full:
        journal.add_packet(display("a", number, 1000), False)
        number += 1
    assert 100_000 + cap * 3 // 4 < number * (len(display("a", 0, 1000)) + OVERHEAD_BYTES) < 120_000 + cap * 1.3
    journal.add_text("stdout", "a", b"what was in the pipe\n" * 100)
    assert journal.full
    messages = all_of(journal)
    assert serials(messages) == list(range(number))
    assert messages[-1].content["text"].startswith("what was in the pipe")
    assert not journal.full


def test_a_message_above_all_limits_is_kept_and_the_text_before_it_too(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=200_000)
    journal.add_text("stdout", "a", b"before\n" * 1000)
    journal.add_packet(display("a", 0, 500_000), False)
    assert journal.full
    text, shown = all_of(journal)
    assert text.content["text"] == "before\n" * 1000
    assert len(shown.content["data"]) == 500_000


def test_the_markers_of_a_run_are_one_for_each_stream_of_each_cell():
    journal = unheard()
    for _ in range(2000):
        for name, parent in [("stdout", "a"), ("stderr", "a"), ("stdout", "b")]:
            journal.add_text(name, parent, b"a line that is dropped\n")
    messages = all_of(journal)
    first = [(each.content["name"], each.parent) for each in messages[:3]]
    assert first == [("stdout", "a"), ("stderr", "a"), ("stdout", "b")]
    assert [counts(each.content["text"])[2] for each in messages[:4]] == [1, 1, 1, 0]
    for name, parent in first:
        text = "".join(
            each.content["text"] for each in messages if (each.content["name"], each.parent) == (name, parent)
        )
        assert counts(text)[0] + text.count("a line that") == 2000


def test_of_one_display_only_the_newest_update_is_kept(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=200_000)
    for number in range(5000):
        journal.add_packet(update(f"display {number % 3}", number, 1000), False)
        assert journal.unread <= 3
    journal.add_packet(display("a", 5000), False)
    assert serials(all_of(journal)) == [4997, 4998, 4999, 5000]
    assert journal.spill.on_disk == 0


def test_an_update_on_the_disk_is_replaced_too(tmp_path):
    journal = unheard(folder=str(tmp_path), cap=1_000_000)
    journal.add_packet(update("one", 0), False)
    for number in range(1, 200):
        journal.add_packet(display("a", number, 1000), False)
    before = journal.unread
    journal.add_packet(update("one", 200), False)
    assert journal.unread == before
    assert serials(all_of(journal)) == list(range(1, 201))


def test_an_update_that_was_given_out_stays():
    journal = unheard()
    journal.add_packet(update("one", 0), False)
    before = journal.take(1)
    journal.rewind()
    journal.add_packet(update("one", 1), False)
    journal.add_packet(update("one", 2), False)
    assert journal.take(1) == before
    assert serials(map(Message.decode, journal.take(ALL_BYTES)[1])) == [2]


def test_many_displays_are_not_all_tracked(tmp_path, monkeypatch):
    monkeypatch.setattr("rpyc_kernel.agent.keeper.outbox.journal.MAX_TRACKED_UPDATES", 10)
    journal = unheard(folder=str(tmp_path), cap=10_000_000)
    for number in range(1000):
        journal.add_packet(update(f"display {number}", number, 1000), False)
    for number in range(1000, 2000):
        journal.add_packet(update(f"display {1999 - number}", number, 1000), False)
    assert sum(len(segment._updates) for segment in journal.spill._segments) <= 10
    assert serials(all_of(journal)) == [*range(990), *range(1000, 2000)]


def test_no_more_than_a_window_is_given_out_without_an_acknowledgement(monkeypatch):
    monkeypatch.setattr("rpyc_kernel.agent.keeper.outbox.journal.WINDOW_BYTES", 5000)
    journal = Journal(ALL_BYTES)
    for number in range(20):
        journal.add_packet(display("a", number, 1000), False)
    first, packets = journal.take(ALL_BYTES)
    assert (first, len(packets)) == (1, 5)
    assert journal.take(ALL_BYTES) == (6, [])
    journal.acknowledge(2)
    assert len(journal.take(ALL_BYTES)[1]) == 2


def test_its_limits_are_those_of_the_session(tmp_path):
    journal = open_journal({"scratch": str(tmp_path / "scratch")})
    assert (journal.limit, journal.memory, journal.spill.cap) == (8 << 20, 32 << 20, 256 << 20)
    assert not journal.listening
    assert not (tmp_path / "scratch").exists()
    assert open_journal({"scratch": None}).spill.cap == 0


class Bounded(RuleBasedStateMachine):
    """A journal with tiny limits, against a plain list of what was written."""

    memory, cap = 5000, 20_000

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal(4000, self.memory, Spill(str(Path(self.folder.name) / "spill"), self.cap, 0))
        self.written = []  # (kind, parent, text or serial)
        self.given = {}  # by number, what it was first
        self.got = []  # in order, as the client has it
        self.acked = self.sent = 0
        self.serial = 0

    @rule(listening=st.booleans())
    def listen(self, listening):
        self.journal.listening = listening

    @precondition(lambda self: not self.journal.full)
    @rule(
        name=st.sampled_from(["stdout", "stderr"]),
        parent=st.sampled_from("ab"),
        word=st.text("xä\n", max_size=9),
        times=st.sampled_from([1, 10, 200]),
    )
    def print_text(self, name, parent, word, times):
        text = word * times
        self.journal.add_text(name, parent, text.encode())
        self.written += [(name, parent, text)] if text else []

    @precondition(lambda self: not self.journal.full)
    @rule(size=st.sampled_from([0, 300, 3000]), urgent=st.booleans())
    def show(self, size, urgent):
        self.serial += 1
        self.journal.add_packet(display("a", self.serial, size), urgent)
        self.written.append(("display", "a", self.serial))

    @precondition(lambda self: not self.journal.full)
    @rule(display_id=st.sampled_from("pq"), size=st.sampled_from([0, 300, 3000]))
    def update(self, display_id, size):
        self.serial += 1
        self.journal.add_packet(update(display_id, self.serial, size), False)
        self.written.append((display_id, "a", self.serial))

    @rule(max_bytes=st.integers(0, 5000))
    def take(self, max_bytes):
        last = self.journal.last
        first, packets = self.journal.take(max_bytes)
        assert first == self.sent + 1
        for number, packet in enumerate(packets, first):
            message = Message.decode(packet)
            assert self.given.setdefault(number, bytes(packet)) == bytes(packet), "a number stands for one message"
            assert number <= last
            if number == len(self.got) + 1:
                self.got.append(message)
        self.sent += len(packets)

    @rule(data=st.data())
    def acknowledge(self, data):
        self.acked = max(self.acked, data.draw(st.integers(0, self.sent)))
        self.journal.acknowledge(self.acked)

    @rule()
    def rewind(self):
        self.journal.rewind()
        self.sent = self.acked

    @invariant()
    def it_counts_right(self):
        journal = self.journal
        seen = list(journal.look(0))
        assert [number for number, _entry in seen] == list(range(self.acked + 1, journal.last + 1))
        assert journal.unread == len(seen)
        assert journal.unread_bytes == sum(len(entry.data) for _number, entry in seen)
        assert journal.size == journal.unread_bytes + OVERHEAD_BYTES * len(seen)
        unsent = [entry for number, entry in seen if number > self.sent]
        assert (journal.unsent, journal.urgent) == (len(unsent), sum(entry.urgent for entry in unsent))
        assert journal.unsent_bytes == sum(len(entry.data) for entry in unsent)
        middle = self.acked + journal.unread // 2
        assert [number for number, _entry in journal.look(middle)] == [n for n, _entry in seen if n >= middle]
        assert journal.spill.on_disk <= self.cap

    def teardown(self):
        self.journal.rewind()
        self.sent = self.acked
        while self.journal.unsent:
            self.take(1000)
            self.journal.acknowledge(self.sent)
            self.acked = self.sent
        assert (self.journal.size, self.journal.in_memory, self.journal.spill.on_disk) == (0, 0, 0)
        self.journal.close()
        self.folder.cleanup()
        fits(self.written, self.got)


def fits(written, got):
    """What came is what was written, but for the text that markers count and for updates that newer ones replaced."""
    # displays, in order, and of the updates the newest
    shown = [each.content["serial"] for each in got if each.type != "stream"]
    assert shown == sorted(shown)
    assert {serial for kind, _, serial in written if kind == "display"} <= set(shown)
    for display_id in "pq":
        serials = [serial for kind, _, serial in written if kind == display_id]
        assert not serials or serials[-1] in shown
    # the text of each stream of each cell between two displays
    for key in [(name, parent) for name in ("stdout", "stderr") for parent in "ab"]:
        before, after = [""], [""]
        for kind, parent, text in written:
            if kind == "display" or (kind in "pq" and text in shown):
                before.append("")
            elif (kind, parent) == key:
                before[-1] += text
        for each in got:
            if each.type != "stream":
                after.append("")
            elif (each.content["name"], each.parent) == key:
                after[-1] += each.content["text"]
        assert len(before) == len(after)
        for whole, rest in zip(before, after, strict=True):
            matches(whole, rest)


def matches(whole, rest):
    """The text with some parts replaced by markers: the kept parts are searched for from the end."""
    parts = DROPPED.split(rest)
    kept, dropped = parts[::3], [int(size.replace(",", "")) for size in parts[2::3]]
    numbers = [int(number.replace(",", "")) for number in parts[1::3]]
    assert whole.endswith(kept[-1])
    position = 0
    data = whole.encode()
    for text, size, count in zip(kept, [*dropped, 0], [*numbers, 0], strict=True):
        piece = text.encode()
        assert data[position : position + len(piece)] == piece
        position += len(piece)
        assert data[position : position + size].count(b"\n") == count
        position += size
    assert position == len(data)


class WithoutDisk(Bounded):
    cap = 0


class OnABadDisk(Bounded):
    """Writes fail, some of them after a part."""

    def __init__(self):
        super().__init__()
        self.left = ALL_BYTES
        self.pwrite = os.pwrite
        self.patch = mock.patch("rpyc_kernel.agent.keeper.outbox.segment.os.pwrite", self.write)
        self.patch.start()

    def write(self, fd, data, place):
        done = self.pwrite(fd, data[: self.left], place) if self.left else 0
        self.left -= done
        if not done:
            raise OSError(errno.ENOSPC, "No space left on device")
        return done

    @rule(left=st.sampled_from([0, 100, 3000, ALL_BYTES]))
    def fill_disk(self, left):
        self.left = left

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.patch.stop()


TestBounded = Bounded.TestCase
TestBounded.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestOnABadDisk = OnABadDisk.TestCase
TestOnABadDisk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOnABadDisk.pytestmark = [pytest.mark.needs("posix")]
TestWithoutDisk = WithoutDisk.TestCase
TestWithoutDisk.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


def test_it_counts_what_gives_messages_other_numbers():
    journal = Journal(1000, 3000)
    journal.listening = False
    update = {"data": {"text/plain": "1"}, "metadata": {}, "transient": {"display_id": "d"}}
    for _twice in range(2):
        journal.add_packet(Message("update_display_data", update, "a").encode(), False)
    assert (journal.unread, journal.moved) == (1, 1)
    for number in range(40):
        journal.add_text(("stdout", "stderr")[number % 2], "a", b"x" * 100)
    assert journal.unread < 41
    assert journal.moved > 1
