"""Frames among what others write to the same pipe: told apart wherever the pipe cuts them."""

import os
import random
import threading

import pytest

from rpyc_kernel.agent import marked_frames
from rpyc_kernel.agent.marked_frames import END, FOREIGN, OURS, Marked, last, new_mark, pieces

MARK = new_mark()


def joined(events):
    """Neighbours of one kind as one, since where they are cut is nobody's business."""
    found = []
    for kind, data in events:
        if found and found[-1][0] == kind == FOREIGN:
            found[-1] = (kind, found[-1][1] + data)
        else:
            found.append((kind, data))
    return found


def apart(data, cut):
    marked = Marked(MARK)
    return joined([event for start in range(0, len(data), cut) for event in marked.feed(data[start : start + cut])])


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 16, 17, 18, 19, 64, 10_000])
def test_wherever_it_is_cut(cut):
    (one,), (nothing,) = pieces(MARK, b"one"), pieces(MARK, b"")
    between = b"between\xff\xff" + MARK[:-1] + bytes([MARK[-1] ^ 1])  # all of a mark but its last byte
    data = b"before" + one + nothing + between + one + last(MARK)
    assert apart(data, cut) == [
        (FOREIGN, b"before"),
        (OURS, b"one"),
        (OURS, b""),
        (FOREIGN, between),
        (OURS, b"one"),
        (END, b""),
    ]


def test_random_mixtures():
    chance = random.Random(7)
    for _ in range(300):
        wanted, data = [], b""
        for _ in range(chance.randrange(1, 12)):
            text = bytes(chance.choices(b"ab\xff" + MARK[:3], k=chance.randrange(1, 40)))
            if chance.random() < 0.5:
                (piece,) = pieces(MARK, text)
                wanted.append((OURS, text))
                data += piece
            else:
                wanted.append((FOREIGN, text))
                data += text
        assert apart(data + last(MARK), chance.randrange(1, 60)) == joined([*wanted, (END, b"")])


@pytest.mark.parametrize("size", [0, 1, 4078, 4079, 100_000])
def test_a_long_frame_is_written_in_pieces_between_which_others_may_write(size):
    frame = os.urandom(size)
    found = list(pieces(MARK, frame))
    assert all(len(piece) <= 4096 for piece in found)
    events = Marked(MARK).feed(b"x".join(found))
    assert b"".join(data for kind, data in events if kind == OURS) == frame
    assert b"".join(data for kind, data in events if kind == FOREIGN) == b"x" * (len(found) - 1)


def test_what_may_begin_a_mark_waits_for_the_rest_and_nothing_else_does():
    marked = Marked(MARK)
    assert marked.feed(b"text") == [(FOREIGN, b"text")]
    assert marked.feed(b"text" + MARK[:5]) == [(FOREIGN, b"text")]
    assert marked.feed(b"!") == [(FOREIGN, MARK[:5] + b"!")]


@pytest.mark.needs("posix")
def test_a_pipe_that_somebody_made_non_blocking_loses_nothing():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = b"".join(pieces(MARK, b"x" * 200_000))
    thread = threading.Thread(
        target=lambda: [marked_frames.write(writer, piece) for piece in pieces(MARK, b"x" * 200_000)]
    )
    thread.start()
    received = b""
    while len(received) < len(data):
        received += os.read(reader, 5000)
    thread.join(10.0)
    os.close(reader)
    os.close(writer)
    assert received == data
