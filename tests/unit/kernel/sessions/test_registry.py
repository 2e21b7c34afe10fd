"""In which session cells run, and what becomes of those that are left: without a machine."""

import threading
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import DialError, SessionGoneError
from rpyc_kernel.hosts import recent
from rpyc_kernel.kernel.outcomes import Found, Left
from rpyc_kernel.kernel.ports import SessionHost
from rpyc_kernel.kernel.sessions import registry as registry_module
from rpyc_kernel.kernel.sessions.comm_table import CommTable
from rpyc_kernel.kernel.sessions.registry import SessionRegistry
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.listing import SessionEntry
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address


class Machines:
    """All machines that can be dialled, and the registry that dials them.

    Attributes:
        links: The double of each link that was made, in their order.
        missed: Address and id of each session that should have ended and couldn't be reached.
        refuse: The error of what is opened next, by the id of the session, "" for a new one.
    """

    def __init__(self):
        self.links = []
        self.missed = []
        self.refuse = {}
        host = create_autospec(SessionHost, instance=True)
        host.loop, host.comms = None, CommTable()
        self.registry = SessionRegistry(host, lambda *missed: self.missed.append(missed), link=self._make)

    def _make(self, address, on_message, on_status, session, *, on_refused, title):
        link = create_autospec(Link, instance=True)
        link.address, link.session, link.title = address, session or f"session-{len(self.links)}", title
        link.status, link.error, link.failure = LinkStatus.NEW, None, ""
        link.hello, link.attached, link.behind = {"warnings": ["It ends with a logout."]}, {}, 1

        def open_(config, cancel, *, attach=False):
            if error := self.refuse.get(session or ""):
                raise error
            link.status = LinkStatus.UP
            on_message(Message("session_info", {"pid": 1}), False)

        def close(*, end, timeout=3.0):
            reached = link.status is LinkStatus.UP
            link.status = LinkStatus.CLOSED
            return end and reached

        link.open.side_effect, link.close.side_effect = open_, close
        self.links.append(link)
        return link

    def connect(self, address, *, new=False, **config):
        return self.registry.connect(Address.parse(address), config, threading.Event(), new=new)

    def attach(self, address, session_id, by="taker", saved=""):
        entry = create_autospec(SessionEntry, instance=True)
        entry.session, entry.name = session_id, "walk"
        return self.registry.attach(Address.parse(address), entry, by, saved, threading.Event())

    @property
    def closed(self):
        """Of each link that was closed, in the order in which they were made, whether its session was to end."""
        return [(link.session, link.close.call_args.kwargs["end"]) for link in self.links if link.close.called]


@pytest.fixture
def machines(monkeypatch):
    monkeypatch.setattr(registry_module.listing, "sessions", lambda address, *, cancel: [])
    return Machines()


def test_a_machine_that_is_connected_is_kept_and_a_fresh_session_replaces_it(machines):
    first = machines.connect("127.0.0.1")
    assert (first.found, machines.registry.current) == (Found.NEW, first.session)
    again = machines.connect("127.0.0.1", keep=60.0, kept=True)
    assert (again.found, again.session) == (Found.KEPT, first.session)
    assert first.session.kept
    machines.links[0].ask.assert_called_once_with("keep", {"keep": 60.0})
    fresh = machines.connect("127.0.0.1", new=True)
    assert machines.registry.current is fresh.session is not first.session
    assert machines.closed == [("session-0", True)]


def test_where_it_fails_cells_run_where_they_did(machines):
    first = machines.connect("127.0.0.1").session
    machines.refuse[""] = DialError("board", "nobody listens")
    for address, new in (("board", False), ("127.0.0.1", True)):
        with pytest.raises(DialError):
            machines.connect(address, new=new)
    assert machines.registry.current is first
    assert not first.closed
    assert [session.name for session in machines.registry.hosts().sessions] == ["127.0.0.1:18812"]


def test_a_session_that_was_left_is_come_back_to_and_where_it_is_gone_another_begins(machines):
    machines.connect("127.0.0.1")
    left = machines.registry.disconnect(end=False)
    assert (left.left, left.warnings) == (Left.STAYS, ("It ends with a logout.",))
    assert machines.registry.hosts().left == ("127.0.0.1:18812",)
    assert machines.connect("127.0.0.1").session.id == "session-0"
    machines.registry.disconnect(end=False)
    machines.refuse["session-0"] = SessionGoneError("127.0.0.1", "session-0")
    assert machines.connect("127.0.0.1").session.id == "session-3"
    assert machines.registry.hosts().left == ()


@pytest.mark.parametrize(
    ("status", "end", "left", "missed"),
    [
        (LinkStatus.UP, True, Left.ENDED, []),
        (LinkStatus.LOST, True, Left.ENDS_LATER, [("127.0.0.1:18812", "session-0")]),
        (LinkStatus.LOST, False, Left.STAYS, []),
        (LinkStatus.CLOSED, True, Left.LOST, []),
    ],
)
def test_what_becomes_of_a_session_that_is_left(machines, status, end, left, missed):
    machines.connect("127.0.0.1")
    machines.links[0].status = status
    assert machines.registry.disconnect(end=end).left is left
    assert machines.missed == missed
    assert machines.registry.current is None
    assert machines.registry.disconnect(end=end).left is Left.NOT_CONNECTED


def test_a_lost_session_that_another_server_of_its_machine_reaches_moves_there(machines, monkeypatch):
    session = machines.connect("127.0.0.1").session
    machines.links[0].status = LinkStatus.LOST
    entry = create_autospec(SessionEntry, instance=True)
    entry.session = session.id
    monkeypatch.setattr(registry_module.listing, "sessions", lambda address, *, cancel: [entry])
    moved = machines.connect("127.0.0.1:18813")
    assert (moved.found, moved.session, session.name) == (Found.MOVED, session, "127.0.0.1:18813")
    assert [each.name for each in machines.registry.hosts().sessions] == ["127.0.0.1:18813"]
    assert len(machines.links) == 1


@pytest.mark.parametrize("used", [True, False])
def test_a_session_that_is_taken_over_ends_the_one_before_only_if_no_cell_ran_there(machines, used):
    before = machines.connect("127.0.0.1").session
    before.used = used
    session = machines.attach("127.0.0.1", "other")
    assert machines.registry.current is session
    assert session.shown_by("of another notebook") == "taker"
    assert machines.closed == [("session-0", not used)]
    assert machines.registry.ids == {"other"}


def test_a_session_that_is_taken_over_has_the_machines_saved_name(machines):
    assert machines.attach("127.0.0.1", "one", saved="pi").label == "pi"
    assert machines.attach("127.0.0.1", "another").label == "pi", "it takes the place of the one before"


def test_the_default_is_left_once_a_machine_is_named(machines, monkeypatch):
    monkeypatch.setattr(registry_module, "belongs_to_me", lambda port: True)
    machines.registry.default({}, threading.Event())
    assert machines.registry.current.name == "localhost:18812"
    machines.connect("localhost")  # by its name it is no default any more
    machines.registry.leave_default()
    assert machines.registry.current is not None
    machines.registry.disconnect(end=True)
    machines.registry.default({}, threading.Event())
    machines.registry.leave_default()
    assert machines.registry.current is None


@pytest.mark.parametrize("named", [True, False])
def test_one_that_is_found_again_is_the_default_if_it_was(machines, named):
    machines.registry.find_again(Address.parse("127.0.0.1"), {}, "of before", "cell", threading.Event(), named=named)
    machines.registry.leave_default()
    assert (machines.registry.current is not None) is named


def test_a_stock_server_that_is_open_to_a_network_is_told_of_once_for_each_machine(machines, monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    recent.note("10.0.0.6:18812")  # an earlier notebook was there
    assert machines.connect("127.0.0.1").warnings == ()
    (warning,) = machines.connect("10.0.0.5").warnings
    assert "RPyC's classic server asks for no password" in warning
    assert warning.endswith(" ssh://10.0.0.5")
    assert machines.connect("10.0.0.5").warnings == ()
    assert machines.connect("10.0.0.6").warnings == ()
    (warning,) = machines.connect("fe80::1").warnings
    assert warning.endswith(" ssh://[fe80::1]")


@pytest.mark.parametrize("keep", [True, False])
def test_the_end_of_the_kernel_ends_its_sessions_but_those_that_are_to_be_kept(machines, keep):
    machines.connect("127.0.0.1")
    machines.connect("127.0.0.2", kept=True)
    machines.connect("127.0.0.3")
    machines.links[2].status = LinkStatus.LOST
    assert machines.registry.close(keep=keep) == [("127.0.0.3:18812", "session-2")]
    assert machines.closed == [("session-0", True), ("session-1", not keep), ("session-2", True)]


# --- several machines


def connect(machines, address, label="", **options):
    return machines.registry.connect(Address.parse(address), {}, threading.Event(), label=label, **options).session


def test_each_name_is_a_session_of_its_own_also_on_one_machine(machines):
    plain, walk = connect(machines, "pi"), connect(machines, "pi", "walk")
    assert plain is not walk
    assert (plain.label, walk.label) == ("pi:18812", "walk")
    assert machines.registry.named("walk") is walk
    assert connect(machines, "pi", "walk") is walk
    assert connect(machines, "pi") is walk, "without a name, where cells run already"
    machines.registry.use(plain)
    assert connect(machines, "pi") is plain
    assert machines.registry.several
    assert not machines.closed


def test_a_saved_name_is_what_cells_call_a_machine(machines):
    assert connect(machines, "10.0.0.5", saved="pi").label == "pi"
    assert machines.registry.named("pi") is machines.registry.named("10.0.0.5:18812")


def test_a_name_moves_to_the_machine_that_gets_it_last(machines):
    before = connect(machines, "10.0.0.5", "gpu")
    after = connect(machines, "10.0.0.6", "gpu")
    assert machines.registry.named("gpu") is after is machines.registry.current
    assert machines.registry.named("10.0.0.5:18812") is before
    assert before.label == "10.0.0.5:18812"
    assert not machines.closed


def test_a_fresh_session_takes_the_name_of_the_one_that_it_replaces(machines):
    connect(machines, "pi", "gpu")
    fresh = connect(machines, "pi", "gpu", new=True)
    assert machines.registry.all == (fresh,)
    assert machines.closed == [("session-0", True)]


def test_one_that_was_left_is_come_back_to_by_its_name(machines):
    walk, other = connect(machines, "pi", "walk"), connect(machines, "pi", "other")
    left = machines.registry.disconnect(walk, end=False)
    assert (left.name, left.address, machines.registry.current) == ("walk", "pi:18812", other)
    assert machines.registry.hosts().left == ("walk",)
    assert connect(machines, "pi", "walk").id == walk.id
    assert machines.registry.hosts().left == ()


def test_a_machine_of_before_is_connected_to_without_moving_cells(machines):
    pi = connect(machines, "pi")
    again = machines.registry.reopen(Address.parse("gpu"), {}, "of before", "gpu", threading.Event())
    assert again.id == "of before"
    assert machines.registry.current is pi
    assert machines.registry.named("gpu") is again
    machines.refuse["gone"] = SessionGoneError("gpu", "gone")
    fresh = machines.registry.reopen(Address.parse("gpu"), {}, "gone", "gpu-2", threading.Event())
    assert fresh.id != "gone"
