"""What a press of the stop button does, by how the link is."""

from unittest.mock import call, create_autospec

import pytest

from rpyc_kernel.errors import WaitingStoppedError, WithdrawnError
from rpyc_kernel.kernel.sessions import interrupt_policy
from rpyc_kernel.kernel.sessions.interrupt_policy import Presses
from rpyc_kernel.kernel.sessions.requests import Exchange
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus


def asked(double):
    """The names of the methods that were called of a link's or an exchange's double, in their order."""
    return [name for name, _arguments, _options in double.method_calls]


class Loop:
    """Stands for the event loop, and notes what is to be done later."""

    def __init__(self, later):
        self.later = later

    def call_later(self, *what):
        self.later.append(what)


class Pi:
    name = "pi"

    def __init__(self, link):
        self.link = link


@pytest.fixture
def clock(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(interrupt_policy.time, "monotonic", lambda: times[0])
    return times


@pytest.fixture
def press(clock, monkeypatch):
    link, exchange, later = create_autospec(Link, instance=True), create_autospec(Exchange, instance=True), []
    link.address, link.error, link.failure = "pi", None, ""
    link.was_tried.return_value, exchange.waits.return_value, exchange.queue.return_value = True, True, []
    monkeypatch.setattr(interrupt_policy.asyncio, "get_running_loop", lambda: Loop(later))
    button, machine = Presses(exchange), Pi(link)

    def press(after=1.0, msg_id="a", status=LinkStatus.UP):
        clock[0] += after
        link.status = status
        link.reset_mock()
        exchange.reset_mock()
        button.pressed(machine, msg_id)
        return asked(link), asked(exchange)

    press.link, press.exchange, press.later = link, exchange, later
    return press


def test_a_press_is_an_interrupt(press):
    assert press() == (["interrupt"], ["queue", "stop_asking"])


def test_it_is_for_what_runs(press):
    press.exchange.queue.return_value = ["click", "a"]
    press()
    assert press.link.method_calls == [call.interrupt("click")]


def test_where_the_first_of_two_at_once_has_ended_something_the_second_leaves_what_waited_alone(press):
    press.exchange.queue.return_value = ["a", "b"]
    press()
    press.exchange.queue.return_value = ["b", "c"]
    assert press(after=0.05, msg_id="b") == ([], ["queue"])
    assert press(after=0.2, msg_id="b")[0] == ["interrupt"]


def test_two_at_once_are_one(press):
    press()
    assert press(after=0.05) == ([], ["queue"])


def test_if_the_second_has_no_effect_the_cell_names_the_way_out_once(press):
    press()
    press()
    press()
    [(seconds, hint, *arguments)] = press.later
    assert seconds == interrupt_policy.PATIENCE
    hint(*arguments)
    assert asked(press.exchange)[-2:] == ["waits", "warn"]
    press.exchange.waits.return_value = False
    press.exchange.reset_mock()
    hint(*arguments)
    assert asked(press.exchange) == ["waits"]


@pytest.mark.parametrize(("after", "msg_id"), [(3.5, "a"), (1.0, "b")])
def test_a_late_one_and_one_of_another_cell_are_no_second(press, after, msg_id):
    press()
    press(after=after, msg_id=msg_id)
    assert not press.later


def test_during_an_outage_it_is_kept_and_the_second_ends_the_waiting(press):
    assert press(status=LinkStatus.LOST) == (["was_tried", "interrupt"], ["show_link"])
    assert press(after=20, status=LinkStatus.LOST) == (["was_tried", "withdraw"], ["waits", "fail_one"])
    assert isinstance(press.exchange.fail_one.call_args.args[1], WaitingStoppedError)


def test_a_cell_that_was_stopped_waits_for_the_link_only_a_moment(press):
    press(status=LinkStatus.LOST)
    seconds, callback, *arguments = press.later[0]
    assert seconds == interrupt_policy.GRACE
    press.link.reset_mock()
    callback(*arguments)
    assert asked(press.link) == ["withdraw"]
    assert isinstance(press.exchange.fail_one.call_args.args[1], WaitingStoppedError)


@pytest.mark.parametrize("change", ["the link is back", "the cell has ended"])
def test_after_that_moment_nothing_happens_if_all_is_well(press, change):
    press(status=LinkStatus.LOST)
    _seconds, callback, *arguments = press.later[0]
    press.link.reset_mock()
    if change == "the link is back":
        press.link.status = LinkStatus.UP
    else:
        press.exchange.waits.return_value = False
    callback(*arguments)
    assert asked(press.link) == []


def test_what_was_never_sent_ends_at_once(press):
    press.link.was_tried.return_value = False
    assert press(status=LinkStatus.LOST) == (["was_tried", "withdraw"], ["fail_one"])
    assert isinstance(press.exchange.fail_one.call_args.args[1], WithdrawnError)


def test_where_the_session_is_gone_whoever_waits_is_told(press):
    assert press(status=LinkStatus.CLOSED) == ([], ["fail"])
