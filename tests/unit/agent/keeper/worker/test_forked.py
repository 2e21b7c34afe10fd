"""What the keeper and its worker share: the counted pipes, and the page of memory."""

import os

import pytest

from rpyc_kernel.agent import frames

if os.name == "posix":
    from rpyc_kernel.agent.keeper.worker.forked import Page, bytes_in_pipe

pytestmark = pytest.mark.needs("posix")


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

    from rpyc_kernel.agent.keeper.worker.forked import FIONREAD

    assert termios.FIONREAD == FIONREAD
