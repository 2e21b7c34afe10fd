"""What commands do and what a user reads of it: with doubles for the sessions, without Jupyter."""

import asyncio
import threading
from dataclasses import dataclass, field
from unittest.mock import create_autospec

import pytest

from rpyc_kernel import __version__
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import AddressError, CommandError, SessionVersionError
from rpyc_kernel.kernel.cells import NOTHING, Cell
from rpyc_kernel.kernel.commands import registry, sessions
from rpyc_kernel.kernel.commands.context import AskUser, CommandContext, SendRequest, SessionSource
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.route import route
from rpyc_kernel.kernel.commands.sentences import sentence
from rpyc_kernel.kernel.outcomes import (
    ChosenServer,
    Connected,
    Disconnected,
    Discovered,
    Found,
    Hosts,
    Left,
    Listing,
    Paired,
    Replayed,
)
from rpyc_kernel.kernel.parallel import ParallelRuns, Runner
from rpyc_kernel.kernel.ports import CellOutput
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus


class Now:
    """Blocks, and isn't stopped."""

    async def blocking(self, work):
        return work(threading.Event())


@dataclass
class Kernel:
    """Runs a cell's commands, and has what they printed."""

    source: SessionSource = field(default_factory=lambda: create_autospec(SessionSource, instance=True))
    output: CellOutput = field(default_factory=lambda: create_autospec(CellOutput, instance=True))
    ran: list = field(default_factory=list)

    async def run_code(self, code, cell):
        self.ran.append((code, cell.msg_id))
        return {"status": "ok", "of": "there"}

    def run(self, text):
        (step,) = route(text)
        cell = Cell("cell", 1, 1, silent=False, store_history=True, allow_stdin=False)
        ask = create_autospec(SendRequest), create_autospec(AskUser)
        parts = create_autospec(Runner, instance=True), ParallelRuns()
        context = CommandContext(cell, self.output, self.source, {}, Now(), self.run_code, *ask, *parts)
        return asyncio.run(registry.run(step, context))

    @property
    def said(self):
        return [call.args[0] for call in self.output.say.call_args_list]


@pytest.fixture
def kernel():
    return Kernel()


def session(name="pi", **attributes):
    double = create_autospec(RemoteSession, instance=True)
    double.describe.return_value = f"{name}: Python 3.11"
    double.name = double.label = name
    double.id, double.title, double.status = "abc", "walk", LinkStatus.UP
    double.warnings = ["It ends with a logout."]
    double.configure_mock(**attributes)
    return double


def entry(**told):
    found = listing.read({"session": "abc", "name": "walk", "version": 1, "agent": __version__, "pid": 5, **told})
    assert found is not None
    return found


# --- connect


@pytest.mark.parametrize(
    ("text", "changes", "others"),
    [
        ("%connect pi", {}, {"new": False, "registry": None}),
        ('$connect("pi", new=True, cwd="/srv")', {"cwd": "/srv"}, {"new": True, "registry": None}),
        ("%connect pi --env A=1 --name x", {"env": {"A": "1"}, "name": "x"}, {"new": False, "registry": None}),
        ("%connect pi --keep 0", {"keep": 0.0, "kept": True}, {"new": False, "registry": None}),
        ("%connect pi --python py --registry r", {"python": "py"}, {"new": False, "registry": "r"}),
    ],
)
def test_what_was_typed_changes_how_a_session_begins(kernel, text, changes, others):
    kernel.source.connect.return_value = Connected(session(), Found.NEW)
    assert kernel.run(text) == NOTHING
    kernel.source.connect.assert_awaited_once_with("pi", changes, **others)
    assert kernel.said == ["Connected to pi: Python 3.11"]


def test_certificates_become_a_part_of_the_address(kernel):
    kernel.source.connect.return_value = Connected(session(), Found.NEW)
    kernel.run("%connect lab --cafile /ca.pem --certfile /c.pem --keyfile /k.pem --cwd /srv")
    where = "rpycs://lab:18821?cafile=/ca.pem&certfile=/c.pem&keyfile=/k.pem"
    kernel.source.connect.assert_awaited_once_with(where, {"cwd": "/srv"}, new=False, registry=None)
    with pytest.raises(AddressError, match="needs no pairing"):
        kernel.run("%connect ssh://lab --cafile /ca.pem")


def test_whoever_keeps_a_session_is_told_what_would_end_it(kernel):
    kernel.source.connect.return_value = Connected(session(), Found.NEW, ("Mind that.",))
    kernel.run("%connect pi --keep 2h")
    assert kernel.said == ["Connected to pi: Python 3.11\nMind that.\nIt ends with a logout."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            Connected(session(), Found.KEPT),
            "Still connected to pi: Python 3.11 (the session is kept; --new starts a fresh one)",
        ),
        (
            Connected(session(), Found.MOVED),
            "Connected again to pi: Python 3.11: the session is the same, reached another way.",
        ),
        (
            Connected(session(), Found.NEW, ("Mind.",), ChosenServer("CALC", "b:2", 0)),
            "Connected to pi: Python 3.11 (service CALC at b:2, no other is registered)\nMind.",
        ),
        (
            Connected(session(), Found.NEW, (), ChosenServer("CALC", "b:2", 2)),
            "Connected to pi: Python 3.11 (service CALC at b:2, 2 others registered)",
        ),
        (Disconnected(Left.NOT_CONNECTED), "Not connected to any machine."),
        (Disconnected(Left.ENDED, "pi"), "Disconnected from pi; its session has ended."),
        (
            Disconnected(Left.STAYS, "pi", ("It ends with a logout.",)),
            'Disconnected from pi; its session goes on. $connect("pi") comes back to it.\nIt ends with a logout.',
        ),
        (Hosts((), None, ()), 'No machine yet. $connect("host:port") names one.'),
        (Discovered({"A": (("h", 1),), "LONG": (("i", 2), ("j", 18812))}), "A     h:1\nLONG  i:2\nLONG  j:18812"),
        (
            Paired("rpycs://pi", "ada@laptop"),
            'Paired with rpycs://pi, as ada@laptop. $connect("rpycs://pi") connects from now on.',
        ),
        (Replayed(0), "It gave out nothing."),
        (Replayed(3), ""),
        ("a text", "a text"),
        (None, ""),
    ],
)  # fmt: skip
def test_what_a_user_reads(value, text):
    assert sentence(value) == text


def test_a_registry_without_servers_is_told_with_what_makes_them_register():
    assert sentence(Discovered({})).endswith("A server registers if it was started with auto_register=True.")


def test_hosts_marks_where_cells_run():
    here, there = session("pi"), session("board", status=LinkStatus.LOST)
    assert sentence(Hosts((there, here), here, ("old",))).splitlines() == [
        f"  board: Python 3.11, {LinkStatus.LOST.value}",
        f"* pi: Python 3.11, {LinkStatus.UP.value}",
        "  old: left, its session goes on",
    ]


# --- sessions


def test_a_session_is_listed_or_ended(kernel):
    kernel.source.list.return_value = Listing("pi", [entry()], {"abc"})
    kernel.run("%sessions pi")
    assert kernel.said[0].splitlines()[1].startswith("* walk")
    kernel.run("%sessions pi --end wa")
    kernel.source.end.assert_awaited_once_with("pi", entry())
    assert kernel.said[1] == "The session walk on pi has ended."


def test_attach_says_what_follows_before_it_shows_it(kernel):
    kernel.source.list.return_value = Listing("pi", [entry(held=True, holder="ada", unread=2, busy=True)], set())
    kernel.source.current = None
    kernel.source.attach.return_value = session()

    async def catch_up(session, cell):
        how = "taken over from ada; what nobody has seen yet follows; a cell runs there: this one goes on until it has "
        assert kernel.said == [f"Attached to walk on pi: Python 3.11 ({how}ended)"]
        return {"status": "error", "ename": "NameError"}

    kernel.source.catch_up.side_effect = catch_up
    assert kernel.run("%attach walk pi")["ename"] == "NameError"


def test_attach_refuses_what_the_notebook_has_and_what_is_newer(kernel):
    kernel.source.list.return_value = Listing("pi", [entry()], {"abc"})
    kernel.source.current = session()
    kernel.run("%attach walk")
    assert kernel.said == ["This notebook has the session walk already."]
    kernel.source.list.return_value = Listing("pi", [entry(version=10**6)], set())
    with pytest.raises(SessionVersionError):
        kernel.run("%attach walk")
    kernel.source.attach.assert_not_called()


def replayed(*pages):
    """A session whose replay comes in these pages, each of messages."""
    double = session()
    answers = [({"found": True, "next": place + 1}, page) for place, page in enumerate(pages)]
    answers[-1][0].pop("next")
    double.ask.side_effect = answers
    return double


def test_replay_shows_page_by_page_what_may_be_shown(kernel):
    one, reply = Message("stream", {"name": "stdout", "text": "1"}, "old"), Message("execute_reply", {}, "old")
    double = kernel.source.resolve.return_value = replayed([one.encode(), reply.encode()], [one.encode()])
    assert kernel.run("%replay 7") == NOTHING
    assert [call.args[1]["from"] for call in double.ask.call_args_list] == [0, 1]
    assert double.ask.call_args.args[1] == {"cell": 7, "from": 1, "max_bytes": sessions.PAGE_BYTES}
    published = [call.args[0] for call in kernel.output.publish.call_args_list]
    assert [(message.type, message.parent) for message in published] == [("stream", "cell")] * 2
    assert kernel.said == []


@pytest.mark.parametrize(
    ("text", "says"), [("%replay x", "the number of a cell"), ("%replay 7", "What cell 7 gave out")]
)
def test_what_cannot_be_replayed(kernel, text, says):
    kernel.source.resolve.return_value = session()
    kernel.source.resolve.return_value.ask.return_value = ({}, [])
    with pytest.raises(CommandError, match=says):
        kernel.run(text)


def test_ping_waits_for_a_lost_link(kernel):
    double = kernel.source.resolve.return_value = session(status=LinkStatus.LOST)
    double.ask.return_value = ({"version": 1, "age": 7200.0, "load": [0.5, 0.25, 0.0]}, [])
    kernel.run("%ping")
    double.wait_up.assert_called_once()
    (line,) = kernel.said
    assert line.startswith("pi: round trip ")
    assert line.endswith("load 0.50 0.25 0.00, session walk, 2 h old")


@pytest.mark.parametrize("ended", [True, False])
def test_restart_tells_whether_the_old_python_has_ended(kernel, ended):
    double = kernel.source.resolve.return_value = session()
    double.restart.return_value = ended
    if ended:
        kernel.run("%restart")
        assert kernel.said == ["A fresh Python runs on pi; the variables of the one before are gone."]
    else:
        with pytest.raises(CommandError, match="%restart again ends it at once"):
            kernel.run("%restart")
    assert double.restart.call_args.args[0] == "cell"


# --- a command of one's own


@pytest.mark.usefixtures("own_commands")
def test_code_that_a_command_runs_there_is_answered_by_its_reply(kernel):
    @command("memory", "Tells.")
    async def memory(context):
        context.show("before")
        return await context.run_there("free")

    assert kernel.run("%memory") == {"status": "ok", "of": "there"}
    assert kernel.ran == [("free", "cell")]
    assert kernel.said == ["before"]


def test_help_is_printed(kernel):
    assert kernel.run("%hosts?") == NOTHING
    assert kernel.said[0].startswith("%hosts [--json]\n")
