"""A link and a keeper, both real, over a network that loses, repeats and delays; kernels take the session over."""

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpyc_kernel.errors import SessionError, TakenOverError
from rpyc_kernel.link.protocol import LinkStatus
from tests.unit.link_world import ELSEWHERE, HERE, World

PART = 4  # parts of a long request
PHASES = [Phase.reuse, Phase.generate, Phase.shrink]  # to explain a failure takes minutes


class LinkAndKeeper(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()

    @property
    def kernel(self):
        return self.world.kernel

    def one_of(self, data, connections):
        return connections[data.draw(st.integers(0, len(connections) - 1))]

    # the worker

    @rule(parent=st.sampled_from("ab"))
    def print_text(self, parent):
        self.world.print_text(parent)

    @rule(urgent=st.booleans())
    def publish(self, urgent):
        self.world.publish("display_data", "a", urgent=urgent)

    @rule()
    def publish_what_can_not_be_taken(self):
        """Never two in a row: for the link that would be no matter of one message."""
        self.world.publish("display_data", "a", poison=True)
        self.world.publish("display_data", "a")

    @rule(between=st.booleans(), ended=st.booleans())
    def publish_in_parts(self, between, ended):
        self.world.publish_in_parts(between, ended)

    @precondition(lambda self: self.world.worker.waiting)
    @rule()
    def run_a_request(self):
        self.world.worker.run()

    # the kernel

    @rule(long=st.booleans())
    def submit(self, long):
        self.kernel.submit(PART if long else None)

    @rule()
    def submit_what_is_refused(self):
        self.kernel.submit_poison()

    @precondition(lambda self: self.kernel.submitted)
    @rule(data=st.data())
    def interrupt(self, data):
        self.kernel.interrupt(data.draw(st.sampled_from(self.kernel.submitted)))

    @precondition(lambda self: self.kernel.submitted)
    @rule(data=st.data())
    def withdraw(self, data):
        self.kernel.withdraw(data.draw(st.sampled_from(self.kernel.submitted)))

    @precondition(lambda self: self.kernel.status is LinkStatus.UP)
    @rule(op=st.sampled_from(["status", "keep"]))
    def ask(self, op):
        self.kernel.ask(op, {"keep": 1e9})

    @rule()
    def hurry(self):
        self.kernel.protocol.hurry()
        self.kernel.carry()

    @rule(address=st.sampled_from([HERE, ELSEWHERE]))
    def move(self, address):
        self.kernel.protocol.move(address)
        self.kernel.carry()

    @precondition(lambda self: len(self.world.kernels) < 4 and self.world.session.lease.epoch)
    @rule()
    def take_over(self):
        self.world.take_over()

    # the network

    @precondition(lambda self: self.world.dialling())
    @rule(data=st.data(), fails=st.sampled_from([False, False, True]))
    def dialling_ends(self, data, fails):
        kernel, role, _connection = self.one_of(data, self.world.dialling())
        kernel.dialling_ends(role, fails)

    @precondition(lambda self: self.world.asking())
    @rule(data=st.data())
    def a_request_arrives(self, data):
        self.one_of(data, self.world.asking())[2].request_arrives()

    @precondition(lambda self: self.world.answering())
    @rule(data=st.data())
    def an_answer_arrives(self, data):
        kernel, role, _connection = self.one_of(data, self.world.answering())
        kernel.answer_arrives(role)

    @rule(data=st.data())
    def a_connection_breaks(self, data):
        found = self.world.connections(lambda each: each.up and not each.cut)
        if found:
            self.one_of(data, found)[2].breaks("it was cut")

    @precondition(lambda self: self.world.cut())
    @rule(data=st.data())
    def a_kernel_notices_that(self, data):
        kernel, role, connection = self.one_of(data, self.world.cut())
        kernel.notices(role, connection.cut)

    @precondition(lambda self: self.world.late())
    @rule(data=st.data(), answer=st.booleans())
    def something_is_reported_late(self, data, answer):
        kernel, index = self.one_of(data, self.world.late())
        kernel.report_late(index, answer)

    @precondition(lambda self: self.world.strays)
    @rule(data=st.data())
    def a_stray_request_arrives(self, data):
        self.world.stray_arrives(data.draw(st.integers(0, len(self.world.strays) - 1)))

    @rule(times=st.integers(1, 8), notices=st.booleans())
    def all_is_well_for_a_while(self, times, notices):
        for _ in range(times):
            self.world.go_on(notices)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.1, 1.0, 6.0, 40.0]))
    def time_passes(self, seconds):
        self.world.advance(seconds)

    # what is true

    @invariant()
    def nothing_is_wrong(self):
        ran = self.world.worker.ran
        runs = {*ran, *(name for _number, name in self.world.worker.waiting)}
        for kernel in self.world.kernels:
            indexes = [kernel.submitted.index(name) for name in ran if name in kernel.names]
            assert indexes == sorted(set(indexes)), "no request runs twice, or before an earlier one"
            assert not runs & (kernel.withdrawn | set(kernel.refused)), "a request that was given up does not run"
            assert kernel.tokens == sorted(set(kernel.tokens)), "every message comes once and in order"
            if kernel.status is LinkStatus.CLOSED:
                assert all(each.cut for each in kernel.connections.values()), "no connection outlives the link"
            if kernel.status is not LinkStatus.UP:
                assert not kernel.questions or kernel.status is LinkStatus.NEW, "none waits while the link is down"

    def teardown(self):
        self.world.settle()
        world, kernel = self.world, self.kernel
        self.nothing_is_wrong()
        for each in world.kernels[:-1]:
            assert each.status is LinkStatus.CLOSED
            assert each.error is None or isinstance(each.error, (TakenOverError, SessionError))
        given_up = kernel.withdrawn | kernel.refused
        assert set(kernel.submitted) - set(world.worker.ran) - kernel.doubtful == given_up - kernel.doubtful - {""}
        assert kernel.poison <= given_up | kernel.doubtful
        shown = {token for each in world.kernels for token in each.tokens}
        assert set(world.written) - shown <= world.skipped


TestLinkAndKeeper = LinkAndKeeper.TestCase
TestLinkAndKeeper.settings = settings(max_examples=170, stateful_step_count=60, deadline=None, phases=PHASES)
