"""The ways through docker, podman and adb, by programs that stand in for them; and another Python of this machine.

Each runs what it is given as the real one does, with stdin, stdout and stderr passed on, and fails with the real one's
words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rpyc_kernel
from rpyc_kernel.errors import AddressError, DialError, NoPythonError, ProgramError, ProgramMissingError
from rpyc_kernel.transport import program
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
from tests.needs import needs
from tests.servers.sessions import Session
from tests.servers.test_sessions import works

# In namespaces of its own, where the machine lets it, as a container's processes are.
CONTAINERS = """#!/bin/sh
echo "$*" >> {log}
shift 2
case $1 in --user) shift 2;; esac
name=$1
shift
case $name in
box) exec {unshare} "$@";;
bare) echo 'OCI runtime exec failed: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown' >&2; exit 126;;
stopped) echo 'Error response from daemon: container 0c4f is not running' >&2; exit 1;;
paused) echo 'Error: can only create exec sessions on running containers: container state improper' >&2; exit 255;;
foreign) echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock' >&2
  exit 1;;
down) echo 'Cannot connect to the Docker daemon at unix:///run/docker.sock. Is it running?' >&2; exit 1;;
pod) echo 'Error: no container with name or ID "pod" found: no such container' >&2; exit 125;;
*) echo "Error response from daemon: No such container: $name" >&2; exit 1;;
esac
"""
BRIDGE = """#!/bin/sh
case $1 in
devices) printf 'List of devices attached\\nR58M1234\\tdevice\\n10.0.0.7:5555\\tdevice\\n\\n'; exit;;
-s) serial=$2; shift 2;;
esac
case ${{serial-{default}}} in
R58M1234) shift 2; exec sh -c "$*";;
many) echo 'error: more than one device/emulator' >&2;;
none) echo 'adb: no devices/emulators found' >&2;;
locked) echo 'error: device unauthorized.' >&2;;
old) echo "error: target doesn't support PTY args -Tt" >&2;;
*) echo "error: device '$serial' not found" >&2;;
esac
exit 1
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first in PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture(autouse=True)
def no_program_stays() -> Iterator[None]:
    """End the programs that wait for the next connection, which would be another test's."""
    yield
    for each in list(program._programs.values()):
        each.kill()
        each.ready.wait(10)
    program._programs.clear()


def stand_in(path: Path, text: str, **values: str) -> None:
    path.write_text(text.format(**values))
    path.chmod(0o755)


def containers(programs: Path, name: str = "docker") -> Path:
    """Install the stand-in; the file in which it writes its arguments."""
    unshare = "unshare --mount --ipc" if os.geteuid() == 0 and shutil.which("unshare") else ""
    if unshare and subprocess.run([*unshare.split(), "true"], capture_output=True).returncode:
        unshare = ""
    stand_in(programs / name, CONTAINERS, log=str(programs / "log"), unshare=unshare)
    return programs / "log"


def failing(error: type[DialError], address: str) -> str:
    with pytest.raises(error) as caught:
        dial(Address.parse(address))
    return str(caught.value)


# --- containers


@pytest.mark.parametrize("scheme", ["docker", "podman"])
def test_a_session_in_a_container(programs: Path, scheme: str) -> None:
    log = containers(programs, scheme)
    python = needs("python3.8")
    with Session(f"{scheme}://ada@box?python={python}") as session:
        works(session)
        assert session.info["python"].startswith("3.8")
        assert len(session.run("print('x' * 5_000_000)")[0]) == 5_000_001
    assert log.read_text() == 'exec --interactive --user ada box /bin/sh -c IFS= read -r s; eval "$s"\n'


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "there is no container nothing. docker ps --all lists"),
        ("pod", "there is no container pod"),
        ("stopped", "the container stopped is not running. Start it with: docker start stopped"),
        ("paused", "the container paused is not running"),
        ("foreign", "you may not use docker here"),
        ("down", "the service of docker does not run here"),
        ("bare", "the container bare has no /bin/sh"),
    ],
)
def test_what_docker_says_becomes_a_sentence(programs: Path, name: str, says: str) -> None:
    containers(programs)
    assert says in failing(ProgramError, f"docker://{name}")


def test_no_python_in_the_container(programs: Path) -> None:
    containers(programs)
    assert "no Python 'ml' was found there" in failing(NoPythonError, "docker://box?python=ml")


@pytest.mark.parametrize("scheme", ["docker", "podman", "adb"])
def test_the_program_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"there is no program {scheme} on this machine. Install" in failing(ProgramMissingError, f"{scheme}://box")


@pytest.mark.parametrize("text", ["docker://", "docker://-x", "docker://a b", "podman://a/b", "adb://-s", "adb://a b"])
def test_what_is_no_container_and_no_board(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


# --- boards on USB


@pytest.mark.parametrize("address", ["adb://", "adb://R58M1234"])
def test_a_session_on_a_board(programs: Path, address: str) -> None:
    stand_in(programs / "adb", BRIDGE, default="R58M1234")
    with Session(address) as session:
        works(session)


@pytest.mark.parametrize(
    ("default", "says"),
    [
        ("many", "several boards are connected. Say which one: adb://R58M1234, adb://10.0.0.7:5555"),
        ("none", "no board is connected by USB"),
        ("locked", "Accept it on the board's screen"),
        ("old", "run here: adb forward tcp:18812 tcp:18812, and connect to localhost."),
    ],
)
def test_what_adb_says_becomes_a_sentence(programs: Path, default: str, says: str) -> None:
    stand_in(programs / "adb", BRIDGE, default=default)
    assert says in failing(ProgramError, "adb://")


def test_a_board_that_is_not_there(programs: Path) -> None:
    stand_in(programs / "adb", BRIDGE, default="none")
    assert "these are: adb://R58M1234, adb://10.0.0.7:5555" in failing(ProgramError, "adb://R58M9")


# --- another Python of this machine


def test_this_notebook_in_a_venv_that_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    venv = tmp_path / "ml"
    subprocess.run([needs("python3.8"), "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    for text in (f"local:?python={venv}", "local:?python=~/ml", "LOCAL:?python=ml"):
        with Session(text) as session:
            assert session.run("import sys; sys.prefix")[0] == repr(str(venv))
            works(session)


def test_this_very_python_without_a_notebook() -> None:
    with Session("local:") as session:
        assert session.run("import sys; sys.executable")[0] == repr(sys.executable)
        works(session)


def test_a_python_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_text("")
    said = failing(NoPythonError, f"local:?python={file}")
    assert said.startswith(f"Cannot connect to local:?python={file}: no Python")


def test_a_gateway_whose_kernel_is_silent_ends() -> None:
    """As after the network just ended: nobody says so, and the session must not be held for ever."""
    package = Path(rpyc_kernel.__file__).parent
    code = (
        f"import sys; sys.path.insert(0, {str(package)!r}); from agent.serve import gateway; "
        "gateway.MAX_SILENCE_S = 0.2; gateway.main(sys.stdin.buffer, 1)"
    )
    with subprocess.Popen([needs("python3.7"), "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(20) == 0
