"""What the README of the kernel before this one shows a person doing, where no other test holds it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote, processes_with, wait_until
from tests.servers.rpyc_servers import free_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.mainly("ipython")

RPYCS = """\
from rpyc.utils.server import ThreadedServer
from rpyc.core.service import SlaveService
server = ThreadedServer(SlaveService, hostname='127.0.0.1', port={port}, reuse_addr=True)
server.start()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A home, and an end for what was started from it."""
    yield tmp_path
    for pid in processes_with("RK_OLD_README", tmp_path.name):
        with suppress(ProcessLookupError):  # it ends with its session
            os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not processes_with("RK_OLD_README", tmp_path.name))


def in_a_terminal(remote: Remote, folder: Path, line: str) -> None:
    """Type a line that ends with &, where `python3` is the remote's."""
    env = {
        "PATH": f"{Path(remote.python).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "RK_OLD_README": folder.name,
    }
    subprocess.run(
        ["sh", "-c", line], cwd=folder, env=env, check=True, timeout=20, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def uname(front: Client, port: int, remote: Remote) -> None:
    """The first cell: connect, and see what the machine is."""
    code = f'$connect("127.0.0.1:{port}")\nimport platform\nprint(platform.uname())'
    give_up = time.monotonic() + 20
    while (cell := front.run(code)).status != "ok":
        assert time.monotonic() < give_up, cell
    assert re.search(r"^uname_result\(system='\w+', node='", cell.stdout, re.MULTILINE), cell.stdout
    assert remote.python_says("platform.uname()") in cell.stdout


def test_the_servers_line(front: Client, remote: Remote, folder: Path) -> None:
    """As it stands in our README."""
    (line,) = re.findall(r'^python3 -c ".*SlaveService.*" &$', (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    port = free_port()
    in_a_terminal(remote, folder, line.replace("0.0.0.0", "127.0.0.1").replace("18812", str(port)))
    uname(front, port, remote)


def test_a_file_with_the_servers_lines(front: Client, remote: Remote, folder: Path) -> None:
    port = free_port()
    (folder / "rpycs.py").write_text(RPYCS.format(port=port))
    in_a_terminal(remote, folder, "python3 rpycs.py &")
    uname(front, port, remote)


def test_installed_from_a_mirror(tmp_path: Path) -> None:
    """`pip install -i URL rpyc-kernel && python3 -m rpyc_kernel.install`, as with any other index."""
    packages = tmp_path / "index" / "rpyc-kernel"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(packages)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = packages.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (packages / "index.html").write_text(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    handler = functools.partial(_Quiet, directory=str(packages.parent))
    target = tmp_path / "site"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as index:
        threading.Thread(target=index.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{index.server_port}/"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--isolated", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*pip, "-i", url, "--target", str(target), "rpyc-kernel"], check=True, timeout=120)
        index.shutdown()
    env = {**os.environ, "PYTHONPATH": str(target)}
    install = [sys.executable, "-m", "rpyc_kernel.install", "--prefix", str(tmp_path / "prefix")]
    subprocess.run(install, env=env, check=True, timeout=60, capture_output=True)
    assert (tmp_path / "prefix" / "share" / "jupyter" / "kernels" / "rpyc" / "kernel.json").is_file()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


NOTEBOOKS = [
    "connect",
    "disconnect",
    "exec",
    "files",
    "hosts",
    "info",
    "lease",
    "local",
    "ping",
    "quickstart",
    "replay",
    "restart",
    "safe_stop",
    "sessions",
    "several",
    "values",
]


@pytest.mark.mainly("plain")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_for_each_command(front: Client, own_remote: Remote, name: str) -> None:
    """Every cell of the example notebooks, with this server in place of `localhost`."""
    notebook = json.loads((ROOT / "examples" / f"{name}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code":
            done = front.run(re.sub(r"\blocalhost\b(:18812)?", own_remote.address, code))
            expected = "raises-exception" not in cell["metadata"].get("tags", [])
            assert (done.status == "ok") == expected, done
