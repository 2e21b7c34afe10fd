"""The frames of a live connection by both ways at once: by messages, and by shortcuts that are cut."""

from __future__ import annotations

import queue
import socket
import threading
import time

import pytest

from rpyc_kernel.agent.direct.live_frames import LiveFrames
from rpyc_kernel.agent.direct.shortcut import MAX_FRAME_BYTES, Shortcut

PATIENCE_S = 20.0  # of a test
LIMIT = 1 << 30


class End:
    """One end: its frames, and what it has sent in messages, which another thread brings to the other end."""

    def __init__(self, patience=PATIENCE_S):
        self.messages = queue.SimpleQueue()
        self.by_message = self.losses = 0
        self.frames = LiveFrames(self.submit, self.lost, patience, LIMIT)

    def submit(self, number, received, frame):
        self.by_message += 1
        self.messages.put((number, received, frame, 0))

    def lost(self):
        self.losses += 1
        self.messages.put(None)

    def take(self):
        """Wait for the next frame."""
        until = time.monotonic() + PATIENCE_S
        while not self.frames.ready:
            assert time.monotonic() < until
            self.frames.wait(PATIENCE_S)
        return self.frames.take()[0]

    def notice(self):
        """Wait until it has noticed that the shortcut is lost."""
        until = time.monotonic() + PATIENCE_S
        while not self.losses:
            assert time.monotonic() < until
            self.frames.wait(PATIENCE_S)

    def bring(self, other):
        """Bring what was sent in messages to the other end, until there is no more."""
        while True:
            try:
                message = self.messages.get(block=False)
            except queue.Empty:
                return
            if message is not None:
                other.frames.take_message(*message)


@pytest.fixture
def ends():
    here, there = End(), End()
    yield here, there
    for end in (here, there):
        end.frames.close()


def interrupted(*_args):
    raise KeyboardInterrupt


def shorten(here, there):
    """Give the two a shortcut; only the first knows that the other one uses it."""
    near, far = socket.socketpair()
    there.frames.open(far, b"", speaks=False)
    return here.frames.open(near, b"", speaks=True)


def test_without_a_shortcut_all_goes_in_messages(ends):
    here, there = ends
    assert not here.frames.send(b"frame", short=True)
    here.bring(there)
    assert there.take() == b"frame"


def test_short_frames_go_by_the_shortcut(ends):
    here, there = ends
    shorten(here, there)
    assert here.frames.send(b"question", short=True)
    assert there.take() == b"question"
    assert there.frames.send(b"answer", short=True)
    assert here.take() == b"answer"
    assert here.by_message == there.by_message == 0


def test_who_has_heard_nothing_by_a_shortcut_does_not_use_it(ends):
    here, there = ends
    shorten(here, there)
    assert not there.frames.send(b"event", short=True), "the other end may have given up dialling"


@pytest.mark.parametrize(
    ("frame", "short"), [(b"behind something", False), (bytes(MAX_FRAME_BYTES + 1), True)], ids=["not short", "long"]
)
def test_what_goes_in_a_message_is_not_overtaken(ends, frame, short):
    here, there = ends
    shorten(here, there)
    assert not here.frames.send(frame, short=short)
    assert here.frames.send(b"next", short=True)
    there.frames.wait(PATIENCE_S)
    assert not there.frames.ready
    here.bring(there)
    assert (there.take(), there.take()) == (frame, b"next")


def test_what_was_lost_with_a_shortcut_comes_in_a_message(ends):
    here, there = ends
    shortcut = shorten(here, there)
    assert here.frames.send(b"one", short=True)
    assert there.take() == b"one"
    there.frames.send(b"answer", short=True)
    here.frames.send(b"two", short=True)
    shortcut.close()  # before here has read the answer, and there the question
    for end in ends:
        end.notice()
    assert [end.losses for end in ends] == [1, 1]
    here.bring(there)
    there.bring(here)
    assert (here.take(), there.take()) == (b"answer", b"two")
    assert not here.frames.ready
    assert not there.frames.ready


def test_a_shortcut_on_which_nothing_moves_is_given_up(ends):
    _here, there = ends
    here = End(patience=0.05)
    near, far = socket.socketpair()
    with far:
        here.frames.open(near, b"", speaks=True)
        assert here.frames.send(b"frame", short=True)
        here.notice()
        here.bring(there)
        assert there.take() == b"frame"
        with pytest.raises(OSError, match=r"."):
            near.getpeername()


def test_an_interrupt_in_the_midst_of_a_message_loses_no_frame(ends, monkeypatch):
    here, there = ends
    with monkeypatch.context() as patched:
        patched.setattr(here.frames, "_by_message", interrupted)
        with pytest.raises(KeyboardInterrupt):
            here.frames.send(b"one", short=False)
    here.frames.send(b"two", short=False)
    here.bring(there)
    assert (there.take(), there.take()) == (b"one", b"two")


def test_no_lock_is_held_while_a_message_is_sent(ends):
    """Whoever holds a lock that messages need may want to send here just then, as a netref that is dropped does."""
    here, there = ends
    shortcut = shorten(here, there)
    here.frames.send(b"one", short=True)
    shortcut.close()
    free = []

    def look():
        free.append(here.frames._lock.acquire(blocking=False))
        if free[-1]:
            here.frames._lock.release()

    def submit(*_frame):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    here.frames._by_message = submit
    here.frames.send(b"two", short=False)
    here.notice()
    assert free == [True, True]


@pytest.mark.parametrize("where", ["send", "receive"])
def test_an_interrupt_in_the_midst_of_a_frame_loses_the_shortcut_and_no_frame(ends, where, monkeypatch):
    here, there = ends
    shorten(here, there)
    here.frames.send(b"one", short=True)
    assert there.take() == b"one"
    there.frames.send(b"answer", short=True)
    with monkeypatch.context() as patched:
        patched.setattr(Shortcut, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            here.frames.send(b"two", short=True) if where == "send" else here.frames.wait(PATIENCE_S)
    if where == "receive":
        here.frames.send(b"two", short=True)
    here.frames.wait(0)
    there.notice()
    here.bring(there)
    there.bring(here)
    assert (here.take(), there.take()) == (b"answer", b"two")


def test_an_interrupt_while_a_loss_is_made_up_for_loses_no_frame(ends, monkeypatch):
    here, there = ends
    shortcut = shorten(here, there)
    for frame in (b"one", b"two"):
        here.frames.send(frame, short=True)
    shortcut.close()
    with monkeypatch.context() as patched:
        patched.setattr(here.frames, "_on_lost", interrupted)
        with pytest.raises(KeyboardInterrupt):
            here.frames.wait(PATIENCE_S)
    here.frames.send(b"three", short=True)
    here.bring(there)
    assert [there.take() for _ in range(3)] == [b"one", b"two", b"three"]


def test_no_frame_in_what_comes_is_told(ends):
    here, _there = ends
    near, far = socket.socketpair()
    with far:
        here.frames.open(near, b"", speaks=True)
        far.sendall(b"\xff" * 20)
        with pytest.raises(ValueError, match="a frame of"):
            here.frames.wait(PATIENCE_S)


def test_questions_and_answers_across_cuts_on_threads(ends):
    """The shortcut is cut and opened by another thread at any moment, while a thread carries the messages."""
    here, there = ends
    over = threading.Event()
    count = 2000

    def carry():
        while not over.is_set():
            for end, other in ((here, there), (there, here)):
                end.bring(other)
            over.wait(0.0005)

    def cut():
        while not over.is_set():
            shortcut = shorten(here, there)
            over.wait(0.003)
            shortcut.close()

    def answer():
        for _ in range(count):
            there.frames.send(b"re: " + there.take(), short=True)

    threads = [threading.Thread(target=each) for each in (carry, cut, answer)]
    for thread in threads:
        thread.start()
    try:
        for number in range(count):
            here.frames.send(b"%d" % number, short=number % 50 != 0)
            assert here.take() == b"re: %d" % number
    finally:
        over.set()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert here.by_message < count, "shortcuts were used"
    assert here.losses > 3
