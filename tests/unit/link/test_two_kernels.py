"""Two kernels want one session: the link's state, and the keeper's, over links that lose, repeat and come late."""

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rpyc_kernel.agent.keeper.lease import Lease, Stale
from rpyc_kernel.agent.keeper.outbox.journal import Journal
from rpyc_kernel.agent.keeper.requests import Requests
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.state import SessionState

NAMES = "ab"
MUCH = 1 << 40


class Keeper:
    """What the keeper's operations do with its plain objects."""

    def __init__(self):
        self.journal, self.requests, self.hold = Journal(MUCH), Requests(), Lease(0.0)
        self.ran = []

    def attach(self, client, attempt, acked, take):
        self.hold.attach(client, attempt, client, take, 0.0)
        self.journal.acknowledge(acked)
        self.journal.rewind()
        return self.hold.epoch, self.requests.accepted, self.journal.acknowledged, self.journal.last

    def submit(self, epoch, submission):
        self.hold.check(epoch, 0.0)
        kept = (submission.number, submission.type, submission.parent, submission.packet)
        if self.requests.accept(*kept, True) is not None:
            self.ran.append(submission.parent)
        return self.requests.accepted

    def pull(self, epoch, acked, max_bytes):
        self.hold.check(epoch, 0.0)
        self.journal.acknowledge(acked)
        return self.journal.take(max_bytes)


class Kernel:
    """One client: a link that is up or not, and what came over it."""

    def __init__(self, name):
        self.name = name
        self.number = 0
        self.begin()

    def begin(self):
        """Its user takes the session: a new link with a state of its own."""
        self.number += 1
        self.client = f"{self.name}{self.number}"
        self.state = SessionState()
        self.attempt = 0
        self.up = self.lost = False  # lost: taken over, as it was told
        self.received = []
        self.first = None  # the number of the first message that came


class TwoKernels(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.keeper = Keeper()
        self.kernels = {name: Kernel(name) for name in NAMES}
        self.written, self.submitted, self.late = [], [], []
        self.shown = {}  # number of a message: its text, as any kernel got it

    @initialize()
    def the_first_takes_it(self):
        self.attach("a", take=True, answered=True)

    def attach(self, name, take, answered):
        kernel = self.kernels[name]
        kernel.attempt += 1
        answer = self.keeper.attach(kernel.client, kernel.attempt, kernel.state.received, take)
        if answered:
            kernel.state.attached(*answer)
            kernel.up = True
            if kernel.first is None:
                kernel.first = kernel.state.received + 1

    @rule(text=st.text("xy", min_size=1, max_size=5))
    def publish(self, text):
        self.keeper.journal.add_packet(Message("display_data", {"text": text}, "p").encode(), True)
        self.written.append(text)

    @rule(name=st.sampled_from(NAMES), answered=st.booleans())
    def take(self, name, answered):
        """By %attach. Where the answer is lost, its user sees an error, and may try again."""
        self.kernels[name].begin()
        self.attach(name, take=True, answered=answered)

    @rule(name=st.sampled_from(NAMES))
    def break_link(self, name):
        self.kernels[name].up = False

    @precondition(lambda self: any(not each.up and each.attempt and not each.lost for each in self.kernels.values()))
    @rule(data=st.data(), answered=st.booleans())
    def reconnect(self, data, answered):
        """By itself: it gets its own session back, never one that another has taken."""
        names = [n for n, each in self.kernels.items() if not each.up and each.attempt and not each.lost]
        kernel = self.kernels[data.draw(st.sampled_from(names))]
        mine = self.keeper.hold.client == kernel.client
        try:
            self.attach(kernel.name, take=False, answered=answered)
        except Stale as stale:
            assert not mine
            assert stale.answer["by"], "it is told by whom"  # noqa: PT017
            kernel.lost = True
        else:
            assert mine

    @rule(name=st.sampled_from(NAMES))
    def submit(self, name):
        request = f"{self.kernels[name].client} {len(self.submitted)}"
        self.submitted.append(request)
        self.kernels[name].state.submit("execute_request", request, b"")

    @rule(name=st.sampled_from(NAMES), times=st.integers(1, 2), answered=st.booleans(), late=st.booleans())
    def send(self, name, times, answered, late):
        kernel = self.kernels[name]
        submission = kernel.state.next_unsent()
        if not kernel.up or submission is None:
            return
        kernel.state.sent()
        epoch = kernel.state.epoch
        if late:
            self.late.append((epoch, submission))
            return
        try:
            accepted = self.keeper.submit(epoch, submission)
        except Stale:
            kernel.up, kernel.lost = False, self.keeper.hold.client != kernel.client
        except ValueError:
            kernel.up = False  # one before it is still on its way: that link is broken
        else:
            for _ in range(times - 1):
                assert self.keeper.submit(epoch, submission) == accepted, "sending again is safe"
            if answered:
                kernel.state.accepted(accepted)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def what_was_late_comes(self, data):
        stray = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        with contextlib.suppress(Stale, ValueError):
            self.keeper.submit(*stray)

    @rule(name=st.sampled_from(NAMES), max_bytes=st.integers(0, 300), answered=st.booleans())
    def pull(self, name, max_bytes, answered):
        kernel = self.kernels[name]
        if not kernel.up:
            return
        try:
            first, packets = self.keeper.pull(kernel.state.epoch, kernel.state.received, max_bytes)
        except Stale:
            kernel.up, kernel.lost = False, self.keeper.hold.client != kernel.client
            return
        if not answered:
            kernel.up = False
            return
        for packet in kernel.state.arrived(first, packets):
            kernel.received.append(Message.decode(packet).content["text"])

    @invariant()
    def nothing_runs_twice_and_each_kernels_in_their_order(self):
        indexes = [self.submitted.index(each) for each in self.keeper.ran]
        assert len(set(indexes)) == len(indexes)
        for client in {each.split()[0] for each in self.keeper.ran}:
            own = [self.submitted.index(each) for each in self.keeper.ran if each.split()[0] == client]
            assert own == sorted(own)

    @invariant()
    def each_kernel_has_every_message_since_it_took_the_session(self):
        for kernel in self.kernels.values():
            if kernel.first is not None:
                start = kernel.first - 1
                assert kernel.received == self.written[start : start + len(kernel.received)]

    @invariant()
    def what_is_forgotten_was_received(self):
        received = max(each.state.received for each in self.kernels.values())
        forgotten = self.keeper.journal.acknowledged
        assert forgotten <= max(received, getattr(self, "most", 0))
        self.most = max(received, getattr(self, "most", 0))


TestTwoKernels = TwoKernels.TestCase
TestTwoKernels.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
