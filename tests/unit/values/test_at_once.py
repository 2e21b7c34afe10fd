"""Several sessions are asked at once on the connections that they have; one that doesn't answer holds up no other."""

import contextlib
import threading
import time

import pytest

from rpyc_kernel.errors import AgentError, DialCancelledError, LinkLost
from rpyc_kernel.transport.address import Address
from rpyc_kernel.values import at_once

PI = Address.parse("pi:18812")


class Standin:
    """A session and its connection, of which it has none where there is no answer."""

    def __init__(self, answer=None, fails=None, *, silent=False):
        self.answer, self.fails, self.silent = answer, fails, silent
        self.asked = []
        self.direct = self

    @contextlib.contextmanager
    def kept(self, until):
        self.until = until
        yield None if self.answer is self.fails is None and not self.silent else self

    def send(self, op, header):
        self.asked.append((op, header))

    def receive(self):
        while self.silent and not self.until.expired:
            if self.until.cancelled:
                raise DialCancelledError(PI)
            time.sleep(0.01)  # as a socket waits
        if self.fails is not None or self.silent:
            raise self.fails or LinkLost(PI, "silent")
        return self.answer, ()


def test_who_answers_is_heard_whatever_others_do(monkeypatch):
    monkeypatch.setattr(at_once, "PATIENCE_S", 0.2)
    refusing = Standin(fails=AgentError("On pi: no."))
    silent, gone, far = Standin(silent=True), Standin(fails=LinkLost(PI, "cut")), Standin()
    one, other = Standin({"a": 1}), Standin({"a": 2})
    sessions = [silent, refusing, one, gone, far, other]
    answers = at_once.ask_kept("values.versions", {each: {"n": 1} for each in sessions}, threading.Event())
    assert answers == {one: {"a": 1}, other: {"a": 2}}
    assert [len(each.asked) for each in sessions] == [1, 1, 1, 1, 0, 1]
    assert len({id(each.until) for each in sessions}) == 1, "one deadline for all of them"


def test_the_stop_button_ends_it():
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DialCancelledError):
        at_once.ask_kept("values.versions", {Standin(silent=True): {}}, cancel)
