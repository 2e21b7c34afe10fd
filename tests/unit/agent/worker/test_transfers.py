"""Values that are made on a connection's thread are assigned on the main thread, between cells, and once."""

import queue
import threading
import weakref

import pytest

from rpyc_kernel.agent.values import pack
from rpyc_kernel.agent.worker.between_cells import BetweenCells
from rpyc_kernel.agent.worker.direct import DirectError
from rpyc_kernel.agent.worker.shared_memory import SharedDraft
from rpyc_kernel.agent.worker.transfers import GONE, Transfers


class Main:
    """What a worker's main thread does for others; each call is done as soon as no cell runs."""

    def __init__(self):
        self.calls = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def _run(self):
        while (call := self.calls.get()) is not None:
            call()

    def __exit__(self, *_exc):
        self.calls.put(None)
        self._thread.join()


class Thing:
    """Something that is seen to go."""


@pytest.fixture
def draft():
    pytest.importorskip("fcntl", reason="Linux has such files")
    packed = pack({"k": b"x" * 100_000}, "value")
    buffers = [memoryview(packed.text), *packed.buffers]
    shared = SharedDraft([len(each) for each in buffers])
    for index, buffer in enumerate(buffers):
        shared.write(index, 0, buffer)
    return shared, {**shared.told, "sizes": [len(each) for each in buffers]}, [["value", "value", "", len(buffers)]]


def adopted(transfers, draft):
    shared, told, make = draft
    answer, _buffers = transfers.do("adopt", {**told, "make": make}, ())
    assert answer == {"draft": answer["draft"]}  # nothing is made of what may still change
    with pytest.raises(DirectError, match="may still change"):
        transfers.do("sealed", answer, ())
    assert transfers.push({"draft": answer["draft"], "values": make})["evalue"] == GONE
    answer, _buffers = transfers.do("adopt", {**told, "make": make}, ())
    shared.share()
    made, _buffers = transfers.do("sealed", {**answer, "make": make}, ())
    assert made == {**answer, "sealed": True, "made": True}
    return made["draft"]


def test_what_is_sealed_is_made_and_assigned_once(draft):
    thing = Thing()
    gone = weakref.ref(thing)
    namespace = {"value": thing}
    del thing
    main = Main()
    transfers = Transfers(namespace, main.calls.put)
    name = adopted(transfers, draft)
    assert gone() is namespace["value"]
    with main:
        assert transfers.do("assign", {"draft": name}, ()) == ({"assigned": True}, ())
        assert namespace == {"value": {"k": b"x" * 100_000}}
    assert gone() is None  # behind the answer
    namespace["value"] = "changed since"
    assert transfers.do("assign", {"draft": name}, ()) == ({"assigned": True}, ())  # who hasn't heard the answer
    assert transfers.push({"made": name}) == {"status": "ok"}
    assert namespace == {"value": "changed since"}
    assert transfers.push({"made": "another"})["evalue"] == GONE


def test_what_a_cell_keeps_is_left_to_a_message(draft):
    namespace = {}
    main = Main()
    transfers = Transfers(namespace, main.calls.put)
    name = adopted(transfers, draft)
    assert transfers.do("assign", {"draft": name}, ()) == ({"assigned": False}, ())
    with main:
        pass
    assert namespace == {}
    assert transfers.push({"made": name}) == {"status": "ok"}
    assert list(namespace) == ["value"]


def test_what_is_forgotten_while_it_is_made_is_not_kept(draft):
    class Stopped(Transfers):
        def take(self, draft, described):
            made = super().take(draft, described)
            self.do("forget", {"held": draft}, ())
            return made

    shared, told, make = draft
    transfers = Stopped({}, queue.SimpleQueue().put)
    shared.share()
    with pytest.raises(DirectError, match="not there any more"):
        transfers.do("adopt", {**told, "make": make}, ())
    assert transfers.push({"made": "1"})["evalue"] == GONE


def test_work_that_was_given_up_is_never_done_and_what_was_done_was_not_given_up():
    done = []
    step = BetweenCells(lambda: done.append(1))
    assert not step.wait(0)
    step.do()
    assert not done
    step = BetweenCells(lambda: done.append(1))
    step.do()
    assert step.wait(0)
    assert done == [1]
