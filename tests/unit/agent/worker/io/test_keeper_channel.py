"""The worker's way out: whole frames, lines at once, unfinished ones held where a crash can't take them."""

import os
import threading

import pytest

from rpyc_kernel.agent.frames import FRAME, MESSAGE, STDERR, STDOUT
from rpyc_kernel.agent.worker.interrupts import Interrupts
from rpyc_kernel.agent.worker.io.keeper_channel import PIECE_BYTES, ForkedFrameWriter
from rpyc_kernel.agent.worker.request_context import current

if os.name == "posix":
    from rpyc_kernel.agent.keeper.worker.forked import Page, bytes_in_pipe

pytestmark = pytest.mark.needs("posix")


class Pipes:
    """A frame writer with the keeper's ends of its pipes."""

    def __init__(self, monkeypatch):
        self.page = Page()
        self.interrupts = Interrupts(self.page)
        ends = [os.pipe() for _ in range(3)]
        self.reads, self.writes = map(list, zip(*ends, strict=True))
        self.page.watch(tuple(self.reads[1:]))
        self.at_fork = {}
        monkeypatch.setattr(os, "register_at_fork", lambda **functions: self.at_fork.update(functions))
        self.writer = ForkedFrameWriter(self.writes[0], tuple(self.writes[1:]), self.page, self.interrupts)
        os.set_blocking(self.reads[0], False)

    def frames(self):
        """(kind, request, data) of all that has come."""
        return [frame[:3] for frame in self.stamped()]

    def stamped(self):
        """The same with the two stamps."""
        data = b""
        try:
            while piece := os.read(self.reads[0], 1 << 16):
                data += piece
        except BlockingIOError:
            pass
        found = []
        while data:
            kind, request, length, out, err = FRAME.unpack_from(data)
            found.append((kind, request, data[FRAME.size : FRAME.size + length], out, err))
            assert len(found[-1][2]) == length
            data = data[FRAME.size + length :]
        return found

    def close(self):
        self.page.watch_no_more()
        for fd in (*self.reads, *self.writes, *self.writer._alarm):
            try:
                os.close(fd)
            except OSError:
                pass


@pytest.fixture
def pipes(monkeypatch):
    pipes = Pipes(monkeypatch)
    token = current.set(0)
    pipes.writer.cell = 7
    yield pipes
    current.reset(token)
    pipes.close()


@pytest.fixture
def writer(pipes):
    return pipes.writer


def test_a_line_goes_at_once(pipes, writer):
    writer.write(STDOUT, "wörld\n")
    writer.write(STDERR, "two\nlines\n")
    assert pipes.frames() == [(STDOUT, 7, "wörld\n".encode()), (STDERR, 7, b"two\nlines\n")]


def test_an_unfinished_line_waits_where_a_crash_cannot_take_it(pipes, writer):
    writer.write(STDOUT, "half ")
    writer.write(STDOUT, "a line")
    assert pipes.frames() == []
    assert pipes.page.partial == (STDOUT, 7, b"half a line")


def test_the_end_of_the_line_takes_its_beginning_along(pipes, writer):
    writer.write(STDOUT, "half")
    writer.write(STDOUT, "\n")
    assert pipes.frames() == [(STDOUT, 7, b"half\n")]
    assert pipes.page.partial[0] == 0
    writer.flush()
    assert pipes.frames() == []


@pytest.mark.parametrize(
    ("then", "sent"),
    [
        (lambda writer: writer.write(STDERR, "other\n"), [(STDERR, 7, b"other\n")]),
        (lambda writer: writer.send(MESSAGE, 7, b"message"), [(MESSAGE, 7, b"message")]),
        (lambda writer: writer.flush(), []),
    ],
)
def test_an_unfinished_line_goes_before_whatever_follows(pipes, writer, then, sent):
    writer.write(STDOUT, "half")
    then(writer)
    assert pipes.frames() == [(STDOUT, 7, b"half"), *sent]
    assert pipes.page.partial[0] == 0


def test_lines_of_two_requests_are_not_mixed(pipes, writer):
    writer.write(STDOUT, "of seven")
    current.set(3)
    writer.write(STDOUT, "of three\n")
    assert pipes.frames() == [(STDOUT, 7, b"of seven"), (STDOUT, 3, b"of three\n")]


def test_a_long_unfinished_line_does_not_wait(pipes, writer):
    writer.write(STDOUT, "x" * Page.PARTIAL_MAX)
    assert pipes.frames() == []
    writer.write(STDOUT, "y")
    assert pipes.frames() == [(STDOUT, 7, b"x" * Page.PARTIAL_MAX + b"y")]
    assert pipes.page.partial[0] == 0


def test_an_unfinished_line_sets_off_an_alarm_once(pipes, writer):
    os.set_blocking(writer.alarm, False)
    for text in ("half", " a", " line"):
        writer.write(STDOUT, text)
    assert bytes_in_pipe(writer.alarm) == 1
    writer.disarm()
    assert pipes.frames() == [(STDOUT, 7, b"half a line")]
    assert bytes_in_pipe(writer.alarm) == 0
    writer.write(STDOUT, "again")
    assert bytes_in_pipe(writer.alarm) == 1


def test_a_lone_surrogate_is_printed_as_an_escape(pipes, writer):
    writer.write(STDOUT, "a\ud800b\n")
    assert pipes.frames() == [(STDOUT, 7, b"a\\ud800b\n")]


def test_long_text_comes_in_pieces_that_tear_no_character(pipes, writer):
    text = "x" + "😀" * PIECE_BYTES + "\n"
    found = []

    def read():
        os.set_blocking(pipes.reads[0], True)
        data = b""
        while len(data) < len(text.encode()) + 5 * FRAME.size:
            data += os.read(pipes.reads[0], 1 << 16)
        while data:
            _kind, _request, length, _out, _err = FRAME.unpack_from(data)
            found.append(data[FRAME.size : FRAME.size + length])
            data = data[FRAME.size + length :]

    reader = threading.Thread(target=read)
    reader.start()
    writer.write(STDOUT, text)
    reader.join(10.0)
    assert "".join(piece.decode() for piece in found) == text
    assert all(len(piece) <= PIECE_BYTES for piece in found)


def test_a_frame_is_stamped_with_what_others_had_written(pipes, writer):
    for index, data in enumerate((b"x" * 100, b"x" * 200)):
        os.write(pipes.writes[1 + index], data)
        pipes.page.read_pipe(index, pipes.reads[1 + index], 1000)  # as the keeper does
    os.write(pipes.writes[1], b"12345")
    writer.send(MESSAGE, 7, b"first")
    os.write(pipes.writes[2], b"123")
    writer.send(MESSAGE, 7, b"second")
    assert [frame[3:] for frame in pipes.stamped()] == [(105, 200), (105, 203)]


def test_an_interrupt_does_not_tear_a_frame(pipes, writer, monkeypatch):
    pipes.interrupts.begin(7)
    write = os.write

    def interrupted_write(fd, data):
        if fd == pipes.writes[0] and len(data) > 5:
            pipes.page.interrupt = (pipes.page.interrupt[0] + 1, 7)
            pipes.interrupts._handle(0, None)
            return write(fd, data[:5])
        return write(fd, data)

    monkeypatch.setattr(os, "write", interrupted_write)
    interrupted = 0
    for act in (lambda: writer.write(STDOUT, "line\n"), lambda: writer.send(MESSAGE, 7, b"message")):
        pipes.interrupts._running[7] = 0.0
        try:
            act()
        except KeyboardInterrupt:  # which would end pytest
            interrupted += 1
    monkeypatch.undo()
    assert interrupted == 2
    assert pipes.frames() == [(STDOUT, 7, b"line\n"), (MESSAGE, 7, b"message")]
    assert pipes.interrupts.depth == 0


def test_threads_write_whole_frames(pipes, writer):
    def work(number):
        current.set(number)
        for index in range(50):
            writer.write(STDOUT, f"{index} ")
            writer.write(STDOUT, f"of {number}\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    by_request = {}
    for _kind, request, data in pipes.frames():
        by_request[request] = by_request.get(request, b"") + data
    expected = {number: b"".join(b"%d of %d\n" % (index, number) for index in range(50)) for number in (1, 2, 3)}
    assert by_request == expected


def test_a_forked_child_prints_like_any_program_and_leaves_the_keeper_alone(pipes, writer):
    writer.write(STDOUT, "before ")
    said, saying = os.pipe()
    pipes.at_fork["before"]()
    pid = os.fork()
    if pid == 0:
        try:
            pipes.at_fork["after_in_child"]()
            os.dup2(saying, STDOUT)
            writer.write(STDOUT, "from the child, unfinished")
            writer.send(MESSAGE, 7, b"lost")
            writer.flush()
            os.fstat(pipes.writes[0])
            os.write(saying, b"; it still has the way to the keeper")
        finally:
            os._exit(0)
    pipes.at_fork["after_in_parent"]()
    os.waitpid(pid, 0)
    os.close(saying)
    with os.fdopen(said, "rb") as file:
        assert file.read() == b"from the child, unfinished"
    writer.write(STDOUT, "after\n")
    assert pipes.frames() == [(STDOUT, 7, b"before "), (STDOUT, 7, b"after\n")]


def test_no_other_thread_is_in_the_middle_of_a_frame_at_a_fork(pipes, writer):
    pipes.at_fork["before"]()
    thread = threading.Thread(target=writer.send, args=(MESSAGE, 7, b"message"))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    assert pipes.frames() == []
    pipes.at_fork["after_in_parent"]()
    thread.join(10.0)
    assert pipes.frames() == [(MESSAGE, 7, b"message")]
