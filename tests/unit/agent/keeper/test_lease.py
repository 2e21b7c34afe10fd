"""Who holds a session: against a model, with two kernels at once, links that were delayed, and old epochs."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rpyc_kernel.agent.keeper.lease import MAX_CLIENTS, MAX_HOLDER_CHARACTERS, Lease, Stale

CLIENTS = ["ada", "bob", "eve"]


class Holding(RuleBasedStateMachine):
    """Every link that was ever attached asks again, at any time: only the last one is served."""

    def __init__(self):
        super().__init__()
        self.now = 100.0
        self.hold = Lease(self.now)
        self.links = [("", 0)]  # the client of each epoch, and the attempt
        self.taken_at = 0.0

    @rule(client=st.sampled_from(CLIENTS), attempt=st.integers(1, 8), take=st.booleans(), passed=st.floats(0, 9))
    def attach(self, client, attempt, take, passed):
        self.now += passed
        before, current = self.hold.epoch, self.links[-1][0]
        late = attempt <= max((number for name, number in self.links if name == client), default=0)
        allowed = not late and (take or current in ("", client))
        try:
            taken = self.hold.attach(client, attempt, f"{client}@laptop", take, self.now)
        except Stale as stale:
            assert not allowed
            self.is_told(stale, client)
            assert self.hold.epoch == before
            return
        assert allowed
        assert taken == (current not in ("", client))
        if client != current:
            self.taken_at = self.now
        self.links.append((client, attempt))
        assert self.hold.epoch == before + 1
        assert (self.hold.client, self.hold.holder, self.hold.since) == (client, f"{client}@laptop", self.taken_at)

    @rule(back=st.integers(0, 12))
    def ask(self, back):
        epoch = self.hold.epoch - back
        try:
            self.hold.check(epoch, self.now)
        except Stale as stale:
            assert back or not epoch
            self.is_told(stale, self.links[epoch][0] if epoch > 0 else None)
        else:
            assert not back

    def is_told(self, stale, client):
        assert stale.answer["error"] == "stale"
        current = self.links[-1][0]
        if client == current:
            assert "by" not in stale.answer
        else:
            assert stale.answer["by"] == (f"{current}@laptop" if current else "")
            assert stale.answer["ago"] == self.now - (self.taken_at or 100.0)

    @invariant()
    def every_attach_has_raised_the_epoch(self):
        assert self.hold.epoch == len(self.links) - 1


Holding.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestHolding = Holding.TestCase


def test_a_link_of_the_same_client_that_comes_late_replaces_nothing_even_after_somebody_else():
    hold = Lease(0.0)
    hold.attach("ada", 1, "Ada", False, 0.0)
    hold.attach("ada", 2, "Ada", False, 0.0)
    hold.attach("bob", 1, "Bob", True, 1.0)
    with pytest.raises(Stale) as caught:
        hold.attach("ada", 2, "Ada", True, 5.0)
    answer = caught.value.answer
    assert (answer["by"], answer["ago"]) == ("Bob", 4.0)
    assert hold.epoch == 3
    assert hold.attach("ada", 3, "Ada", True, 6.0) is True


def test_who_does_not_say_who_it_is_is_always_let_in():
    hold = Lease(0.0)
    assert hold.attach("", 0, "", False, 0.0) is False
    assert hold.attach("", 0, "", False, 0.0) is False
    assert hold.epoch == 2
    with pytest.raises(Stale) as caught:
        hold.check(1, 0.0)
    assert "by" not in caught.value.answer


def test_before_the_first_link_nobody_is_served():
    with pytest.raises(Stale):
        Lease(0.0).check(0, 0.0)


def test_memory_is_bounded():
    hold = Lease(0.0)
    for number in range(10 * MAX_CLIENTS):
        hold.attach(f"client {number}", 1, "x" * 10_000, True, 0.0)
    assert len(hold.holder) == MAX_HOLDER_CHARACTERS
    assert len(hold._attempts) == len(hold._takeovers) == MAX_CLIENTS
    with pytest.raises(Stale) as caught:
        hold.check(1, 0.0)  # so long ago that nobody knows who it was
    assert "by" in caught.value.answer
