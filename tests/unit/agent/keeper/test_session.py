"""What a keeper decides, without a process, a socket or a clock: the operations, a worker's life and end, and times."""

import pytest

from rpyc_kernel.agent import wire
from rpyc_kernel.agent.keeper import session as session_module
from rpyc_kernel.agent.keeper.handlers import Handlers
from rpyc_kernel.agent.keeper.outbox.journal import Journal
from rpyc_kernel.agent.keeper.session import BIRTH_PAUSES_S, FIRST_KEEP_S, MIN_KEEP_S, Session
from rpyc_kernel.agent.keeper.worker.ending import HURRY_S, ORDERLY_END_S, TERMINATE_S

START = 1000.0
ACKED = 10**6  # more than there ever is


class Peer:
    """A broker's connection: keeps the answers."""

    def __init__(self):
        self.answers = []

    def answer(self, packet):
        self.answers.append(packet)

    def last(self):
        return wire.unpack(self.answers[-1])


class Worker:
    """A worker's process: keeps what it was told."""

    def __init__(self, pid):
        self.pid, self.ready, self.restarts, self.why = pid, True, False, ""
        self.told = []

    def send(self, number, packet):
        self.told.append(("send", number))

    def interrupt(self, number):
        self.told.append(("interrupt", number))

    def tell_speed(self, carries):
        self.carries = carries

    def leave(self):
        self.told.append("leave")

    def hurry(self):
        self.told.append("hurry")

    def terminate(self):
        self.told.append("terminate")

    def kill(self):
        self.told.append("kill")


class World:
    """A session with its handlers, and the loop that there would be around it."""

    def __init__(self, **config):
        self.now = START
        self.log = []
        self.session = Session(Journal(1 << 20), config, self.log.append, START)
        self.handlers = Handlers(self.session)
        self.peer = Peer()
        self.workers = []
        self.number = 0
        self.start()

    def start(self):
        """As the loop does it when its time has come."""
        assert self.session.birth_due is not None
        assert self.session.birth_due <= self.now
        self.workers.append(Worker(len(self.workers) + 1))
        self.session.worker_started(self.workers[-1])

    @property
    def worker(self):
        return self.workers[-1]

    def wait(self):
        """Let time pass until something is due, and do that."""
        self.now = max(self.now, self.session.due(self.now))
        self.session.advance(self.now)

    def ask(self, op, buffers=(), peer=None, **header):
        peer = peer or self.peer
        before = len(peer.answers)
        request = wire.pack(header, buffers)
        self.handlers.answer(peer, wire.pack({"op": op}, [request]), self.now)
        return peer.last()[0] if len(peer.answers) > before else None

    def attach(self, peer=None, **header):
        return self.ask("attach", peer=peer, **{"acked": 0, **header})

    def submit(self, parent, msg_type="execute_request", **cell):
        self.number += 1
        header = {"n": self.number, "type": msg_type, "parent": parent, "cell": cell}
        packet = wire.Message(msg_type, {"code": "1"}, parent).encode()
        return self.ask("submit", [packet], epoch=self.session.lease.epoch, **header)

    def pull(self, peer=None, acked=0, wait=30.0, rtt=0.1):
        peer = peer or self.peer
        return self.ask(
            "pull", peer=peer, epoch=self.session.peers[peer], acked=acked, wait=wait, rtt=rtt, max_bytes=1 << 20
        )

    def given(self):
        """The messages that no kernel has acknowledged, and so those that a new link gets."""
        self.session.journal.rewind()
        packets = self.session.journal.take(1 << 30)[1]
        self.session.journal.acknowledge(ACKED)
        return [wire.Message.decode(packet) for packet in packets]


@pytest.fixture
def world():
    world = World()
    world.attach()
    return world


def die(world, code=-9):
    world.session.worker_exited(code, world.now)


# requests


def test_a_request_reaches_the_worker_once(world):
    world.submit("a")
    world.number = 0
    assert world.submit("a") == {"accepted": 1}
    assert world.worker.told == [("send", 1)]


def test_a_cell_is_counted_by_what_stands_beside_its_packet(world):
    world.submit("a", execution_count=7)
    world.submit("b", execution_count=8, silent=True)
    assert world.ask("status")["execution_count"] == 7
    world.ask("submit", [b"no message"], epoch=1, n=3, type="execute_request", parent="c", cell={"execution_count": 9})
    assert world.ask("status")["execution_count"] == 9  # nobody has read the packet


def test_requests_wait_for_the_next_worker(world):
    die(world, 1)
    world.submit("a")
    world.submit("b", msg_type="complete_request")
    world.start()
    assert world.worker.told == [("send", 1), ("send", 2)]


def test_a_cell_that_was_sent_before_its_kernel_could_know_of_a_death_is_not_run(world):
    die(world)
    world.start()
    world.submit("a", deaths=0)
    world.submit("b", deaths=1)
    assert world.worker.told == [("send", 2)]
    reply = world.given()[-1]
    assert (reply.parent, reply.content["ename"], reply.content["begun"]) == ("a", "WorkerDied", False)


def test_an_interrupt_reaches_the_worker_or_ends_a_request_that_has_none(world):
    world.submit("a")
    assert world.ask("interrupt", epoch=1, parent="a") == {"delivered": True}
    assert world.worker.told[-1] == ("interrupt", 1)
    assert world.ask("interrupt", epoch=1, parent="no") == {"delivered": False}
    die(world, 1)
    world.given()
    world.submit("b")
    assert world.ask("interrupt", epoch=1, parent="b") == {"delivered": True}
    assert [each.type for each in world.given()] == ["error", "execute_reply"]
    assert not world.session.requests.open


# links


def test_a_pull_waits_and_is_answered_when_it_is_due(world):
    assert world.pull() is None
    assert world.session.due(world.now) == world.now + 30.0
    world.session.journal.add_packet(wire.Message("display_data", {}, "a").encode(), False)
    world.wait()
    assert world.now == START
    assert world.peer.last()[0] == {"first": 1, "epoch": 1}
    world.pull(acked=1)
    world.session.journal.add_packet(wire.Message("display_data", {}, "a").encode(), False)
    world.wait()
    assert world.now == pytest.approx(START + 0.1), "the pace is the round trip"
    assert world.ask("status")["unread"] == 1


def test_a_pull_of_an_older_link_is_answered_when_another_begins(world):
    world.pull()
    other = Peer()
    assert world.attach(other)["epoch"] == 2
    assert world.peer.last()[0]["error"] == "stale"
    assert world.peer not in world.session.pulls


def test_a_newer_client_is_told_of_in_the_log(world):
    world.attach(client="ada", holder="Ada", attempt=1)
    world.attach(Peer(), client="bob", holder="Bob", attempt=1, take=True)
    assert world.log[-2:] == ["attached by Ada (ada), epoch 2", "taken over by Bob (bob), epoch 3, from Ada"]


def test_the_link_is_open_as_long_as_its_peer_is_there(world):
    assert world.session.held
    watching = Peer()
    world.ask("status", peer=watching)
    world.session.lose(watching)
    assert world.session.held
    world.session.lose(world.peer)
    assert not world.session.held
    assert not world.session.journal.listening


def test_the_speed_of_a_link_is_told_to_the_worker_and_forgotten_with_it(world):
    content = {"data": {}, "metadata": {}, "transient": {"display_id": "one"}}
    image = b"\xff\xd8\xff" + b"x" * 100_000
    world.session.journal.add_picture(wire.image_packet("update_display_data", "a", content, "image/jpeg", image))
    world.pull(rtt=0.0)
    world.wait()
    world.now += 1.0
    world.pull(acked=1)
    assert world.worker.carries == pytest.approx(100_000, rel=0.01)
    world.attach()
    assert world.worker.carries == 0


# a worker's death


def test_a_worker_that_dies_is_followed_at_once_and_its_requests_are_answered(world):
    world.submit("a")
    die(world)
    assert world.session.due(world.now) == world.now
    reply = world.given()[-1]
    assert (reply.type, reply.content["end"]["signal"], reply.content["deaths"]) == ("execute_reply", "SIGKILL", 1)
    world.start()
    assert world.worker.told == []


def test_workers_that_die_at_birth_again_and_again_are_started_ever_more_rarely(world):
    pauses = []
    for _ in range(2000):  # by doubling, the pause would be more than a float can hold
        world.worker.ready = False
        die(world, 1)
        pauses.append(world.session.birth_due - world.now)
        world.now = world.session.birth_due
        world.start()
    assert pauses[:7] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert all(pause == pytest.approx(BIRTH_PAUSES_S[-1]) for pause in pauses[5:])
    assert [each.type for each in world.given()].count("worker_died") == 1, "and it is told once"


def test_while_no_worker_can_be_started_everything_is_answered(world):
    die(world, 1)
    world.given()
    world.session.worker_failed(OSError(12, "Cannot allocate memory"), world.now)
    assert world.given()[-1].content["text"] == "could not be started: Cannot allocate memory"
    assert world.session.birth_due == world.now + BIRTH_PAUSES_S[1]
    assert world.ask("usage")["pid"] is None
    assert world.ask("status")["held"] is True
    assert world.pull() is None
    assert world.session.due(world.now) == world.session.birth_due, "the loop knows when it has to start one"


# orderly ends


def test_a_restart_asks_hurries_terminates_and_kills(world):
    world.submit("a")
    assert world.ask("restart", epoch=1) == {"restarted": True}
    world.submit("b")  # meant for the next worker
    times = []
    for _ in range(4):
        world.wait()
        times.append(world.now - START)
    assert world.worker.told == [("send", 1), "leave", "hurry", "terminate", "kill", "kill"]
    hurry = ORDERLY_END_S
    terminate = hurry + HURRY_S
    assert times == [hurry, terminate, terminate + TERMINATE_S, terminate + 2 * TERMINATE_S]
    assert any("did not end within 5 s" in line for line in world.log)
    die(world)
    (late, lost) = world.given()
    assert late.content["text"] == "This Python did not end within 5 s, and is ended by force.\n"
    assert (lost.parent, lost.content["end"]["restart"]) == ("a", True)
    assert world.session.birth_due == world.now, "without the pauses of a worker that dies at birth"
    world.start()
    assert world.worker.told == [("send", 2)]


def test_who_asks_twice_does_not_want_to_wait(world):
    world.ask("restart", epoch=1)
    world.ask("restart", epoch=1)
    assert world.worker.told == ["leave", "kill"]
    assert world.given() == []


def test_a_restart_while_there_is_no_worker_starts_one(world):
    world.worker.ready = False
    die(world, 1)
    world.submit("a")
    world.ask("restart", epoch=1)
    assert world.session.birth_due == world.now
    world.start()
    assert world.worker.told == [], "what was open is answered"


def test_a_cell_may_ask_for_a_fresh_worker_which_begins_when_it_has_ended(world):
    world.submit("a")
    world.session.requests.begin(1)
    world.worker.restarts = True
    world.session.advance(world.now)
    assert "leave" not in world.worker.told
    world.session.requests.end(1)
    world.session.advance(world.now)
    assert world.worker.told[-1] == "leave"
    die(world, 0)
    assert world.given()[-1].content["restart"] is True


def test_a_session_that_is_to_end_ends_with_its_worker(world):
    assert world.ask("terminate", epoch=1) == {"ended": True}
    assert (world.session.closed, world.worker.told) == (False, ["leave"])
    assert world.attach()["error"] == "gone"
    assert world.ask("status")["ending"] is True
    die(world, 0)
    assert world.session.closed
    assert world.session.why == "it was ended by its kernel"


def test_a_session_without_a_worker_ends_at_once(world):
    die(world, 1)
    world.ask("terminate")
    assert world.session.closed
    assert world.session.why == "it was ended by hand"


# time


def test_a_session_that_nobody_attaches_to_ends():
    world = World()
    world.wait()
    assert world.now == START + FIRST_KEEP_S
    assert world.session.closing
    assert world.session.why == "nobody came for 60 s while it was idle"


@pytest.mark.parametrize(("keep", "stays"), [(0.0, MIN_KEEP_S), (5.0, 5.0)])
def test_an_idle_session_stays_for_its_time(world, keep, stays):
    world.ask("keep", epoch=1, keep=keep)
    world.now += 100.0
    world.session.wake(world.now)
    world.session.lose(world.peer)
    world.ask("status", peer=Peer())  # keeps nothing alive
    assert world.session.due(world.now) == world.now + stays
    world.wait()
    assert world.session.closing


def test_a_session_whose_cell_runs_stays_and_then_for_its_time(world):
    world.ask("keep", epoch=1, keep=5.0)
    world.submit("a")
    world.session.lose(world.peer)
    for _ in range(10):
        world.wait()
        world.session.wake(world.now)
    assert not world.session.closing
    world.session.requests.end(1)
    assert world.session.due(world.now) == world.now + 5.0


def test_the_loop_looks_at_the_clock_now_and_then(world):
    assert world.session.due(world.now) == world.now + session_module.MAX_LOOK_S
