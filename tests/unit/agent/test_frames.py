"""What the keeper and its worker share: packets behind their length, the counted pipes, and the page of memory."""

import os
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent import frames
from rpyc_kernel.agent.frames import LENGTH, LengthFrames

if os.name == "posix":
    from rpyc_kernel.agent.shared_page import Page, bytes_in_pipe

pytestmark = pytest.mark.needs("posix")


def framed(packets):
    return b"".join(LENGTH.pack(len(packet)) + packet for packet in packets)


def pieces_of(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 10_000)))
def test_packets_come_out_however_the_bytes_come_in(packets, cuts):
    taken_apart = LengthFrames(20)
    found = []
    for piece in pieces_of(framed(packets), cuts):
        found += taken_apart.feed(piece)
    assert found == packets


@given(st.lists(st.binary(max_size=20)), st.binary(min_size=1, max_size=20))
def test_a_packet_comes_as_soon_as_it_is_whole_and_no_sooner(packets, last):
    taken_apart = LengthFrames(20)
    assert taken_apart.feed(framed([*packets, last])[:-1]) == packets
    assert taken_apart.feed(last[-1:]) == [last]


@given(st.lists(st.binary(max_size=30)))
def test_whatever_comes_is_packets_or_a_value_error(pieces):
    taken_apart = LengthFrames(25)
    for piece in pieces:
        try:
            packets = taken_apart.feed(piece)
        except ValueError:
            break
        assert all(len(packet) <= 25 for packet in packets)


def test_a_length_above_the_limit_is_refused_at_once():
    with pytest.raises(ValueError, match="a packet of 26 bytes"):
        LengthFrames(25).feed(LENGTH.pack(26))
    assert LengthFrames(25).feed(LENGTH.pack(25)) == []


def test_a_long_packet_that_was_only_announced_costs_nothing():
    tracemalloc.start()
    try:
        assert LengthFrames(1 << 30).feed(LENGTH.pack(1 << 30) + b"x" * 1000) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_what_was_taken_is_freed():
    taken_apart = LengthFrames(1000)
    tracemalloc.start()
    try:
        for _ in range(2000):
            assert taken_apart.feed(framed([b"x" * 1000])) == [b"x" * 1000]
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


# --- the page


def in_a_child(function):
    """Run it in a fork of this process, which the page is shared with."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def read(page, index, data):
    """The keeper reads this from a pipe."""
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
        assert page.read_pipe(index, reader, 100) == data
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.needs("posix")
def test_the_page_is_shared_with_a_fork_and_survives_it():
    page = Page()

    def work():
        if page.counters == (3, 7) and page.interrupt == (3, 4):
            page.hold_partial(frames.STDERR, 9, b"half a line")

    read(page, 0, b"123")
    read(page, 1, b"1234567")
    page.interrupt = (3, 4)
    in_a_child(work)
    assert page.partial == (frames.STDERR, 9, b"half a line")


@pytest.mark.needs("posix")
def test_a_pipe_without_anything_in_it_is_told_and_not_counted():
    page = Page()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        page.read_pipe(0, reader, 100)
    assert page.counters == (0, 0)
    os.close(reader)
    os.close(writer)


@pytest.mark.needs("posix")
def test_a_worker_without_the_read_ends_sees_what_is_in_the_pipes():
    page = Page()
    pipes = [os.pipe(), os.pipe()]
    reads, writes = zip(*pipes, strict=True)
    page.watch(reads)

    def work():
        for fd in reads:
            os.close(fd)
        seen = [page.stamps(writes)]
        os.write(writes[1], b"12345")
        seen.append(page.stamps(writes))
        os.write(writes[0], b"123")
        seen.append(page.stamps(writes))
        page.hold_partial(frames.STDOUT, 1, repr(seen).encode())

    in_a_child(work)
    page.watch_no_more()
    assert page.partial[2] == b"[(0, 0), (0, 5), (3, 5)]"
    assert page.read_pipe(1, reads[1], 100) == b"12345"
    for fd in (*reads, *writes):
        os.close(fd)


def test_the_parts_of_the_page_do_not_overlap():
    page = Page()
    text = b"x" * Page.PARTIAL_MAX
    page.interrupt = (2**32 - 1, 2**32 - 1)
    page.hold_partial(255, 2**32 - 1, text)
    assert page.counters == (0, 0)
    for index in (0, 1):
        read(page, index, b"12345")
    assert page.counters == (5, 5)
    assert page.interrupt == (2**32 - 1, 2**32 - 1)
    assert page.partial == (255, 2**32 - 1, text)
    page.interrupt = (0, 0)
    assert page.counters == (5, 5)
    assert page.partial == (255, 2**32 - 1, text)


def test_a_line_that_was_sent_is_not_held():
    page = Page()
    assert page.partial[0] == 0
    page.hold_partial(frames.STDOUT, 1, b"half")
    page.drop_partial()
    assert page.partial[0] == 0


def test_a_worker_that_writes_nonsense_into_the_page_takes_nothing_along():
    page = Page()
    Page._PARTIAL.pack_into(page._memory, Page._PARTIAL_AT, frames.STDOUT, 1, 2**32 - 1)
    assert len(page.partial[2]) == Page.PARTIAL_MAX


@pytest.mark.needs("posix")
def test_bytes_in_a_pipe_are_counted_from_either_end():
    reader, writer = os.pipe()
    try:
        assert bytes_in_pipe(reader) == bytes_in_pipe(writer) == 0
        os.write(writer, b"12345")
        assert bytes_in_pipe(reader) == bytes_in_pipe(writer) == 5
        os.read(reader, 2)
        assert bytes_in_pipe(writer) == 3
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("number", [0, 2**32 - 1])
def test_a_frame_has_room_for_its_numbers(number):
    packed = frames.FRAME.pack(frames.ENDED, number, number, 2**40, 2**40)
    assert frames.FRAME.unpack(packed) == (frames.ENDED, number, number, 2**40, 2**40)


def test_what_the_link_carries_is_seen_on_the_other_side_and_touches_nothing_else():
    page = Page()
    page.interrupt = (3, 4)
    page.hold_partial(1, 2, b"text")
    assert page.carries == 0
    page.carries = 1 << 40
    assert (page.carries, page.interrupt, page.partial, page.counters) == (1 << 40, (3, 4), (1, 2, b"text"), (0, 0))


@pytest.mark.needs("linux")
def test_how_much_is_in_a_pipe_is_asked_by_the_number_that_this_machine_has():
    import termios

    from rpyc_kernel.agent.shared_page import FIONREAD

    assert termios.FIONREAD == FIONREAD
