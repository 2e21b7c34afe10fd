"""When a keeper reads what its worker gives out, and when it waits for room in the worker's socket."""

import selectors
import socket

import pytest

from rpyc_kernel.agent.keeper.loop import FLOOD_FRAMES, NAP_S, Backpressure
from rpyc_kernel.agent.keeper.outbox.journal import Journal

LIMIT = 1000


class Outgoing:
    """What the worker hasn't taken yet."""

    def __init__(self):
        self.waits = False

    def __bool__(self):
        return self.waits

    def flush(self):
        self.waits = False


class Worker:
    """A worker's process, with a socket as its only source."""

    def __init__(self, sock):
        self.socket, self.outgoing = sock, Outgoing()
        self.gone, self.flood, self.reads = False, 0, 0

    def watched(self, reading):
        writing = selectors.EVENT_WRITE if self.outgoing else 0
        return [(self.socket.fileno(), reading | writing)]

    def read(self):
        self.reads += 1
        self.socket.recv(100)


@pytest.fixture
def world():
    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as selector:
        worker, journal = Worker(ours), Journal(LIMIT)
        yield worker, journal, selector, theirs, Backpressure(worker, journal, selector)


def ready(selector):
    found = selector.select(0)
    for key, events in found:
        key.data(events)
    return bool(found)


def test_nothing_is_read_while_the_journal_is_full(world):
    worker, journal, selector, theirs, backpressure = world
    theirs.send(b"!")
    assert ready(selector)
    journal.add_packet(b"x" * LIMIT, False)
    backpressure.advance(0.0)
    theirs.send(b"!")
    assert not ready(selector)
    assert worker.reads == 1
    journal.take(1)
    journal.acknowledge(1)
    backpressure.advance(0.0)
    assert worker.reads == 2, "it reads at once when there is room"


def test_a_worker_that_prints_a_lot_is_read_now_and_then(world):
    worker, _journal, selector, theirs, backpressure = world
    worker.flood = FLOOD_FRAMES
    theirs.send(b"!")
    assert ready(selector)
    theirs.send(b"!")
    assert not ready(selector)
    backpressure.advance(backpressure.nap_until - NAP_S / 2)
    assert worker.reads == 1
    worker.flood = 0
    backpressure.advance(backpressure.nap_until)
    assert worker.reads == 2
    assert backpressure.nap_until == 0.0


def test_room_in_the_worker_s_socket_is_waited_for_only_while_something_waits(world):
    worker, _journal, selector, _theirs, backpressure = world
    assert not ready(selector)
    worker.outgoing.waits = True
    backpressure.watch_outgoing()
    assert selector.get_key(worker.socket.fileno()).events == selectors.EVENT_READ | selectors.EVENT_WRITE
    worker.outgoing.flush()
    backpressure.watch_outgoing()
    assert selector.get_key(worker.socket.fileno()).events == selectors.EVENT_READ


def test_the_selector_forgets_a_worker_that_has_ended_with_a_request_before_it(world):
    worker, _journal, selector, _theirs, backpressure = world
    worker.outgoing.waits = True
    backpressure.watch_outgoing()
    worker.gone = True
    backpressure.end()
    assert len(selector.get_map()) == 0, "the next worker may get the same descriptor"
