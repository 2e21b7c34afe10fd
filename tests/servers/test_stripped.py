"""A server on a small board: some modules are missing, there is no home and no /dev/shm, and nothing can be written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from rpyc_kernel.agent.wire import Message
from tests import elsewhere, stripped
from tests.folders import Folder
from tests.needs import needs
from tests.servers.rpyc_servers import Server, environment, free_port
from tests.servers.sessions import Session
from tests.servers.venvs import CURRENT_PYTHON, CURRENT_RPYC, VERSIONS, venv
from tests.stripped.sitecustomize import MISSING

STARTED = "server started on"
SERVER = f"""
from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port={{}})
server.listener.listen(16)
print("{STARTED}", flush=True)
server.start()
"""
# In namespaces of its own: a /dev with the devices that programs need and no shm, then each file system read-only.
BOARD = """
set -e
mount --make-rprivate /
mount -t tmpfs none "$0"
for device in null zero random urandom; do touch "$0/$device"; mount --bind "/dev/$device" "$0/$device"; done
mount --rbind "$0" /dev
cut -d' ' -f5 /proc/self/mountinfo | while read -r place; do
    case "$place" in /proc*|/sys*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
exec "$@"
"""
IN_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", BOARD]
WHERE_IT_IS = """
import os, sys, json
def can_write(folder):
    try:
        open(os.path.join(folder, "x"), "w").close()
    except OSError:
        return False
    return True
folders = [os.getcwd(), "/", "/tmp", "/var/tmp", "/dev", "/root", "/run", sys.prefix]
try:
    import ctypes
except ImportError:
    ctypes = None
json.dumps([ctypes, os.environ.get("HOME"), os.path.exists("/dev/shm"), [each for each in folders if can_write(each)]])
"""
OLD = next((rpyc, python) for rpyc, python in VERSIONS if python == "3.7")
STRIPPED = {"PYTHONPATH": stripped.FOLDER}
NOWHERE = {"HOME": "", "XDG_CACHE_HOME": "", "XDG_RUNTIME_DIR": ""}
#: RPyC and Python, the server's environment, and what its sessions have in it beside that
BOARDS = {
    "forks its workers": ((CURRENT_RPYC, CURRENT_PYTHON), STRIPPED, {}),
    "spawns its workers": ((CURRENT_RPYC, CURRENT_PYTHON), {**STRIPPED, **elsewhere.SPAWN}, {}),
    "is old": (OLD, {}, STRIPPED),  # that RPyC itself doesn't start without ssl
}


@pytest.fixture(scope="module", params=BOARDS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session on such a board."""
    needs("linux", "unshare")
    (rpyc, python), there, of_session = BOARDS[request.param]
    port = free_port()
    folder = Folder("rk-server-")
    devices = folder.path / "dev"
    devices.mkdir()
    program = [str(venv(python, rpyc, ())), "-c", SERVER.format(port)]
    env = environment({**there, **NOWHERE})
    with Server([*IN_NAMESPACES, str(devices), *program], folder, env, None) as server:
        server.wait_for(lambda: STARTED in server.log)
        with Session(f"127.0.0.1:{port}", env=of_session) as session:
            yield session


def test_it_is_such_a_board(session: Session) -> None:
    assert len(MISSING) >= 30
    text, reply = session.run(WHERE_IT_IS)
    assert reply["status"] == "ok", reply
    assert json.loads(text.strip("'")) == [None, None, False, []]


def test_cells_run(session: Session) -> None:
    assert session.run("x = 40\nprint('printed')\nx + 2")[0] == "printed\n42"
    assert session.run("import os\nnone = os.write(1, b'raw\\n')")[0] == "raw\n"
    assert session.run("for i in range(20000): print(i)")[0] == "".join(f"{i}\n" for i in range(20000))


def test_programs_run(session: Session) -> None:
    assert session.run("!echo hello")[0] == "hello\n"
    assert session.run("import subprocess\nnone = subprocess.run(['echo', 'hello'])")[0] == "hello\n"


def test_an_error_is_shown(session: Session) -> None:
    assert session.run("1/0")[1]["ename"] == "ZeroDivisionError"
    assert session.run("import asyncio")[1]["ename"] == "ModuleNotFoundError"


def test_a_cell_is_interrupted(session: Session) -> None:
    cell = session.start("import time\nprint('go')\ntime.sleep(60)")
    session.until("stream", cell)
    session.link.interrupt(cell)
    assert session.until("execute_reply", cell)[-1].content["ename"] == "KeyboardInterrupt"


def test_magics_help_and_timing(session: Session) -> None:
    for code in ("%pwd", "%time 1 + 1", "%timeit -n 1 -r 1 pass", "%who", "%lsmagic", "len?", "%env"):
        text, reply = session.run(code)
        assert reply["status"] == "ok", (code, text, reply)


def test_a_crash_is_survived(session: Session) -> None:
    died = session.run("import os\nos._exit(3)")[1]
    assert "exit code 3" in died["evalue"]
    assert session.run("6 * 7")[0] == "42"


def test_completion(session: Session) -> None:
    session.link.submit(Message("complete_request", {"code": "impor", "cursor_pos": 5}, "completion"))
    assert "import" in session.until("complete_reply", "completion")[-1].content["matches"]
