"""Updates of widgets that wait are merged; all else keeps its place."""

import asyncio
import functools

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import NotTakenError
from rpyc_kernel.kernel.sessions.comm_updates import CommUpdates
from tests.unit.remote_session import settle


def in_loop(test):
    """Run an asynchronous test in an event loop."""

    @functools.wraps(test)
    def run():
        asyncio.run(asyncio.wait_for(test(), 10))

    return run


class Python:
    """What answers requests when the test says so."""

    def __init__(self):
        self.sent = []
        self.replies = {}
        self.refuses = None
        self.updates = CommUpdates(self._send)

    def _send(self, message):
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(message)
        self.replies[message.parent] = asyncio.get_running_loop().create_future()

        async def wait():
            return await self.replies[message.parent]

        return wait()

    async def asks(self, msg_id, state=None, comm="slider", buffers=(), **data):
        data = {"method": "update", "state": state, "buffer_paths": []} if state is not None else data
        message = Message("comm_msg", {"comm_id": comm, "data": data}, msg_id, {}, buffers)
        return await self.runs(message)

    async def runs(self, message):
        task = asyncio.create_task(self.updates.request(message))
        await settle()
        return task

    async def answers(self, msg_id):
        self.replies[msg_id].set_result({"status": "ok", "of": msg_id})
        await settle()

    @property
    def seen(self):
        return [(message.parent, message.content["data"].get("state")) for message in self.sent]


@in_loop
async def test_the_newest_value_takes_the_place_of_those_that_wait():
    python = Python()
    tasks = [await python.asks(str(n), {"value": n, f"only{n}": n}) for n in range(4)]
    assert python.seen == [("0", {"value": 0, "only0": 0})]
    assert [task.done() for task in tasks] == [False, True, True, False]
    await python.answers("0")
    assert python.seen[1:] == [("3", {"value": 3, "only1": 1, "only2": 2, "only3": 3})]
    await python.answers("3")
    assert [(await task).get("of") for task in tasks] == ["0", None, None, "3"]
    await python.asks("4", {"value": 4})
    assert python.seen[2:] == [("4", {"value": 4})]


@in_loop
async def test_nothing_overtakes_what_waits_and_no_click_is_merged():
    python = Python()
    for n in range(3):
        await python.asks(f"a{n}", {"value": n}, "a")
        await python.asks(f"b{n}", {"value": n}, "b")
    await python.asks("click1", comm="button", method="custom", content={"event": "click"})
    await python.asks("click2", comm="button", method="custom", content={"event": "click"})
    await python.asks("a3", {"value": 3}, "a")
    await python.asks("a4", {"data": None}, "a", [b"x"])
    await python.runs(Message("complete_request", {"data": {}}, "complete"))
    await python.asks("a5", {"value": 5}, "a")
    await python.runs(Message("execute_request", {"data": {}}, "cell"))
    order = "a0 b0 a2 b2 click1 click2 a3 a4 complete a5 cell"
    assert [message.parent for message in python.sent] == order.split()
    await python.asks("a6", {"value": 6}, "a")
    for msg_id in ("a0", "a2", "a3"):
        await python.answers(msg_id)
    assert python.sent[-1].parent == "cell"
    await python.answers("a5")
    assert python.sent[-1].parent == "a6"


@in_loop
async def test_an_update_that_cannot_be_sent_any_more_is_told_so():
    python = Python()
    first, second = await python.asks("0", {"value": 0}), await python.asks("1", {"value": 1})
    python.refuses = NotTakenError("pi", "it is full")
    await python.answers("0")
    assert (await first)["of"] == "0"
    with pytest.raises(NotTakenError):
        await second


@in_loop
async def test_an_update_that_nobody_waits_for_any_more_is_not_sent():
    python = Python()
    await python.asks("0", {"value": 0})
    (await python.asks("1", {"value": 1})).cancel()
    await settle()
    await python.answers("0")
    assert python.seen == [("0", {"value": 0})]
