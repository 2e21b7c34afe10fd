"""ipykernel's IOPub thread, with ours before its socket: who reads slowly holds it back, who has gone for a moment."""

import threading
import time

import pytest
import zmq
from ipykernel.iostream import IOPubThread
from jupyter_client.session import Session

from rpyc_kernel.kernel.jupyter import iopub
from rpyc_kernel.kernel.jupyter.iopub import IOPubBackpressure

MANY = 8_000  # messages of PADDING bytes: more than all queues and sockets hold
PADDING = b" " * 4000


class Publishing:
    """A thread that publishes, and front ends that subscribe to it."""

    def __init__(self):
        self.context = zmq.Context()
        socket = self.context.socket(zmq.XPUB)
        self.port = socket.bind_to_random_port("tcp://127.0.0.1")
        self.thread = IOPubThread(socket, session=Session(key=b""))
        self.thread.start()
        self.patient = IOPubBackpressure(self.thread)
        stands_there = threading.Event()  # or a front end might have come and gone before
        self.thread.schedule(stands_there.set)
        assert stands_there.wait(10)
        self.fronts = []
        self.ended = threading.Event()

    def front(self):
        front = self.context.socket(zmq.SUB)
        front.rcvtimeo = 10_000
        front.connect(f"tcp://127.0.0.1:{self.port}")
        front.subscribe(b"")
        self.fronts.append(front)
        wait_for(lambda: self.reaches(front))
        return front

    def reaches(self, front):
        """Whether a message comes to that front end; only the first one is welcomed."""
        self.thread.background_socket.send_multipart([b"probe"])
        return front.poll(5)

    def publish_many(self):
        """On a thread of its own, which waits for room as a link's does; returns it."""
        thread = threading.Thread(target=lambda: [self.publish(number) for number in range(MANY)], daemon=True)
        thread.start()
        return thread

    def publish(self, number):
        self.patient.wait_for_room(len(PADDING), self.ended)
        self.thread.background_socket.send_multipart([b"%d" % number + PADDING])

    @staticmethod
    def read(front):
        """The number of the next message, the welcome and probes left out."""
        while not (data := front.recv_multipart()[0])[:1].isdigit():
            pass
        return int(data)

    def close(self):
        self.ended.set()
        for front in self.fronts:
            front.close(0)
        self.thread.stop()
        self.thread.close()
        self.context.destroy(0)


@pytest.fixture
def publishing():
    each = Publishing()
    yield each
    each.close()


def waits(publishing, seconds, size=1):
    """How long a message has to wait, at most those seconds."""
    until, started = threading.Event(), time.monotonic()
    timer = threading.Timer(seconds, until.set)
    timer.start()
    publishing.patient.wait_for_room(size, until)
    timer.cancel()
    return min(time.monotonic() - started, seconds)


def wait_for(condition):
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_who_pauses_gets_everything(publishing):
    front = publishing.front()
    thread = publishing.publish_many()
    thread.join(2.0)
    assert thread.is_alive(), "nothing held it back"
    assert [publishing.read(front) for _ in range(MANY)] == list(range(MANY))
    thread.join(30.0)
    assert not thread.is_alive()


def test_who_hangs_for_too_long_is_let_go(publishing, monkeypatch):
    monkeypatch.setattr(iopub, "HUNG_AFTER_S", 0.3)
    hangs = publishing.front()
    thread = publishing.publish_many()
    thread.join(20.0)
    assert not thread.is_alive()
    other = publishing.front()
    publishing.publish(MANY)
    while publishing.read(other) != MANY:  # some of those before may have been on their way
        pass
    assert publishing.read(hangs) == 0


def test_before_the_first_front_end_comes_nothing_waits(publishing):
    assert waits(publishing, 10.0) < 10.0


def test_when_the_last_front_end_has_gone_nothing_is_published_for_a_moment(publishing, monkeypatch):
    first, second = publishing.front(), publishing.front()
    first.close(0)
    time.sleep(0.2)  # ZeroMQ tells only of the last one that goes
    assert waits(publishing, 10.0) < 10.0
    second.close(0)
    wait_for(publishing.patient._is_alone)
    assert waits(publishing, 0.5) == 0.5
    publishing.front()
    assert waits(publishing, 10.0) < 10.0


def test_a_kernel_that_nobody_listens_to_goes_on_after_that_moment(publishing, monkeypatch):
    monkeypatch.setattr(iopub, "ALONE_S", 0.5)
    publishing.front().close(0)
    wait_for(lambda: publishing.patient._alone_since is not None)
    assert waits(publishing, 10.0) < 10.0
