"""Two hundred sessions of one notebook at once, without I/O: nothing of one comes to another."""

import asyncio
import random

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.protocol import LinkStatus
from tests.unit.link_world import World
from tests.unit.remote_session import Machine

SESSIONS = 200
CELLS = 5


def test_each_reply_and_output_of_two_hundred_sessions_comes_to_its_own():
    """The ids of the cells are the same everywhere, as those of a cell on all machines are."""

    async def main():
        rng = random.Random(7)
        first = Machine("m0")
        first.host.loop = asyncio.get_running_loop()
        machines = [first, *(Machine(f"m{number}", first) for number in range(1, SESSIONS))]
        cells = [f"cell-{number}" for number in range(CELLS)]
        tasks = {}
        for cell in cells:
            for number, machine in enumerate(machines):
                tasks[number, cell] = await machine.asks(cell)
        for cell in cells:
            for number in rng.sample(range(SESSIONS), SESSIONS):
                machine = machines[number]
                if number % 10 == 3:  # its link goes and comes back
                    machine.becomes(LinkStatus.LOST)
                    machine.becomes(LinkStatus.UP)
                machine.gives("stream", cell, name="stdout", text=f"{number} {cell}")
                machine.gives("execute_reply", cell, status="ok", of=number)
        dead = machines[50]
        lost = asyncio.create_task(dead.session.request(Message("execute_request", {}, "more")))
        await asyncio.sleep(0)
        other = await machines[51].asks("more")
        dead.becomes(LinkStatus.CLOSED, ConnectionError("gone"))
        for (number, cell), task in tasks.items():
            assert (await task)["of"] == number, cell
        assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], Exception)
        assert not other.done(), "what ends one session ends no other's requests"
        other.cancel()
        shown = [(cell, content["text"].split()) for kind, cell, content in first.shown if kind == "stream"]
        assert len(shown) == SESSIONS * CELLS
        assert all(cell == of for cell, (_number, of) in shown)
        for number in range(SESSIONS):
            assert [cell for cell, (of, _cell) in shown if of == str(number)] == cells

    asyncio.run(asyncio.wait_for(main(), 120))


def test_two_hundred_links_and_keepers_with_cuts_among_them():
    """Real protocols at both ends: each request runs once, each message comes once and in order."""
    rng = random.Random(7)
    worlds = [World() for _ in range(SESSIONS)]
    for _turn in range(CELLS):
        for world in rng.sample(worlds, SESSIONS):
            world.kernel.submit(rng.choice([None, 4]))
            world.print_text("a")
            found = world.connections(lambda each: each.up and not each.cut)
            if found and rng.random() < 0.3:
                rng.choice(found)[2].breaks("it was cut")
            world.go_on()
            if world.worker.waiting:
                world.worker.run()
    for world in worlds:
        world.settle()
        kernel = world.kernel
        assert world.worker.ran == kernel.submitted, "each request once, in order"
        assert kernel.tokens == sorted(world.written), "each message once, in order"
