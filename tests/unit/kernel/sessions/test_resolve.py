"""In which session a cell runs, before and after the kernel was started again, without Jupyter and machines."""

import asyncio
import threading
from contextlib import contextmanager
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.errors import CommandError, DialError, ServiceDownError, SessionGoneError
from rpyc_kernel.kernel.cells import Cell
from rpyc_kernel.kernel.outcomes import ChosenServer, Connected, Disconnected, Found, Left
from rpyc_kernel.kernel.ports import CellOutput
from rpyc_kernel.kernel.sessions import resolve
from rpyc_kernel.kernel.sessions.interrupt_policy import InterruptPolicy
from rpyc_kernel.kernel.sessions.registry import SessionRegistry
from rpyc_kernel.kernel.sessions.resolve import Resolver
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.kernel.sessions.state_file import StateFile
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery import registry as discovery

DOWN = DialError("pi", "nobody listens")


class Notebook:
    """The options of a kernel, its count, and how it waits: at once."""

    count = 4
    address = ""
    heartbeat = 15.0

    def __init__(self):
        self.stops = []
        self.paused = []

    def session_config(self):
        return {"keep": 60.0, "kept": False}

    async def blocking(self, work):
        return work(threading.Event())

    @contextmanager
    def stoppable(self, stop):
        self.stops.append(stop)
        yield
        self.stops.remove(stop)

    async def pause(self, seconds, address):
        self.paused.append(address)


class World:
    """A resolver among doubles.

    Attributes:
        refused: What the registry raises for an address, as often as there are errors.
        dialled: The addresses that were connected to, or tried.
    """

    def __init__(self):
        self.notebook = Notebook()
        self.state = StateFile(None)
        self.output = create_autospec(CellOutput, instance=True)
        self.interrupts = create_autospec(InterruptPolicy, instance=True)
        self.registry = create_autospec(SessionRegistry, instance=True)
        self.registry.current = None
        self.registry.connect.side_effect = self._connect
        self.registry.default.side_effect = lambda _config, _cancel: self.runs_in("local:")
        self.refused = {}
        self.dialled = []
        self.cell = Cell("cell", 4, 4, silent=False, store_history=True, allow_stdin=False)
        self.resolver = Resolver(self.registry, self.state, self.notebook, self.notebook, self.output, self.interrupts)

    def runs_in(self, name):
        """Make a session of that name the one in which cells run."""
        session = create_autospec(RemoteSession, instance=True)
        session.name, session.id, session.status, session.closed = name, f"id of {name}", LinkStatus.UP, False
        session.behind, session.foreign_cells, session.error = 0, [], None
        session.label = session.server = name
        session.config, session.address = {}, Address.parse(name)
        session.last_count.return_value = None
        self.registry.current = session
        return session

    def _connect(self, address, config, cancel, *, new=False, label="", saved=""):
        text = str(address)
        self.dialled.append(text)
        if self.refused.get(text):
            raise self.refused[text].pop(0)
        return Connected(self.runs_in(text), Found.NEW)

    def resolve(self):
        return asyncio.run(self.resolver.resolve(self.cell))

    def connect(self, address, **options):
        return asyncio.run(self.resolver.connect(address, options.pop("changes", {}), **options))


@pytest.fixture
def world():
    return World()


# --- where the next cell runs


def test_a_cell_runs_where_the_notebook_is_and_a_lost_link_is_dialled_at_once(world):
    session = world.runs_in("pi")
    assert world.resolve() is session
    session.hurry.assert_called_once_with()
    assert world.dialled == []


@pytest.mark.parametrize("error", [DOWN, None])
def test_a_session_that_is_closed_is_an_error_that_says_why(world, error):
    session = world.runs_in("pi")
    session.closed, session.error = True, error
    with pytest.raises(DialError if error else CommandError, match="nobody" if error else "connect"):
        world.resolve()


def test_where_nothing_was_named_cells_run_here_by_default(world):
    assert world.resolve().name == "local:"
    assert world.state.known.session == "id of local:"
    assert not world.state.known.named


def test_the_option_of_the_kernel_names_a_machine(world):
    world.notebook.address = "pi"
    assert world.resolve().name == "pi:18812"
    assert world.state.known.named


def test_after_a_disconnect_no_cell_runs_anywhere(world):
    world.runs_in("pi")

    def disconnect(session, *, end):
        world.registry.current = None
        return Disconnected(Left.ENDED if end else Left.STAYS, session.label)

    world.registry.disconnect.side_effect = disconnect
    assert asyncio.run(world.resolver.disconnect(None, end=True)).left is Left.ENDED
    world.notebook.address = "pi"
    with pytest.raises(CommandError, match="Not connected"):
        world.resolve()


# --- naming a machine


def test_a_machine_is_named_before_it_is_dialled_the_first_time(world):
    world.refused["pi:18812"] = [DOWN]
    with pytest.raises(DialError):
        world.connect("pi", changes={"cwd": "/srv"})
    known = world.state.known
    assert (known.named, known.address, known.session) == (True, "pi:18812", "")
    assert known.config == {"keep": 60.0, "kept": False, "cwd": "/srv"}
    world.registry.leave_default.assert_called_once_with()


def test_a_machine_that_cannot_be_reached_does_not_replace_the_one_that_was_named(world):
    world.connect("pi")
    world.refused["board:18812"] = [DOWN]
    with pytest.raises(DialError):
        world.connect("board")
    assert (world.state.known.address, world.state.known.session) == ("pi:18812", "id of pi:18812")


def test_a_registry_goes_with_a_service_only(world):
    with pytest.raises(CommandError, match="--registry goes with service:NAME"):
        world.connect("pi", registry="pi")


@pytest.fixture
def service(monkeypatch):
    """A registry that knows three servers of each service."""
    found = (("a", 1), ("b", 2), ("c", 3))
    monkeypatch.setattr(discovery, "discover", lambda name, registry, cancel: found)


@pytest.mark.usefixtures("service")
def test_the_first_server_of_a_service_that_answers_is_taken(world):
    world.refused["a:1"] = [DOWN]
    connected = world.connect("service:calc")
    assert world.dialled == ["a:1", "b:2"]
    assert connected.service == ChosenServer("CALC", "b:2", 2)
    assert world.state.known.address == "b:2"


@pytest.mark.usefixtures("service")
def test_where_none_of_them_answers_the_next_cell_asks_the_registry_again(world):
    world.refused.update({text: [DOWN] for text in ("a:1", "b:2", "c:3")})
    with pytest.raises(ServiceDownError):
        world.connect("service:calc")
    assert world.state.known.address == "service:CALC"
    assert world.resolve().name == "a:1"


@pytest.mark.usefixtures("service")
def test_where_cells_run_already_is_tried_first(world):
    world.runs_in("c:3")
    world.connect("service:calc")
    assert world.dialled == ["c:3"]


# --- after the kernel was started again


def test_after_a_crash_the_session_is_taken_up_and_what_it_gave_out_is_shown(world):
    world.state.name("pi:18812", {"keep": 5.0})
    world.state.hold("pi:18812", "of before")
    session = create_autospec(RemoteSession, instance=True)
    session.name = session.server = "pi:18812"
    session.id, session.behind, session.foreign_cells = "of before", 0, ["x", "y"]
    session.outcome.side_effect = lambda msg_id: {"status": "ok", "of": msg_id}
    session.last_count.return_value = 11

    def find_again(address, config, session_id, by, cancel, *, named, label):
        assert (str(address), config, session_id, by, named) == ("pi:18812", {"keep": 5.0}, "of before", "cell", True)
        world.registry.current = session
        return session

    world.registry.find_again.side_effect = find_again
    assert world.resolve() is session
    assert "was found again" in world.output.say.call_args.args[0]
    session.announce.assert_called_once_with()
    assert [call.args[0] for call in session.outcome.call_args_list] == ["x", "y"]
    session.last_count.assert_called_once_with(now=True)
    assert (world.notebook.count, world.cell.count) == (12, 12)


def test_where_it_is_gone_another_session_begins_on_that_machine_and_the_cell_says_so(world):
    world.state.name("pi:18812", {})
    world.state.hold("pi:18812", "of before")
    world.registry.find_again.side_effect = SessionGoneError("pi", "of before")
    assert world.resolve().name == "pi:18812"
    assert world.output.say.call_args.args[0].startswith("The kernel has ended unexpectedly. ")
    assert world.notebook.count == 4


def test_a_machine_that_was_unreachable_at_the_restart_is_waited_for_in_one_quiet_line(world):
    world.state.name("pi:18812", {})
    world.state.missed("pi:18812", "of before")
    world.refused["pi:18812"] = [DOWN, DOWN]
    assert world.resolve().name == "pi:18812"
    assert len(world.notebook.paused) == 3
    assert [call.args for call in world.output.line.call_args_list] == [
        ("cell", "link to pi:18812 lost, reconnecting…"),
        ("cell", "link to pi:18812 was lost, and is back"),
    ]


def test_one_that_was_reachable_then_is_dialled_once(world):
    world.state.name("pi:18812", {})
    world.refused["pi:18812"] = [DOWN]
    with pytest.raises(DialError):
        world.resolve()
    assert world.dialled == ["pi:18812"]


# --- sessions that are taken over


def catch_up(world, session):
    return asyncio.run(world.resolver.catch_up(session, world.cell))


def test_the_cell_waits_for_what_runs_there_and_stop_interrupts_that(world):
    session = world.runs_in("pi")
    session.foreign_cells = ["theirs"]

    async def outcome(msg_id):
        (stop,) = world.notebook.stops
        stop()
        return {"status": "error", "ename": "KeyboardInterrupt"}

    session.outcome.side_effect = outcome
    assert catch_up(world, session)["ename"] == "KeyboardInterrupt"
    world.interrupts.press.assert_called_once_with(session, "theirs")


def test_a_link_that_closes_meanwhile_ends_the_waiting(world):
    session = world.runs_in("pi")
    session.behind, session.closed, session.error = 5, True, DOWN
    with pytest.raises(DialError):
        catch_up(world, session)


def test_whoever_attaches_names_the_machine(world, monkeypatch):
    monkeypatch.setattr(resolve.listing, "sessions", lambda address, *, cancel: ["an entry"])
    world.registry.ids = {"of mine"}
    with pytest.raises(CommandError, match="Say which machine is meant: %attach NAME ADDRESS"):
        asyncio.run(world.resolver.list(None, "%attach NAME"))
    found = asyncio.run(world.resolver.list("pi", "%attach NAME"))
    assert found == ("pi", ["an entry"], {"of mine"})
    world.registry.attach.side_effect = lambda address, entry, by, saved, cancel: world.runs_in(str(address))
    session = asyncio.run(world.resolver.attach("pi", "an entry", world.cell))
    assert session.name == "pi:18812"
    assert (world.state.known.address, world.state.known.session) == ("pi:18812", "id of pi:18812")
    assert asyncio.run(world.resolver.list(None, "")).where == "pi:18812"


# --- several machines


def test_a_cell_that_names_a_machine_runs_there(world):
    world.runs_in("pi")
    gpu = world.runs_in("gpu:18812")
    world.runs_in("pi")
    world.registry.named.side_effect = {"gpu": gpu}.get
    world.cell.machine = "gpu"
    assert world.resolve() is gpu
    world.cell.machine = "gpv"
    world.registry.all = (gpu,)
    with pytest.raises(CommandError, match=r"no machine gpv\. It has: gpu:18812\. %connect ADDRESS --name NAME"):
        world.resolve()


def test_use_is_remembered_for_the_kernel_after_this_one(world):
    pi, gpu = world.runs_in("pi:1"), world.runs_in("gpu:2")
    gpu.label, pi.label = "gpu", "pi"
    world.registry.all = (pi, gpu)
    world.registry.named.return_value = pi
    world.registry.use.side_effect = lambda session: setattr(world.registry, "current", session)
    assert asyncio.run(world.resolver.use("pi")) is pi
    known = world.state.known
    assert (known.address, known.session, known.label) == ("pi:1", "id of pi:1", "pi")
    assert known.others == {"gpu": {"address": "gpu:2", "config": {}, "session": "id of gpu:2"}}


def test_a_machine_of_the_kernel_before_is_connected_to_again_when_a_cell_names_it(world):
    pi = world.runs_in("pi:1")
    world.state.hold_others({"gpu": {"address": "gpu:2", "config": {"keep": 5.0}, "session": "of before"}})
    world.registry.named.return_value = None
    again = world.runs_in("gpu:2")
    world.registry.current = pi

    def reopen(address, config, session_id, label, cancel):
        assert (str(address), config, session_id, label) == ("gpu:2", {"keep": 5.0}, "of before", "gpu")
        again.label = "gpu"
        world.registry.all = (pi, again)
        return again

    world.registry.reopen.side_effect = reopen
    world.cell.machine = "gpu"
    assert world.resolve() is again
    assert world.registry.current is pi
    assert world.state.known.others["gpu"]["session"] == "id of gpu:2"
