"""What is carried past a session's messages outlasts a lost link, and ends where it can't go on."""

from __future__ import annotations

import contextlib
import threading

import pytest

from rpyc_kernel.errors import AgentError, DialCancelledError, LinkLost, ProtocolError, SessionGoneError
from rpyc_kernel.link import bulk


class Session:
    """Connections and a link that do as they are told, one thing after the other."""

    def __init__(self, *ups: Exception | None) -> None:
        self.direct = self
        self.closed = False
        self.waited = 0
        self._ups = list(ups)

    @contextlib.contextmanager
    def connection(self, _cancel):
        yield self

    def wait_up(self, cancel: threading.Event) -> None:
        self.waited += 1
        error = self._ups.pop(0) if self._ups else None
        self.closed = isinstance(error, SessionGoneError)
        if error is not None:
            raise error


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(bulk, "RETRY_PAUSE_S", 0.0)


def doing(*outcomes):
    """Does one thing after the other; each string is a result, and each number so much that is carried before a cut."""
    left, carried = list(outcomes), [0]

    def on_connection(_connection):
        outcome = left.pop(0)
        if isinstance(outcome, int):
            carried[0] += outcome
            raise LinkLost("pi", "cut")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return on_connection, lambda: carried[0]


def test_it_goes_on_after_each_cut():
    session = Session()
    assert bulk.carry(session, threading.Event(), *doing(10, 10, 10, 10, 10, 10, 10, "done")) == "done"
    assert session.waited == 7


def test_connections_in_vain_come_to_an_end():
    with pytest.raises(LinkLost):
        bulk.carry(Session(), threading.Event(), *doing(*[0] * bulk.MAX_VAIN_TRIES, "never"))


def test_a_link_is_waited_for_however_long():
    lost = [LinkLost("pi", "it is not back yet")] * 50
    assert bulk.carry(Session(*lost), threading.Event(), *doing(10, "done")) == "done"


def test_a_link_that_will_not_be_back_ends_it():
    session = Session(LinkLost("pi", "not yet"), SessionGoneError("pi"))
    with pytest.raises(SessionGoneError):
        bulk.carry(session, threading.Event(), *doing(10, "never"))


@pytest.mark.parametrize("error", [AgentError("no"), ProtocolError("pi", "nonsense"), DialCancelledError("pi")])
def test_what_another_try_would_not_change_ends_it_at_once(error):
    session = Session()
    with pytest.raises(type(error)):
        bulk.carry(session, threading.Event(), *doing(error, "never"))
    assert session.waited == 0


def test_a_stop_ends_the_waiting():
    stop = threading.Event()
    stop.set()
    with pytest.raises(DialCancelledError):
        bulk.carry(Session(), stop, *doing(10, "never"))
