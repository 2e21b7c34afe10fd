"""A link's protocol and a keeper's session, both real, and between them a network of lists instead of sockets.

Whoever has a `World` decides what comes when, what is lost, and how late it is noticed. What must never happen is
asserted here as it would happen.
"""

import itertools
import re
from collections import deque

from rpyc_kernel.agent import wire
from rpyc_kernel.agent.keeper.handlers import Handlers
from rpyc_kernel.agent.keeper.outbox.journal import Journal
from rpyc_kernel.agent.keeper.session import Session
from rpyc_kernel.errors import AgentError, LinkLost, ProtocolError, RpycKernelError
from rpyc_kernel.link.actions import Abort, AllowFrames, Answer, Deliver, Dial, Fail, Refuse, Role, Send, StatusChanged
from rpyc_kernel.link.protocol import LinkProtocol, LinkStatus
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import BrokerClient

EVERYTHING = 1 << 40
HERE = Address.parse("there:1")
ELSEWHERE = Address.parse("there:2")
POISON = b"poison"  # a message that has this in its packet can't be taken
HELLO = {"pooled": False}
NEXT = {
    LinkStatus.NEW: {LinkStatus.UP, LinkStatus.CLOSED},
    LinkStatus.UP: {LinkStatus.LOST, LinkStatus.CLOSED},
    LinkStatus.LOST: {LinkStatus.UP, LinkStatus.CLOSED},
    LinkStatus.CLOSED: set(),
}


class Worker:
    """Runs requests one after the other, each when it is told to."""

    pid, ready, restarts, why = 1, True, False, ""

    def __init__(self, world):
        self.world = world
        self.waiting = deque()
        self.got, self.ran = set(), []

    def send(self, number, packet):
        parent = wire.Message.decode(packet).parent
        self.waiting.append((number, parent))
        self.got.add(parent)

    def interrupt(self, number):
        pass

    def tell_speed(self, carries):
        pass

    def run(self):
        number, parent = self.waiting.popleft()
        self.ran.append(parent)
        self.world.session.requests.begin(number)
        self.world.publish("execute_reply", parent, urgent=True)
        self.world.session.requests.end(number)


class Connection:
    """One connection of a kernel, with its broker: the packets on their way, and what the keeper has of it."""

    def __init__(self, world, dial):
        self.world, self.dial = world, dial
        self.up = False  # as its kernel sees it
        self.given_up = self.aborted = False
        self.cut = ""  # why it carries nothing any more, which its kernel notices later
        self.requests, self.answers = deque(), deque()
        self.busy = False  # a broker serves one request at a time

    def answer(self, packet):  # for the keeper
        self.busy = False
        if not self.cut:
            self.answers.append(packet)

    def request_arrives(self):
        op, packet = self.requests.popleft()
        self.busy = True
        session = self.world.session
        if op == "spawn":
            self.answer(wire.pack({}))
        else:
            self.world.handlers.answer(self, wire.pack({"op": op}, [packet]), self.world.now)
            self.world.look_at(op, wire.unpack(packet)[0], self.answers[-1] if self.answers else None)
        session.advance(self.world.now)

    def breaks(self, reason):
        """Nothing comes back any more; what has left may still arrive."""
        self.cut = self.cut or reason
        self.answers.clear()

    # for BrokerClient

    cancel = None

    @property
    def address(self):
        return self.dial.address

    def receive(self, _ticket, _deadline):
        packet = self.answers.popleft()
        if POISON in packet:
            raise ProtocolError(self.address, "a message that can't be taken")
        return packet


class Kernel:
    """A link's protocol, and the least that carries its actions. Looks at everything that it does."""

    def __init__(self, world, title):
        self.world = world
        self.protocol = LinkProtocol(HERE, "session", heartbeat=15.0, holder=title, title=title)
        self.status = LinkStatus.NEW
        self.error = None
        self.done_by = {Dial: self.dial, Send: self.send, Abort: self.abort, AllowFrames: self.allow_frames}
        self.done_by.update({Deliver: self.deliver, StatusChanged: self.change_status, Refuse: self.refuse})
        self.done_by.update({Answer: self.note_answer, Fail: self.fail})
        self.connections = {}  # by role: the present one
        self.late = []  # those before, of which something may still be reported
        self.tokens = []  # of the messages, in the order in which they came
        self.last = None  # the number of the last message
        self.waited = False  # whether messages that are no backlog have come on this link
        self.questions = set()  # that have no outcome yet
        self.names, self.submitted = set(), []
        self.poison, self.refused, self.withdrawn = set(), set(), set()
        self.doubtful = set()  # withdrawn after it was sent

    def open(self, config):
        self.questions.add(self.protocol.open(config))
        self.carry()

    def carry(self):
        for action in self.protocol.take_actions():
            self.done_by[type(action)](action)

    def dial(self, dial):
        before = self.connections.get(dial.role)
        assert before is None or before.cut, "a connection that is in use is not replaced"
        if before is not None and not before.given_up:
            self.late.append(before)
        self.connections[dial.role] = Connection(self.world, dial)

    def send(self, send):
        connection = self.connections[send.role]
        assert connection.up
        assert connection.dial.number == send.number
        under_way = len(connection.requests) + len(connection.answers) + connection.busy
        assert under_way < (1 if send.role is Role.SENDER or send.op in ("spawn", "attach") else 2)
        if send.op not in ("spawn", "attach"):
            assert self.protocol.status is LinkStatus.UP
        if send.role is Role.SENDER and send.op != "interrupt":
            assert self.protocol.state.next_interrupt() is None, "interrupts come first"
        connection.requests.append((send.op, wire.pack(send.header, send.buffers)))

    def allow_frames(self, allow):
        raise AssertionError("this keeper sends no long messages in one")

    def abort(self, abort):
        connection = self.connections[abort.role]
        assert connection.dial.number == abort.number
        connection.aborted = True
        connection.cut = connection.cut or abort.reason  # an answer that has come may still be reported

    def deliver(self, delivery):
        assert delivery.last == self.protocol.state.received or self.last is None or delivery.last == self.last + 1
        if self.last is not None:
            assert delivery.last == self.last + 1, "each message once and in order"
        self.last = delivery.last
        assert delivery.backlog or delivery.last > self.protocol.attached["last"], "what had been waiting is backlog"
        assert not (delivery.backlog and self.waited), "after what is new no backlog comes"
        self.waited = not delivery.backlog
        for message in delivery.messages:
            self.tokens += tokens(message)
        self.protocol.incoming.delivered = delivery.last

    def change_status(self, change):
        assert change.status in NEXT[self.status]
        self.status, self.error = change
        self.waited = False
        if self.status is LinkStatus.UP and self.last is None:
            self.last = self.protocol.state.received

    def refuse(self, refusal):
        self.refused.add(refusal.msg_id)

    def note_answer(self, answer):
        self.end(answer.question)

    def fail(self, failure):
        assert isinstance(failure.error, RpycKernelError)
        self.end(failure.question)

    def end(self, question):
        assert question in self.questions, "each question ends once"
        self.questions.remove(question)

    # what its user does

    def submit(self, part=None):
        name = self.new_name()
        packet = wire.Message("execute_request", {"code": ""}, name).encode()
        packets = [(packet, {"cell": {}})]
        if part is not None:
            size, number = len(packet), next(self.world.names)
            starts = range(0, size, size // part)
            more = [{"cell": {}, "part": [number, start, size]} for start in starts]
            packets = [(packet[start : start + size // part], each) for start, each in zip(starts, more, strict=True)]
        self.protocol.submit("execute_request", name, packets)
        self.carry()

    def submit_poison(self):
        """Submit what the keeper doesn't take: its type is no text."""
        name = self.new_name()
        self.poison.add(name)
        self.protocol.submit(["execute_request"], name, [(name.encode(), {})])
        self.carry()

    def new_name(self):
        name = f"request {next(self.world.names)}"
        self.names.add(name)
        self.submitted.append(name)
        return name

    def interrupt(self, name):
        self.protocol.interrupt(name)
        self.carry()

    def withdraw(self, name):
        """Withdraw a request, which means nothing while the link is up."""
        if name not in self.withdrawn and self.status is LinkStatus.LOST:
            (self.doubtful if self.protocol.state.was_tried(name) else self.withdrawn).add(name)
        self.protocol.withdraw(name)
        self.carry()

    def ask(self, op, header):
        self.questions.add(self.protocol.ask(op, header))
        self.carry()

    # what may happen to a connection

    def report_late(self, index, answer):
        """Something is reported of a connection that has been replaced."""
        connection = self.late.pop(index)
        event = connection.dial.role, connection.dial.number
        if answer:
            self.protocol.answered(*event, {"first": 1, "accepted": 1000}, [], 0.1, self.world.now)
        else:
            self.protocol.failed(*event, LinkLost(connection.address, "late"), self.world.now)
        connection.breaks("late")
        connection.up, connection.given_up = False, True
        self.world.leave(connection)
        self.carry()

    def dialling_ends(self, role, fails):
        connection = self.connections[role]
        if connection.cut or fails:
            self.notices(role, connection.cut or "nobody listens")
        else:
            connection.up = True
            self.protocol.connected(role, connection.dial.number, HELLO)
            self.carry()

    def answer_arrives(self, role):
        connection = self.connections[role]
        event = role, connection.dial.number
        try:
            header, buffers = BrokerClient(connection, None, wire.pack({})).receive(0)
        except AgentError as error:
            self.protocol.refused(*event, error, self.world.now)
        except RpycKernelError as error:
            connection.breaks(str(error))
            connection.up, connection.given_up = False, True
            self.world.leave(connection)
            self.protocol.failed(*event, error, self.world.now)
        else:
            self.protocol.answered(*event, header, buffers, 0.1, self.world.now)
        self.carry()

    def notices(self, role, reason):
        connection = self.connections[role]
        connection.breaks(reason)
        connection.up, connection.given_up = False, True
        self.world.leave(connection)
        self.protocol.failed(role, connection.dial.number, LinkLost(connection.address, reason), self.world.now)
        self.carry()


class World:
    """One session, its worker, the kernels that come and go, and what is on its way.

    Each thing that the worker writes has a token, a number that goes up.
    """

    def __init__(self):
        self.now = 1000.0
        self.session = Session(Journal(EVERYTHING), {}, lambda line: None, self.now)
        self.handlers = Handlers(self.session)
        self.worker = Worker(self)
        self.session.worker_started(self.worker)
        self.kernels = []
        self.strays = []  # connections that their kernel has given up, on which requests are still on their way
        self.names, self.tokens = itertools.count(), itertools.count(1)
        self.written = []
        self.skipped = set()  # tokens that need not come
        self.take_over()
        self.settle()

    @property
    def kernel(self):
        """Who has taken the session last."""
        return self.kernels[-1]

    def take_over(self):
        first = not self.kernels
        self.kernels.append(Kernel(self, f"kernel {len(self.kernels)}"))
        self.kernel.open({} if first else None)

    def connections(self, wanted):
        """The (kernel, role, connection) that are as wanted."""
        return [
            (kernel, role, connection)
            for kernel in self.kernels
            for role, connection in kernel.connections.items()
            if wanted(connection)
        ]

    def dialling(self):
        return self.connections(lambda each: not each.up and not each.given_up)

    def asking(self):
        return self.connections(lambda each: each.up and each.requests and not each.busy and not each.cut)

    def answering(self):
        return self.connections(lambda each: each.up and each.answers)

    def cut(self):
        return self.connections(lambda each: each.up and each.cut)

    def late(self):
        return [(kernel, index) for kernel in self.kernels for index in range(len(kernel.late))]

    def stray_arrives(self, index):
        """A request arrives whose connection its kernel has given up."""
        stray = self.strays[index]
        stray.busy = False
        stray.request_arrives()
        if not stray.requests:
            self.strays.remove(stray)
        self.session.lose(stray)

    def leave(self, connection):
        if connection.requests and connection not in self.strays:
            self.strays.append(connection)
        self.session.lose(connection)

    def look_at(self, op, request, answer):
        """A request has come: nothing was left out before it, and an interrupt means no later one."""
        error = wire.unpack(answer)[0].get("error") if answer is not None else None
        if op == "submit" and error == "protocol":
            assert not isinstance(request["type"], str), "the keeper refuses what it should not"
        if op == "interrupt" and error is None:
            assert request["parent"] in self.worker.got | self.unwanted, "an interrupt comes behind its request"

    @property
    def unwanted(self):
        """The requests that will not run."""
        return set().union(*(each.withdrawn | each.doubtful | each.refused | each.poison for each in self.kernels))

    # the worker's

    def publish(self, kind, parent, urgent=False, poison=False):
        token = next(self.tokens)
        content = {"token": token, POISON.decode(): 1} if poison else {"token": token}
        self.session.journal.add_packet(wire.Message(kind, content, parent).encode(), urgent)
        self.written.append(token)
        if poison:
            self.skipped.add(token)
        self.session.advance(self.now)

    def publish_in_parts(self, between, ended):
        """Publish a message that is cut; others may come between its parts, and it may be given up in the midst."""
        token_between, token = next(self.tokens), next(self.tokens)
        packet = wire.Message("display_data", {"token": token}, "a").encode()
        half, size = len(packet) // 2, len(packet)
        rest = [token, half, size] if ended else [token, -1, size]
        journal = self.session.journal
        journal.add_packet(wire.part_packet([token, 0, size], "display_data", "a", packet[:half]), False)
        if between:
            self.print_text("b", token_between)
        journal.add_packet(wire.part_packet(rest, "display_data", "a", packet[half:] if ended else b""), False)
        self.written.append(token)
        self.skipped.add(token)
        self.session.advance(self.now)

    def print_text(self, parent, token=None):
        token = token or next(self.tokens)
        self.session.journal.add_text("stdout", parent, b"<%d>" % token)
        self.written.append(token)
        self.session.advance(self.now)

    # time

    def advance(self, seconds):
        self.now += seconds
        self.session.advance(self.now)
        for kernel in self.kernels:
            kernel.protocol.tick(self.now)
            kernel.carry()

    def go_on(self, notices=True):
        """Whatever is under way arrives. With *notices*, kernels find what is cut, but for what they gave up."""
        for kernel, role, connection in self.cut():
            if notices and (role is Role.PULLER or not connection.aborted):
                kernel.notices(role, connection.cut)
        for kernel, role, _connection in self.dialling():
            kernel.dialling_ends(role, fails=False)
        for _kernel, _role, connection in self.asking():
            connection.request_arrives()
        for kernel, role, connection in self.answering():
            if connection.answers and kernel.connections[role] is connection:  # by now it may be replaced
                kernel.answer_arrives(role)

    def settle(self):
        """Nothing goes wrong any more, until all is done."""
        self.strays.clear()
        for _ in range(1000):
            if self.kernel.status is LinkStatus.CLOSED:
                self.take_over()
            self.go_on()
            while self.worker.waiting:
                self.worker.run()
            self.advance(1.0)
            if self.settled:
                return
        raise AssertionError("it does not settle")

    @property
    def settled(self):
        kernel = self.kernel
        done = {*self.worker.ran, *kernel.refused, *kernel.withdrawn, *kernel.doubtful}
        return all(each.status is LinkStatus.CLOSED for each in self.kernels[:-1]) and (
            kernel.status is LinkStatus.UP
            and done.issuperset(kernel.submitted)
            and not kernel.questions
            and not self.session.journal.unread
        )


def tokens(message):
    if message.type == "stream":
        return [int(token) for token in re.findall(r"<(\d+)>", message.content["text"])]
    return [message.content["token"]] if "token" in message.content else []
