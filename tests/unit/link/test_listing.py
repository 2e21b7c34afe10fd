"""The list of a machine's sessions: what is believed of it, which one a word means, and how it looks."""

import math
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import AgentError, ArgumentError, ProtocolError, SessionGoneError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address

PI = Address.parse("pi")
FULL = {
    "session": "0123456789abcdef",
    "name": "thermo",
    "version": 1,
    "agent": "0.1.0",
    "python": "3.11.2",
    "pid": 4711,
    "answers": True,
    "age": 7200.5,
    "busy": True,
    "held": True,
    "holder": "ada@laptop, notebook.ipynb",
    "since": 60.0,
    "unread": 412,
    "unread_bytes": 1_400_000,
    "idle": 0.0,
    "keep": 86400.0,
    "execution_count": 17,
    "load": [0.5, 0.25, 0.0],
    "epoch": 3,
    "queued": 1,
}


def entry(**fields):
    found = listing.read({**FULL, **fields})
    assert found is not None
    return found


class FakeBroker:
    """Answers as the agent would; `answers` holds what comes for each op, an error to be raised among them."""

    def __init__(self, **answers):
        self.address, self.connection, self.answers = PI, self, answers
        self.cancel = None
        self.asked = []
        self.closed = False

    def call(self, op, header, buffers=(), timeout=None):
        self.asked.append((op, header))
        answer = self.answers[op]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.closed = True


@contextmanager
def brought(monkeypatch, **answers):
    broker = FakeBroker(**answers)
    monkeypatch.setattr(listing, "open_broker", lambda address, timeout, cancel: broker)
    yield broker
    assert broker.closed


# --- what is believed


def test_every_field_is_read():
    found = entry()
    assert (found.session, found.name, found.pid, found.age) == ("0123456789abcdef", "thermo", 4711, 7200.5)
    assert (found.busy, found.held, found.holder) == (True, True, "ada@laptop, notebook.ipynb")
    assert (found.unread, found.unread_bytes, found.load) == (412, 1_400_000, (0.5, 0.25, 0.0))


def test_a_session_of_which_nothing_but_its_id_is_known():
    found = listing.read({"session": "0123456789abcdef"})
    assert found is not None
    assert (found.name, found.version, found.answers, found.age, found.ends_in) == ("01234567", 1, True, None, None)


@pytest.mark.parametrize("session", [None, 7, "", "../../etc", "a b", "é", "a" * 500, "ab\x1b[2J", ["x"]])
def test_what_has_no_id_is_no_session(session):
    assert listing.read({**FULL, "session": session}) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "7", None, True, [], {}, 10**400])
def test_numbers_that_can_t_be(value):
    found = entry(**dict.fromkeys(("age", "since", "idle", "keep", "pid", "unread", "version", "load"), value))
    assert (found.age, found.since, found.idle, found.keep, found.load) == (None,) * 5
    assert (found.pid, found.unread, found.version) == (0, 0, 1)


def test_a_hostile_name_can_neither_repaint_a_terminal_nor_fill_it():
    found = entry(name="\x1b[2J\x1b]0;owned\x07pi\r\n\u202egnp\u2028" + "x" * 10**7, holder="a\tb\x9b31m")
    assert found.name.isprintable()
    assert len(found.name) == listing.MAX_TEXT_CHARS
    assert found.holder == "a b 31m"
    assert len(listing.table([found]).splitlines()) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FULL, "x"]), inner, max_size=8),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.sampled_from([*FULL]), json_values) | json_values, max_size=5))
def test_whatever_comes_can_be_shown(found):
    entries = [each for each in map(listing.read, found) if each is not None]
    shown = listing.table(entries)
    assert all(line.isprintable() for line in shown.splitlines())
    assert len(shown) < 500 * (len(entries) + 1)


def test_the_list_is_asked_for_and_sorted(monkeypatch):
    items = [{**FULL, "session": str(age), "age": age} for age in (5, 50, 500)]
    with brought(monkeypatch, list={"sessions": [*items, "nonsense"]}) as broker:
        assert [each.age for each in listing.sessions(PI, 1.0, threading.Event())] == [500, 50, 5]
        assert broker.asked == [("list", {})]
    with brought(monkeypatch, list={"sessions": [{"session": f"s{n}"} for n in range(5000)]}):
        assert len(listing.sessions(PI)) == listing.MAX_ENTRIES
    with pytest.raises(ProtocolError), brought(monkeypatch, list={"sessions": {}}):
        listing.sessions(PI)


# --- ending


def test_the_end_is_waited_for(monkeypatch):
    monkeypatch.setattr(listing, "END_POLL_INTERVAL_S", 0.0)
    status = [{}, {}, SessionGoneError(PI)]
    with brought(monkeypatch, terminate={"ended": True}, status=status) as broker:
        listing.end(PI, entry())
        assert [op for op, _header in broker.asked] == ["terminate", "status", "status", "status"]


def test_one_that_is_gone_already_has_ended(monkeypatch):
    with brought(monkeypatch, terminate=SessionGoneError(PI)):
        listing.end(PI, entry())


def test_one_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(listing, "END_TIMEOUT_S", 0.0)
    with pytest.raises(AgentError, match=r"thermo on pi.* was told to end"):
        with brought(monkeypatch, terminate={"ended": True}):
            listing.end(PI, entry())


def test_a_stopped_one_can_only_be_killed_there():
    with pytest.raises(AgentError, match="kill -9 4711"):
        listing.end(PI, entry(answers=False))


# --- choosing

SEVERAL = [
    entry(session="aa11", name="pi"),
    entry(session="ab22", name="pi-2"),
    entry(session="cc33", name="board"),
    entry(session="cd44", name="board"),
]


@pytest.mark.parametrize(
    ("text", "session"), [("pi", "aa11"), ("pi-", "ab22"), ("aa", "aa11"), ("cd44", "cd44"), (" cc ", "cc33")]
)
def test_a_word_that_means_one(text, session):
    assert listing.choose(SEVERAL, text).session == session


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("board", "'board' may mean board (cc33) and board (cd44). Write more of the name or id."),
        ("a", "'a' may mean pi (aa11) and pi-2 (ab22). Write more of the name or id."),
        ("x\x1b", "There is no session 'x'. There is pi (aa11), pi-2 (ab22), board (cc33) and board (cd44)."),
        ("", "There is no session ''. There is pi (aa11), pi-2 (ab22), board (cc33) and board (cd44)."),
    ],
)
def test_a_word_that_does_not(text, sentence):
    with pytest.raises(ArgumentError) as caught:
        listing.choose(SEVERAL, text)
    assert str(caught.value) == sentence


def test_no_session_at_all():
    with pytest.raises(ArgumentError, match=r"no session 'pi': none runs there\."):
        listing.choose([], "pi")


def test_of_very_many_only_some_are_listed():
    with pytest.raises(ArgumentError, match=r" and 90 more\."):
        listing.choose([entry(session=f"s{n:03}") for n in range(100)], "nothing")


# --- the table


TABLE = """\
name     id        started   state                        held by     unread               keep
* 温度   aaaaaaaa  2 h ago   busy                         ada@laptop  nothing              24 h
left     abababab  30 s ago  idle                         nobody      412 messages, 812 B  24 h, 22 h left
new      acacacac  2 h ago   idle, needs rpyc-kernel 9.0  somebody    nothing              24 h
stopped  adadadad  2 h ago   does not answer"""


def test_the_columns_stand_in_line():
    entries = [
        entry(session="aa" * 8, name="温度", holder="ada@laptop", unread=0),
        entry(session="ab" * 8, name="left", busy=False, held=False, idle=7200, age=30, unread_bytes=812),
        entry(session="ac" * 8, name="new", busy=False, holder="", version=wire.VERSION + 1, agent="9.0", unread=0),
        entry(session="ad" * 8, name="stopped", answers=False),
    ]
    assert listing.table(entries, mine={"aa" * 8}) == TABLE


def test_no_session_has_no_table():
    assert listing.table([]) == "No session runs there."


DURATIONS = {
    0: "0 s",
    59.6: "60 s",
    100: "2 min",
    5999: "100 min",
    6000: "1.7 h",
    7200: "2 h",
    86400: "24 h",
    48.5 * 3600: "48 h",
    2.5 * 86400: "2.5 d",
    365 * 86400: "365 d",
    1e15: "11,574,074,074 d",
}
SIZES = {0: "0 B", 812: "812 B", 1400: "1.4 kB", 999_400: "999 kB", 1.4e6: "1.4 MB", 2e9: "2 GB", 1e15: "1,000,000 GB"}


@pytest.mark.parametrize(("seconds", "text"), DURATIONS.items())
def test_durations(seconds, text):
    assert listing.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), SIZES.items())
def test_sizes(count, text):
    assert listing.size(count) == text
