"""A request of a live connection that nobody waits for is interrupted, but not in the midst of a frame."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from rpyc_kernel.agent.direct.live_frames import LiveFrames
from rpyc_kernel.agent.worker.frontend import Frontend
from rpyc_kernel.agent.worker.io.keeper_channel import FrameWriter
from rpyc_kernel.agent.worker.netrefs.live import interrupt

SECONDS = 10


class Frames:
    """Notes the threads that are to be stopped when they wait next."""

    def __init__(self):
        self.stopped = []

    def stop(self, thread):
        self.stopped.append(thread)


class HeldUp:
    """A call that does not return before it is let go."""

    def __init__(self):
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, *_args):
        self.begun.set()
        assert self.let_go.wait(SECONDS)


def publish(held_up):
    writer = SimpleNamespace(request=7, forked=False, send_message=held_up)
    Frontend(writer, SimpleNamespace(mute=False)).publish("rpyc_msg", {})


def write(held_up):
    writer = FrameWriter(SimpleNamespace(depth=0, leave=lambda: None), SimpleNamespace(carries=0))
    writer._send_frame = held_up
    writer.send(3, 7, b"message")


@pytest.fixture
def held_up():
    held_up = HeldUp()
    yield held_up
    held_up.let_go.set()


def send(held_up):
    LiveFrames(held_up, lambda: None, SECONDS, 1 << 20).send(b"frame", short=False)


def locked(held_up):
    held_up()


def answer(held_up):
    held_up()


def answer_within_a_wait(held_up):
    answer(held_up)  # what waits for an answer serves what comes meanwhile


#: as `service.SessionConnection` tells
CONNECTION = SimpleNamespace(ANSWERS=answer.__code__, LOCKS=frozenset([locked.__code__, answer_within_a_wait.__code__]))


def interrupt_within(work, held_up):
    """Interrupts a thread that is held up in *work*. Returns it, the threads to be stopped, and whether it raised."""
    raised = []

    def run():
        try:
            work(held_up)
        except KeyboardInterrupt:
            raised.append(True)

    frames, thread = Frames(), threading.Thread(target=run)
    thread.start()
    assert held_up.begun.wait(SECONDS)
    interrupt(thread, frames, CONNECTION)
    held_up.let_go.set()
    thread.join(SECONDS)
    return thread, frames.stopped, raised


@pytest.mark.needs("posix")
@pytest.mark.parametrize("busy", [publish, write, send, locked])
def test_a_thread_that_gives_something_out_or_has_a_lock_is_stopped_when_it_waits_next(busy, held_up):
    thread, stopped, raised = interrupt_within(busy, held_up)
    assert stopped == [thread]
    assert raised == []


@pytest.mark.parametrize("busy", [HeldUp.__call__, answer_within_a_wait])
def test_a_thread_that_runs_something_else_is_interrupted_there(busy, held_up):
    _thread, stopped, raised = interrupt_within(busy, held_up)
    assert stopped == []
    assert raised == [True]
