"""How a notebook is connected, as a page shows it: without a link."""

from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import SessionGoneError, TakenOverError
from rpyc_kernel.kernel.outcomes import Hosts
from rpyc_kernel.kernel.page.status import ConnectionStatus, state_of
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link.protocol import LinkStatus


def session(status=LinkStatus.UP, error=None, *, name="pi", failure="", death=""):
    made = create_autospec(RemoteSession, instance=True)
    made.name, made.label, made.title, made.id = name, name, "walk", "abc"
    made.status, made.error = status, error
    made.failure, made.death = failure, death
    made.describe.return_value = f"{name}: Python 3.11"
    return made


@pytest.mark.parametrize(
    ("given", "state", "detail"),
    [
        (session(), "connected", ""),
        (session(death="It was killed."), "worker died", "It was killed."),
        (session(LinkStatus.LOST, failure="No route."), "reconnecting", "No route."),
        (session(LinkStatus.LOST, TakenOverError("pi", "me")), "reconnecting", str(TakenOverError("pi", "me"))),
        (session(LinkStatus.CLOSED, TakenOverError("pi", "me")), "taken over", str(TakenOverError("pi", "me"))),
        (session(LinkStatus.CLOSED, SessionGoneError("pi")), "session ended", str(SessionGoneError("pi"))),
        (session(LinkStatus.CLOSED), "session ended", ""),
        (session(LinkStatus.NEW), "connecting", ""),
    ],
)
def test_the_state_of_a_session(given, state, detail):
    assert state_of(given) == (state, detail)


def test_what_is_told_of_a_notebook():
    told = []
    status = ConnectionStatus()
    nothing = {"state": "not connected", "machine": "", "label": "", "detail": "", "fresh": True, "others": []}
    assert status.content() == nothing
    pi, board = session(), session(LinkStatus.LOST, name="bo\u202eard\x1b[31m", failure="gone\n" * 1000)
    hosts = [Hosts((pi, board), pi, ())]
    status.begin(lambda: hosts[0], lambda: "bo\u202eard", lambda: False, lambda: told.append(1))
    found = status.content()
    assert (found["state"], found["machine"], found["description"]) == ("connected", "pi", "pi: Python 3.11")
    assert found["fresh"] is False
    assert [(each["state"], "\u202e" in each["machine"]) for each in found["others"]] == [("reconnecting", False)]
    hosts[0] = Hosts((pi, board), board, ())
    found = status.content()
    assert len(found["detail"]) <= 1000
    assert "\n" not in found["detail"]
    hosts[0] = Hosts((pi,), None, ())
    found = status.content()
    assert found["state"] == "connects with the next cell"
    assert found["machine"] == found["label"] != "bo\u202eard"
    status.dialling("lab")
    assert (status.content()["state"], status.content()["machine"]) == ("connecting", "lab")
    status.dialling("")
    hosts[0] = Hosts((pi, board), board, ())
    assert status.content()["state"] == "reconnecting"
    assert len(told) == 2
    status.moved()
    status.changed(pi, LinkStatus.LOST)
    status.before(Message("worker_died", {}))
    assert len(told) == 5
    assert status.watched == {"worker_died"}, "what is printed changes nothing"
