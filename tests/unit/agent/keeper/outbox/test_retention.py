"""What the last cells gave out, kept beyond the acknowledgement, and shown again page by page."""

import re
import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rpyc_kernel.agent.keeper.outbox.entries import display_id, likely_display_id
from rpyc_kernel.agent.keeper.outbox.journal import PASSED_BYTES, Journal
from rpyc_kernel.agent.keeper.outbox.replay import replay
from rpyc_kernel.agent.keeper.outbox.retention import MAX_CELLS, Retention
from rpyc_kernel.agent.keeper.outbox.spill import Spill
from rpyc_kernel.agent.wire import Message, about, image_packet, pack
from tests.unit.agent.keeper.outbox.test_journal import DROPPED, counts

EVERYTHING = 1 << 40


@pytest.fixture
def journal():
    return Journal(EVERYTHING)


def acknowledge(journal):
    """Everything that there is was received."""
    while True:
        first, packets = journal.take(EVERYTHING)
        if not packets:
            return
        journal.acknowledge(first + len(packets) - 1)


def test_of_what_show_gave_out_the_first_and_the_last_are_kept(journal):
    """The first says where in the cell they are shown."""
    journal.begin_cell("a", 1)
    for value in range(100):
        kind = "update_display_data" if value else "display_data"
        shown = {"data": {"text/plain": str(value)}, "metadata": {}, "transient": {"display_id": "show-1"}}
        journal.add_picture(image_packet(kind, "a", shown, "image/jpeg", b"\xff\xd8\xff" + _TRANSIENT_OF_NOBODY))
        acknowledge(journal)
    _answer, packets = replay(journal, {"cells": 1})
    assert told(packets) == [("a", "0"), ("a", "99")]


# in the picture, which is the user's, it says nothing
_TRANSIENT_OF_NOBODY = b'"transient":{"display_id":"other"'


def message(msg_type, parent, **content):
    return Message(msg_type, content, parent).encode()


def display(parent, data):
    return message("display_data", parent, data={"text/plain": data}, metadata={}, transient={})


def update(parent, data, name):
    shown = {"data": {"text/plain": data}, "metadata": {}, "transient": {"display_id": name}}
    return message("update_display_data", parent, **shown)


def told(packets):
    """The text of streams, the data of displays, and the type of everything else."""
    found = []
    for each in map(Message.decode, packets):
        data = each.content.get("data", {}).get("text/plain")
        found.append((each.parent, each.content.get("text", data or each.type)))
    return found


def shown(journal, **request):
    """All pages of a replay."""
    request.setdefault("max_bytes", EVERYTHING)
    answer, packets = replay(journal, request)
    while answer["next"] is not None:
        answer, more = replay(journal, {**request, "from": answer["next"]})
        assert more
        packets += more
    return told(packets)


@pytest.fixture
def cells(journal):
    """Three cells; what the first gave out was acknowledged, the second's was given out, the third's wasn't."""
    for number, parent in enumerate("abc", 1):
        journal.begin_cell(parent, number)
        journal.add_text("stdout", parent, f"{parent} prints".encode())
        journal.add_packet(display(parent, f"{parent} shows"), False)
        if number == 1:
            acknowledge(journal)
        elif number == 2:
            journal.take(EVERYTHING)
    return journal


@pytest.mark.parametrize("max_bytes", [1, EVERYTHING])
def test_the_last_cells_are_shown_again_acknowledged_or_not(cells, max_bytes):
    whole = [(parent, f"{parent} {does}") for parent in "abc" for does in ("prints", "shows")]
    for count in (1, 2, 3, 50):
        assert shown(cells, cells=count, max_bytes=max_bytes) == whole[-2 * count :]
    for number in (1, 2, 3):
        assert shown(cells, cell=number, max_bytes=max_bytes) == whole[2 * number - 2 : 2 * number]


def test_nothing_is_given_out_by_it(cells):
    before = (cells.unsent, cells.unread, cells.acknowledged)
    shown(cells, cells=3)
    assert (cells.unsent, cells.unread, cells.acknowledged) == before


def test_an_answer_names_its_cells(cells):
    assert replay(cells, {"cells": 2})[0] == {"next": None, "found": True, "cells": [[2, "b"], [3, "c"]]}
    assert replay(cells, {"cell": 1})[0] == {"next": None, "found": True, "cells": [[1, "a"]]}
    assert replay(cells, {"cell": 7}) == ({"next": None, "found": False, "cells": []}, [])
    assert replay(Journal(1), {"cells": 1}) == ({"next": None, "found": False, "cells": []}, [])


def test_pages_follow_each_other_while_the_kernel_acknowledges(cells):
    found, start = [], 0
    while start is not None:
        answer, packets = replay(cells, {"cells": 3, "from": start, "max_bytes": 1})
        found += told(packets)
        start = answer["next"]
        first, packets = cells.take(1)
        cells.acknowledge(first + len(packets) - 1)
    assert [text for _parent, text in found] == [f"{parent} {does}" for parent in "abc" for does in ("prints", "shows")]


def test_what_lies_on_the_disk_is_shown_too(tmp_path):
    journal = Journal(EVERYTHING, 50_000, Spill(str(tmp_path), 10_000_000, 0))
    journal.listening = False
    journal.begin_cell("a", 1)
    for number in range(500):
        journal.add_packet(display("ab"[number % 2], str(number) + 1000 * " "), False)
    assert journal.spill.count > 300
    found = shown(journal, cells=1, max_bytes=5000)
    assert [text.strip() for _parent, text in found] == [str(number) for number in range(0, 500, 2)]


def test_of_a_cell_that_comes_again_under_its_number_the_last_is_meant(journal):
    for parent in "ab":
        journal.begin_cell(parent, 1)
        journal.add_text("stdout", parent, parent.encode())
    assert shown(journal, cell=1) == [("b", "b")]


def test_only_what_can_be_seen_is_kept(journal):
    journal.begin_cell("a", 1)
    journal.add_packet(message("execute_result", "a", data={"text/plain": "42"}, execution_count=1), False)
    journal.add_packet(message("comm_open", "a", comm_id="c", target_name="t", data={}), False)
    journal.add_packet(message("error", "a", ename="E", evalue="", traceback=[]), False)
    journal.add_packet(message("input_request", "a", prompt="?"), True)
    journal.add_packet(message("execute_reply", "a", status="ok"), True)
    journal.add_packet(b"no message", False)
    journal.add_text("stderr", "z", b"of nobody")
    expected = [("a", "42"), ("a", "error")]
    assert shown(journal, cells=1) == expected
    acknowledge(journal)
    assert shown(journal, cells=1) == expected


def test_of_a_display_the_newest_update_is_kept(journal):
    journal.begin_cell("a", 1)
    journal.add_packet(update("a", "other", "two"), False)
    for number in range(1000):
        journal.add_packet(update("a", str(number), "one"), False)
    acknowledge(journal)
    assert shown(journal, cells=1) == [("a", "other"), ("a", "999")]
    assert journal.retention.size < 2000


@pytest.mark.parametrize("wait", [True, False])
def test_what_was_cleared_is_forgotten(journal, wait):
    journal.begin_cell("a", 1)
    for number in range(3):
        journal.add_packet(message("clear_output", "a", wait=wait), False)
        journal.add_packet(display("a", str(number)), False)
    acknowledge(journal)
    assert shown(journal, cells=1) == [("a", "2")]
    journal.add_packet(message("clear_output", "a", wait=wait), False)
    acknowledge(journal)
    assert shown(journal, cells=1) == ([("a", "2")] if wait else [])
    journal.add_text("stdout", "a", b"text")
    acknowledge(journal)
    assert shown(journal, cells=1) == [("a", "text")]


def test_little_waits_to_be_kept(journal):
    """A cell that replies is not delayed by what a later %replay may want; what waits for that is bounded."""
    for number in range(100):
        journal.begin_cell(str(number), number)
        journal.add_packet(display(str(number), "x" * 2000), False)
        acknowledge(journal)
        assert journal._passed_bytes <= PASSED_BYTES
    assert shown(journal, cell=99) == [("99", "x" * 2000)]


def test_of_one_cell_the_oldest_text_goes_first():
    journal = Journal(EVERYTHING, retention=Retention(100_000))
    journal.begin_cell("small", 1)
    journal.add_packet(display("small", "kept"), False)
    journal.begin_cell("a", 2)
    journal.add_packet(display("a", "kept too"), False)
    whole = ""
    for number in range(0, 50_000, 100):
        lines = "".join(f"line {each}\n" for each in range(number, number + 100))
        whole += lines
        journal.add_text("stdout", "a", lines.encode())
        acknowledge(journal)
        assert journal.retention.size <= 100_000
    assert shown(journal, cell=1) == [("small", "kept")]
    first, marker, *rest = (text for _parent, text in shown(journal, cell=2))
    assert first == "kept too"
    dropped = whole[: -len("".join(rest))]
    assert counts(marker) == (dropped.count("\n"), len(dropped), 1)
    assert dropped + "".join(rest) == whole
    assert len("".join(rest)) > 20_000


def test_then_whole_cells_go():
    journal = Journal(EVERYTHING, retention=Retention(100_000))
    for number in range(1, 21):
        journal.begin_cell(str(number), number)
        journal.add_packet(display(str(number), 10_000 * "x"), False)
        acknowledge(journal)
        assert journal.retention.size <= 100_000
    assert [cell.count for cell in journal.retention.cells.values()] == list(range(12, 21))


def test_of_a_single_cell_that_shows_too_much_the_oldest_goes():
    journal = Journal(EVERYTHING, retention=Retention(100_000))
    journal.begin_cell("a", 1)
    for number in range(50):
        journal.add_packet(display("a", str(number) + 10_000 * " "), False)
        acknowledge(journal)
        assert journal.retention.size <= 100_000
    (_, marker), *rest = shown(journal, cells=1)
    kept = [int(text) for _parent, text in rest]
    assert kept == list(range(kept[0], 50))
    size = sum(len(display("a", str(number) + 10_000 * " ")) for number in range(kept[0]))
    assert marker.startswith(f"[{kept[0]} outputs ({size:,} bytes) dropped here")


def test_one_output_above_the_limit():
    journal = Journal(EVERYTHING, retention=Retention(10_000))
    journal.begin_cell("a", 1)
    journal.add_packet(display("a", 50_000 * "x"), False)
    acknowledge(journal)
    ((_parent, marker),) = shown(journal, cells=1)
    assert marker.startswith("[1 output (")
    Retention(100).begin("a", 1)


def test_a_limit_below_one_marker():
    journal = Journal(EVERYTHING, retention=Retention(100))
    journal.begin_cell("a", 1)
    journal.add_text("stdout", "a", b"x" * 1000)
    acknowledge(journal)
    assert (journal.retention.size, journal.retention.cells) == (0, {})


def test_so_many_cells_are_kept(journal):
    for number in range(MAX_CELLS + 5):
        journal.begin_cell(str(number), number)
        journal.add_text("stdout", str(number), b"text")
        acknowledge(journal)
    assert list(journal.retention.cells) == [str(number) for number in range(5, MAX_CELLS + 5)]
    before = journal.retention.size
    journal.add_text("stdout", "1", b"late")
    acknowledge(journal)
    assert journal.retention.size == before


@pytest.mark.parametrize("parent", ["", "a-b-c", 'an "odd" one', "back\\slash", "back\\", '","content":', "ü😀", "\n"])
@pytest.mark.parametrize("kind", ["display_data", 'x"y'])
@pytest.mark.parametrize("buffers", [[], [b'{"type":"error","parent":"b","content":']])
def test_type_and_parent_are_read_without_the_rest(kind, parent, buffers):
    assert about(Message(kind, {"type": "error", "content": {}}, parent, {"a": 1}, buffers).encode()) == (kind, parent)


@pytest.mark.parametrize(
    "packet", [b"", b"packet", bytes(8), pack({}), pack({"type": "x"}), pack({"type": "x", "parent": "y"})]
)
def test_what_is_no_message_is_of_no_type(packet):
    assert about(packet)[1] in ("", "y")


def test_a_display_id_is_found():
    tricky = {"transient": {"display_id": "wrong"}}
    content = {"data": {"application/json": tricky}, "metadata": tricky, "transient": {"display_id": "right"}}
    packet = Message("update_display_data", content, "a", {"a": 1}).encode()
    assert (display_id(packet), likely_display_id(packet)) == ("right", "right")
    for content in ({}, {"transient": {}}, {"transient": 3}, {"data": {}}):
        packet = Message("update_display_data", content, "a").encode()
        assert (display_id(packet), likely_display_id(packet)) == ("", "")
    assert display_id(b"?") == ""


class Replayed(RuleBasedStateMachine):
    """Cells that give out this and that; what is shown again is what was written, from whatever point it is asked."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal(EVERYTHING, 5000, Spill(self.folder.name, 1 << 20, 0), Retention(8000))
        self.written = {}  # by cell
        self.count = 0
        self.new_cell()

    def teardown(self):
        self.journal.close()
        self.folder.cleanup()

    @rule()
    def new_cell(self):
        self.count += 1
        self.journal.begin_cell(str(self.count), self.count)
        self.written[str(self.count)] = []

    @rule(data=st.data(), times=st.sampled_from([1, 50, 500]))
    def print_text(self, data, times):
        parent = data.draw(st.sampled_from(sorted(self.written)))
        text = f"{self.count}\n" * times
        self.journal.add_text("stdout", parent, text.encode())
        self.written[parent].append(text)

    @rule(data=st.data(), size=st.sampled_from([1, 500, 3000]))
    def show(self, data, size):
        parent = data.draw(st.sampled_from(sorted(self.written)))
        self.journal.add_packet(display(parent, size * "x"), False)
        self.written[parent].append(size * "x")

    @rule(max_bytes=st.integers(0, 5000))
    def take(self, max_bytes):
        self.journal.take(max_bytes)

    @rule(more=st.integers(0, 10))
    def acknowledge(self, more):
        self.journal.acknowledge(self.journal.acknowledged + more)

    @rule(listening=st.booleans())
    def listen(self, listening):
        self.journal.listening = listening

    @rule(max_bytes=st.sampled_from([1, 2000, EVERYTHING]))
    def replay(self, max_bytes):
        for parent, cell in self.journal.retention.cells.items():
            found = shown(self.journal, cell=cell.count, max_bytes=max_bytes)
            assert {each for each, _text in found} <= {parent}
            text = "".join(text for _parent, text in found)
            whole = "".join(self.written[parent])
            if "dropped here" in text:
                last = re.split(r"\[[^\]]* dropped here[^\]]*\]\n", text)[-1]
                assert whole.endswith(last)
                if "output" not in text:
                    assert len(DROPPED.sub("", text)) + counts(text)[1] == len(whole)
            else:
                assert text == whole

    @invariant()
    def it_is_bounded(self):
        retention = self.journal.retention
        assert retention.size <= retention.limit
        assert retention.size == sum(cell.size for cell in retention.cells.values())
        for cell in retention.cells.values():
            assert cell.size == sum(entry.cost for entry in cell.outputs.values())
            assert list(cell.outputs) == sorted(cell.outputs)


TestReplayed = Replayed.TestCase
TestReplayed.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
