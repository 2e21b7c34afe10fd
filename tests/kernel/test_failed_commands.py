"""A command that fails changes nothing, whichever of its steps fails: the notebook keeps its session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.servers.rpyc_servers import free_port

pytestmark = pytest.mark.mainly("plain")

FAILING = [
    "%connect {here} --new --python /no/such/python",
    "%connect {here} --new --python /etc/passwd",
    "%connect {here} --new --python {false}",
    "%connect {here} --new --cwd /no/such/folder",
    "%connect {here} --new --keep soon",
    "%connect {here} --new --nonsense",
    "%connect {here} --new --registry {closed}",
    "%connect {closed} --new",
    "%connect {closed}",
    "%connect gopher://x",
    "%connect service:NOBODY --registry {closed}",
    "%connect service:NOBODY --new --registry {closed}",
    '$connect("{here}", new=True, python="/no/such/python")',
    "%attach nobody",
    "%attach nobody {closed}",
    "%disconnect --nonsense",
    "%sessions {closed}",
    "%sessions --end nobody",
    "%restart now",
    "%replay 99999",
    "%discover NOBODY --registry {closed}",
]


def test_whatever_fails_the_notebook_keeps_its_session(new_kernel: Callable[..., Kernel], own_remote: Remote) -> None:
    kernel = new_kernel()
    front = kernel.first
    connect(front, own_remote)
    front.good("mine = 17")
    before, processes = front.good("%hosts").stdout, set(own_remote.processes())
    words = {"here": own_remote.address, "closed": f"127.0.0.1:{free_port()}", "false": "/bin/false"}
    for line in FAILING:
        cell = front.run(line.format(**words) + "\nprint('must not run')", timeout=60)
        assert (cell.status, cell.stdout) == ("error", ""), (line, cell)
        assert "InternalError" not in str(cell.error), (line, cell.error)
        assert front.good("mine").text == "17", line
        assert front.good("%hosts").stdout == before, line
    assert wait_until(lambda: set(own_remote.processes()) == processes), own_remote.processes()
    kernel.shutdown()
    assert wait_until(lambda: not own_remote.processes()), "the shutdown has not ended the session"


def test_a_new_session_takes_the_place_of_the_one_before(front: Client, own_remote: Remote) -> None:
    """What does not fail changes what it should: the session before has ended."""
    connect(front, own_remote)
    front.good("mine = 17")
    before = set(own_remote.processes())
    connect(front, own_remote, "--new")
    assert front.run("mine").error["ename"] == "NameError"  # type: ignore[index]
    assert front.good("%hosts").stdout.count("\n") == 1
    assert wait_until(lambda: not before & set(own_remote.processes())), own_remote.processes()


def test_while_the_machine_is_away_no_command_forgets_its_session(front: Client, own_remote: Remote) -> None:
    """Commands that would need the machine fail, and the session is found again."""
    connect(front, own_remote)
    front.good("mine = 17")
    address, port = own_remote.address, own_remote.port
    own_remote.running.__exit__(None, None, None)
    for line in (f"%connect {address} --new", "%attach nobody", "%sessions"):
        assert front.run(line, timeout=60).status == "error", line
        assert address in front.good("%hosts").stdout
    own_remote.options["port"] = port
    own_remote.start()
    assert front.good("mine", timeout=60).text == "17"


def test_an_end_that_cannot_be_told_is_told_later(front: Client, own_remote: Remote) -> None:
    """A session whose machine is away ends once it is back."""
    connect(front, own_remote)
    front.good("mine = 17")
    address, port = own_remote.address, own_remote.port
    own_remote.running.__exit__(None, None, None)
    assert own_remote.processes()
    said = front.good("%disconnect --end", timeout=60).stdout
    assert address in said
    assert "has ended" not in said
    own_remote.options["port"] = port
    own_remote.start()
    assert wait_until(lambda: not own_remote.processes(), 60), own_remote.processes()


def test_a_command_that_is_stopped_changes_nothing(front: Client, own_remote: Remote) -> None:
    """A Python that hangs where it begins, and somebody who presses stop."""
    connect(front, own_remote)
    front.good("mine = 17")
    before, hosts = set(own_remote.processes()), front.good("%hosts").stdout
    python = own_remote.work / "python"
    python.write_text("#!/bin/sh\nexec sleep 1000\n")
    python.chmod(0o700)
    cell = front.start(f"%connect {own_remote.address} --new --python {python}")
    front.wait_for(lambda: cell.done or set(own_remote.processes()) - before, 20, "the Python that hangs")
    assert front.interrupted(cell) < 10
    assert cell.status == "error"
    assert front.good("%hosts").stdout == hosts
    assert front.good("mine").text == "17"


def test_a_session_that_is_stopped_while_it_begins_does_not_stay(front: Client, own_remote: Remote) -> None:
    connect(front, own_remote)
    before = set(own_remote.processes())
    begun, go, on, slow = (own_remote.work / name for name in ("begun", "go", "on", "python"))
    wait = f"touch {begun}; while ! [ -e {go} ]; do sleep 0.05; done"
    slow.write_text(f'#!/bin/sh\n{wait}\n{own_remote.python} "$@"\ntouch {on}\n')
    slow.chmod(0o700)
    cell = front.start(f"%connect {own_remote.address} --new --python {slow}")
    front.wait_for(begun.exists, 20, "the Python that is slow")
    assert front.interrupted(cell) < 10
    go.touch()
    assert wait_until(on.exists, 40)
    assert wait_until(lambda: set(own_remote.processes()) <= before, 40), own_remote.processes()
