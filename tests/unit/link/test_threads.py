"""What the threads of a link share with those that use it, and the context in which SIGINT waits; signals are real."""

import signal
import threading

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.threads import Uninterrupted
from rpyc_kernel.transport.address import Address


def test_what_a_finalizer_sends_in_the_midst_of_something_is_sent_after_it():
    """Garbage collection may end a live connection at any step of the protocol, on the link's own threads too."""
    link = Link(Address.parse("pi"), lambda *_: None, lambda *_: None)

    class Dropped:
        def __del__(self):
            link.submit(Message("rpyc_close", {}, "b"))

    link.submit(Message("execute_request", {"code": "1"}, "a"))
    with link._threads.events() as protocol:
        dropped = [Dropped()]
        for each in protocol.state._pending:
            dropped.clear()
            assert each.parent == "a"
    assert [each.parent for each in protocol.state._pending] == ["a", "b"]
    link.submit(Message("execute_request", {"code": "1"}, "c"))
    assert [each.parent for each in protocol.state._pending] == ["a", "b", "c"]


@pytest.fixture
def presses():
    """What a handler of SIGINT has been called with; it doesn't raise."""
    found = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: found.append(frame.f_code.co_name))
    yield found
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def pressed_within(done, error=None):
    with Uninterrupted():
        press()
        done.append(1)
        if error is not None:
            raise error


def test_a_press_waits_for_the_end_and_is_raised_there():
    done = []
    with pytest.raises(KeyboardInterrupt):
        pressed_within(done)
    assert done == [1]
    with pytest.raises(KeyboardInterrupt):
        press()


def test_the_handler_is_the_one_of_before_with_the_frame_in_which_the_press_came(presses):
    with Uninterrupted():
        press()
        press()
        assert presses == []
    assert presses == ["press"]
    press()
    assert presses == ["press"] * 2


def test_what_is_suspended_is_interrupted_at_once(presses):
    with Uninterrupted() as uninterrupted:
        with uninterrupted.suspended():
            press()
            assert presses == ["press"]
        press()
        with uninterrupted.suspended():  # a press of before isn't lost on a wait that begins
            assert presses == ["press"] * 2
        press()
        assert presses == ["press"] * 2
    assert presses == ["press"] * 3


def test_a_wait_that_is_interrupted_leaves_the_rest_uninterrupted(presses):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Uninterrupted() as uninterrupted:
        with pytest.raises(KeyboardInterrupt), uninterrupted.suspended():
            press()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert presses == []


def test_a_wait_within_another_context_is_interrupted_too(presses):
    with Uninterrupted():
        with Uninterrupted() as inner:
            with inner.suspended():
                press()
                assert presses == ["press"]
            press()
        assert presses == ["press"]
    assert presses == ["press"] * 2


def test_an_error_is_the_context_of_the_interrupt():
    with pytest.raises(KeyboardInterrupt) as info:
        pressed_within([], ValueError("first"))
    assert isinstance(info.value.__context__, ValueError)


def test_in_another_thread_nothing_changes(presses):
    def work():
        with Uninterrupted() as uninterrupted:
            with uninterrupted.suspended():
                found.append(signal.getsignal(signal.SIGINT))
            found.append(signal.getsignal(signal.SIGINT))

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert found == [signal.getsignal(signal.SIGINT)] * 2
    assert presses == []


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_there_is_no_handler_nothing_changes(presses, handler):
    signal.signal(signal.SIGINT, handler)
    with Uninterrupted():
        assert signal.getsignal(signal.SIGINT) is handler
    assert presses == []
