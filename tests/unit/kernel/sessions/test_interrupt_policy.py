"""What a press of the stop button does, by how the link is."""

from unittest.mock import create_autospec

import pytest

from rpyc_kernel.errors import WaitingStoppedError, WithdrawnError
from rpyc_kernel.kernel.cells import RunningCells
from rpyc_kernel.kernel.sessions import interrupt_policy
from rpyc_kernel.kernel.sessions.interrupt_policy import InterruptPolicy
from rpyc_kernel.kernel.sessions.requests import PendingRequests
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link.protocol import LinkStatus

PASSIVE = {"keeps_interrupt", "queue", "waits", "was_tried"}  # what asks, and does nothing


class Press:
    """A session, the policy, and the clock and the event loop by which it goes; calling it is a press.

    Attributes:
        later: What is to be called later, and when.
    """

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.later = []
        monkeypatch.setattr(interrupt_policy.time, "monotonic", lambda: self.now)
        self.cells = create_autospec(RunningCells, instance=True)
        self.cells.loop = self
        self.session = create_autospec(RemoteSession, instance=True)
        self.session.name, self.session.address, self.session.failure, self.session.error = "pi", "pi", "", None
        self.session.was_tried.return_value = True
        self.requests = self.session.requests = create_autospec(PendingRequests, instance=True)
        self.requests.queue.return_value = []
        self.requests.waits.return_value = True
        self.policy = InterruptPolicy(self.cells)

    def call_later(self, *what):
        """As the event loop's."""
        self.later.append(what)

    def call_soon_threadsafe(self, call, *arguments):
        """As the event loop's, at once."""
        call(*arguments)

    def __call__(self, after=1.0, msg_id="a", status=LinkStatus.UP):
        self.now += after
        self.session.status = status
        for double in (self.session, self.requests, self.cells):
            double.reset_mock()
        self.policy.press(self.session, msg_id)
        return self.did

    @property
    def did(self):
        """The names of what was done since the press."""
        calls = [*self.session.method_calls, *self.cells.method_calls]
        return [name for name in (call[0].removeprefix("requests.") for call in calls) if name not in PASSIVE]


@pytest.fixture
def press(monkeypatch):
    # the policy is called in no event loop here: only where the tests check that does it matter
    monkeypatch.setattr("asyncio.get_running_loop", lambda: press.loop)
    press = Press(monkeypatch)
    press.loop = press
    return press


def test_a_press_is_an_interrupt(press):
    assert press() == ["interrupt", "stop_asking"]


def test_it_is_for_what_runs(press):
    press.requests.queue.return_value = ["click", "a"]
    press()
    press.session.interrupt.assert_called_once_with("click")


def test_where_the_first_of_two_at_once_has_ended_something_the_second_leaves_what_waited_alone(press):
    press.requests.queue.return_value = ["a", "b"]
    press()
    press.requests.queue.return_value = ["b", "c"]
    assert press(after=0.05, msg_id="b") == []
    assert press(after=0.2, msg_id="b") == ["interrupt", "stop_asking"]


def test_two_at_once_are_one(press):
    press()
    assert press(after=0.05) == []


def test_if_the_second_has_no_effect_the_cell_names_the_way_out_once(press):
    press()
    press()
    press()
    [(seconds, hint, *arguments)] = press.later
    assert seconds == interrupt_policy.END_GRACE_S
    hint(*arguments)
    assert "%restart" in press.requests.warn.call_args[0][1]
    press.requests.waits.return_value = False
    press.requests.warn.reset_mock()
    hint(*arguments)
    press.requests.warn.assert_not_called()


@pytest.mark.parametrize(("after", "msg_id"), [(3.5, "a"), (1.0, "b")])
def test_a_late_one_and_one_of_another_cell_are_no_second(press, after, msg_id):
    press()
    press(after=after, msg_id=msg_id)
    assert not press.later


def test_during_an_outage_it_is_kept_and_the_second_ends_the_waiting(press):
    assert press(status=LinkStatus.LOST) == ["interrupt", "show_link"]
    assert press(after=20, status=LinkStatus.LOST) == ["withdraw"]
    assert isinstance(press.session.withdraw.call_args[0][1], WaitingStoppedError)


def test_a_cell_that_was_stopped_waits_for_the_link_only_a_moment(press):
    press(status=LinkStatus.LOST)
    seconds, callback, *arguments = press.later[0]
    assert seconds == interrupt_policy.LINK_GRACE_S
    callback(*arguments)
    assert isinstance(press.session.withdraw.call_args[0][1], WaitingStoppedError)


@pytest.mark.parametrize("arrived", [False, True])
def test_one_on_a_link_that_was_down_already_is_kept_once_that_is_known(press, arrived):
    press()
    press.session.status, press.session.keeps_interrupt.return_value = LinkStatus.LOST, not arrived
    press.policy.changed(press.session, LinkStatus.LOST)
    assert ("show_link" in press.did) is not arrived
    if not arrived:
        seconds, callback, *arguments = press.later[0]
        assert seconds == interrupt_policy.LINK_GRACE_S
        callback(*arguments)
        assert isinstance(press.session.withdraw.call_args[0][1], WaitingStoppedError)


@pytest.mark.parametrize("change", ["the link is back", "the cell has ended"])
def test_after_that_moment_nothing_happens_if_all_is_well(press, change):
    press(status=LinkStatus.LOST)
    _seconds, callback, *arguments = press.later[0]
    if change == "the link is back":
        press.session.status = LinkStatus.UP
    else:
        press.requests.waits.return_value = False
    callback(*arguments)
    press.session.withdraw.assert_not_called()


def test_what_was_never_sent_ends_at_once(press):
    press.session.was_tried.return_value = False
    assert press(status=LinkStatus.LOST) == ["withdraw"]
    assert isinstance(press.session.withdraw.call_args[0][1], WithdrawnError)


def test_where_the_session_is_gone_whoever_waits_is_told(press):
    assert press(status=LinkStatus.CLOSED) == ["fail"]
