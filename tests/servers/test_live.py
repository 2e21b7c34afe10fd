"""`rpyc_kernel.connect`, and the example scripts: processes that use stock servers of any RPyC."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rpyc

import rpyc_kernel
from rpyc_kernel.errors import ArgumentError, DialError, RemoteClosedError
from rpyc_kernel.link import listing
from rpyc_kernel.live.remote import Remote
from rpyc_kernel.live.teleport import TeleportError
from rpyc_kernel.transport.address import Address
from tests import nursery
from tests.kernel.kernels import SOURCE
from tests.kernel.remotes import Remote as Machine
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.rpyc_servers import Server, free_port, start_server
from tests.servers.venvs import VERSIONS

SCRIPTS = Path(__file__).parents[2] / "examples" / "scripts"
HELPERS = ("relay.py", "fibonacci.py")  # what scripts use
NAMES = sorted(path.name for path in SCRIPTS.glob("*.py") if path.name not in HELPERS)
TIMEOUT = 120.0  # seconds, against hanging

# What each says at the least: these in this order.
SAYS: dict[str, list[str]] = {
    "asynchronous.py": [
        "ready = False", "ready = True error = False value = None", "waits by itself: 8", "error = True",
        "invalid literal", "add_callback: [9]", "expired = True", "timed: None", "too long",
    ],
    "builtin_functions.py": ["first line of a file there: ", "['a', 'b', 'c']"],
    "callbacks.py": ["here, with 0\n", "here, with 4\nmapped: [0, 1, 8, 27, 64]", "from there: 512", "refused: "],
    "eval_and_execute.py": ["two pi: 6.28", "[1, 1, 2, 6, 24, 120, 720, 5040]"],
    "events.py": ["events: [20.5, 21.0, 21.5]"],
    "modules.py": ["Python there: {version}", "spam/eggs"],
    "netrefs.py": ["isinstance(path, list): True", "type(path) is list: False", "changed there: True", "'list'>\n"],
    "ping.py": ["alive\nround trip: ", " ms\nclosed: "],
    "printing.py": ["Hello, world!\nHello from ", "and from its own print\n"],
    "reconnecting.py": [f"connections\ncalled {number} times\n" for number in (1, 2, 3)],
    "reconnecting_objects.py": [
        "same object: True", "'Bar': 2", "[2]", "closed, hence gone: ", "'scores' is not defined"
    ],
    "remote_exceptions.py": ["caught: division by zero\n", "<remote", "Remote Traceback", "Overheated from __main__"],
    "teleport.py": [
        "called: 81\nby its name there: 4\nit is the same object: True\nit runs there: True\nrefused: ", "factor"
    ],
    "timeout.py": ["600.0 s", "late enough\ntoo long: ", "0.5 s; ", "['it went on']"],
    "upload.py": ["there, seen from here: [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]\na copy: [0, 1,"],
    "variables.py": ["a number: 42\nthere: ", "100", "\nthe copy: ", "'Bar': 42", "is a dict"],
}  # fmt: skip


def said_in_order(parts: list[str], text: str) -> None:
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing in {text[at:]!r}"
        at = found + len(part)


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPTS / name), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return nursery.run(command(name, *arguments)[1:], timeout=TIMEOUT, env=environment())


def sessions(server: Server) -> list[listing.SessionEntry]:
    return listing.sessions(Address.parse(server.address))


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"rpyc{version[0]}-py{version[1]}")
def any_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each RPyC that has to work, on a Python of its time."""
    rpyc, python = request.param
    with Machine("bare", rpyc=rpyc, python=python) as machine:
        yield machine.running


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Machine("bare") as machine:
        yield machine.running


@pytest.fixture
def remote(server: Server) -> Iterator[Remote]:
    with rpyc_kernel.connect(server.address) as each:
        yield each


# --- the scripts


@pytest.mark.parametrize("name", NAMES)
def test_every_script(server: Server, name: str) -> None:
    runs(name, server, platform.python_version())


@pytest.mark.parametrize("name", ["callbacks.py", "netrefs.py", "remote_exceptions.py", "teleport.py", "upload.py"])
def test_scripts_on_every_version(any_server: Server, name: str, request: pytest.FixtureRequest) -> None:
    runs(name, any_server, request.node.callspec.params["any_server"][1])


def runs(name: str, any_server: Server, version: str) -> None:
    done = run(name, any_server.address, *(["1"] if name == "timeout.py" else []))
    assert done.returncode == 0, done.stderr
    said_in_order([part.replace("{version}", version) for part in SAYS[name]], done.stdout)
    assert "Traceback" not in done.stderr
    assert wait_until(lambda: not sessions(any_server)), "the script has left its session behind"


@pytest.mark.parametrize("name", NAMES)
def test_every_script_says_how_it_is_used(name: str) -> None:
    done = run(name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"python {name} HOST[:PORT]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_names_a_host_that_does_not_answer() -> None:
    done = run("ping.py", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "No server is listening on 127.0.0.1" in done.stderr


def test_ctrl_c_ends_a_waiting_script_and_its_session(server: Server) -> None:
    with subprocess.Popen(
        command("timeout.py", server.address, "600"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        stdin=subprocess.DEVNULL, text=True,
    ) as script:  # fmt: skip
        assert script.stdout is not None
        assert "600.0" in script.stdout.readline()
        assert wait_until(lambda: sessions(server))
        script.send_signal(signal.SIGINT)
        _out, err = script.communicate(timeout=TIMEOUT)
    assert script.returncode != 0
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert wait_until(lambda: not sessions(server))


# --- rpyc_kernel.connect


def test_a_script_ends_its_session_also_without_close(server: Server) -> None:
    code = f"import rpyc_kernel; remote = rpyc_kernel.connect({server.address!r}); print(remote.eval('6 * 7'))"
    done = nursery.run(["-c", code], timeout=TIMEOUT, env=environment())
    assert (done.stdout, done.stderr) == ("42\n", "")
    assert wait_until(lambda: not sessions(server))


def test_options(server: Server, tmp_path: Path) -> None:
    with rpyc_kernel.connect(server.address, cwd=tmp_path, env={"SPAM": "eggs"}, name="a walk", keep=60) as remote:
        assert remote.modules.os.getcwd() == str(tmp_path)
        assert remote.modules.os.environ["SPAM"] == "eggs"
        (entry,) = (each for each in sessions(server) if each.name == "a walk")  # another may be on its way out
        assert entry.held
    wrong: list[dict[str, Any]] = [{"keep": -1}, {"keep": "2h"}]
    wrong += [{"env": env} for env in ({"A": 5}, {5: "A"}, {"A=B": ""}, {"": "A"}, {"A": "\0"})]
    for options in wrong:
        with pytest.raises(ArgumentError, match=f"{next(iter(options))} (is|takes)|environment variable"):
            rpyc_kernel.connect(server.address, **options)


def test_nobody_there() -> None:
    with pytest.raises(DialError):
        rpyc_kernel.connect(f"127.0.0.1:{free_port()}")


def test_whatever_is_used_after_close_says_so(server: Server) -> None:
    remote = rpyc_kernel.connect(server.address)
    path = remote.modules.sys.path
    remote.close()
    remote.close()
    assert remote.closed
    for use in (remote.ping, lambda: remote.eval("1"), lambda: path[0], lambda: remote.value("1")):
        for _ in range(3):
            with pytest.raises(RemoteClosedError, match="closed here"):
                use()


def test_an_error_that_is_raised_again_carries_nothing_along(remote: Remote) -> None:
    """Else each traceback would be longer than the one before."""
    remote.close()
    depths = []
    for _ in range(3):
        with pytest.raises(RemoteClosedError) as caught:
            remote.ping()
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_a_crash_closes_it(server: Server) -> None:
    with rpyc_kernel.connect(server.address) as remote:
        with pytest.raises(RemoteClosedError, match="exit code 3"):
            remote.modules.os._exit(3)
        assert remote.closed


def test_each_connection_has_variables_of_its_own(server: Server, remote: Remote) -> None:
    remote.execute("mine = 1")
    with rpyc_kernel.connect(server.address) as other:
        with pytest.raises(NameError):
            other.eval("mine")
        assert other.modules.os.getpid() != remote.modules.os.getpid()


def test_what_is_printed_there_is_printed_here(remote: Remote, capfd: pytest.CaptureFixture[str]) -> None:
    remote.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert capfd.readouterr() == ("out\n", "err\n")


def test_threads_share_a_connection(remote: Remote) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: remote.eval(f"{n} * {n}"), range(400))) == [n * n for n in range(400)]


def test_large_values(remote: Remote) -> None:
    assert remote.eval("b'x' * 5_000_000") == b"x" * 5_000_000
    assert remote.builtins.len(b"y" * 5_000_000) == 5_000_000


def test_files_are_carried_by_rpycs_own_helpers(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"spam" * 1000)
    rpyc.classic.upload(remote, str(tmp_path / "from"), str(tmp_path / "there"))
    rpyc.classic.download(remote, str(tmp_path / "there"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"spam" * 1000


def test_a_python_there_without_rpyc_says_so(server: Server) -> None:
    with rpyc_kernel.connect(server.address, python=needs("python3.9")) as remote:
        with pytest.raises(RemoteClosedError, match=r"rpyc cannot be imported by .*python3\.9"):
            remote.ping()


# --- teleport


def square(x: int, *, power: int = 2) -> int:
    """An annotation, a default and a docstring."""
    return x**power


def test_teleport_to_any_python(any_server: Server) -> None:
    """By bytecode where both share it, else by source; a stock server of another version would crash."""
    with rpyc_kernel.connect(any_server.address) as remote:
        fn = remote.teleport(square)
        assert (fn(9), fn(2, power=3), remote.eval("square(4)")) == (81, 8, 16)
        assert remote.namespace["square"] is fn


def test_teleport_without_source_is_refused_where_bytecode_differs() -> None:
    names: dict[str, object] = {}
    exec("def nowhere(x):\n    return x + 1", names)
    with start_server(rpyc="6.0.2", python="3.13") as server, rpyc_kernel.connect(server.address) as remote:
        with pytest.raises(TeleportError, match=r"Python 3\.13"):
            remote.teleport(names["nowhere"])
        with pytest.raises(TeleportError):
            remote.teleport(lambda x: x)
        assert remote.eval("6 * 7") == 42
