"""A machine that is set up otherwise: locale, time zone, no terminal, started from a script's background."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import STOCK_LINE, Remote, processes_with, wait_until
from tests.servers.rpyc_servers import free_port

pytestmark = [pytest.mark.usefixtures("remote"), pytest.mark.mainly("plain")]


@pytest.mark.parametrize("locale", ["C", "POSIX", "ja_JP.eucJP", "en_US.ISO-8859-1", "no_SUCH.locale"])
def test_any_locale_prints_and_reads_everything(nb: Client, remote: Remote, locale: str) -> None:
    with Remote(remote.kind, env={"LANG": locale, "LC_ALL": locale}) as other:
        connect(nb, other)
        text = "é漢字😀ж"
        assert nb.good(f"print({text!r})").stdout == text + "\n"
        assert nb.good(f"{text!r}").text == repr(text)
        assert nb.good("input('é? ')", answers=[text]).text == repr(text)
        assert text in nb.good(f"!echo {text}").stdout.splitlines()  # bash may warn of the locale before
        assert nb.run(f"raise ValueError({text!r})").error["evalue"] == text  # type: ignore[index]
        assert (
            nb.good(f"# {text}\ndef f(): return {text!r}\nimport inspect; {text!r} in inspect.getsource(f)").text
            == "True"
        )


def test_another_time_zone_is_the_cells(nb: Client, remote: Remote) -> None:
    with Remote(remote.kind, env={"TZ": "Pacific/Kiritimati"}) as other:
        connect(nb, other)
        assert nb.good("import time; time.strftime('%z')").text == "'+1400'"
        cell = nb.start("print('ready'); time.sleep(60)")
        nb.wait_output(cell, "ready")
        assert nb.interrupted(cell) < 10


def test_no_terminal_is_needed(nb: Client, remote: Remote) -> None:
    """`start_server` gives its servers a session without one, and no TERM is known."""
    with Remote(remote.kind, env={"TERM": ""}) as other:
        connect(nb, other)
        assert nb.run("open('/dev/tty')").status == "error"
        assert nb.good("1").text == "1"


def background(python: str, home: Path, *lines: str) -> int:
    """Start the one-liner with `&` from a script that then ends, as on a board; returns its port."""
    port = free_port()
    script = "\n".join([*lines, f'"{python}" -c "{STOCK_LINE.format(port=port)}" >/dev/null 2>&1 </dev/null &', ""])
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "RK_BACKGROUND": home.name, "LANG": "C.UTF-8"}
    subprocess.run(["sh", "-c", script], env=env, cwd=home, check=True, timeout=20)
    return port


def dial(front: Client, port: int) -> None:
    deadline = time.monotonic() + 20
    while front.run(f"%connect 127.0.0.1:{port}").status != "ok":
        assert time.monotonic() < deadline, front.seen()


@pytest.mark.parametrize("before", ["", "trap '' INT QUIT HUP TERM", "set -m", "umask 077; ulimit -n 64"])
def test_started_in_the_background_of_a_script(kernel: Kernel, remote: Remote, tmp_path: Path, before: str) -> None:
    """`&` in a script leaves SIGINT ignored, which children inherit."""
    home = tmp_path / f"h{os.getpid()}{abs(hash(before)) % 10_000}"
    home.mkdir()
    port = background(remote.python, home, before or ":")
    front = kernel.first
    try:
        dial(front, port)
        cell = front.start("import time\ntry:\n    print('ready'); time.sleep(60)\nfinally:\n    print('finally')")
        front.wait_output(cell, "ready")
        assert front.interrupted(cell) < 10
        assert cell.stdout == "ready\nfinally\n"
        code = (
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import signal; "
            "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)'"
            "], capture_output=True, text=True).stdout"
        )
        assert front.good(code).text == "'True\\n'"
        assert "SIGTERM" in str(front.run("import os, signal; os.kill(os.getpid(), 15)").error) or "trap" in before
        assert front.good("6 * 7").text == "42"
        kernel.shutdown()
        left = lambda: {k: v for k, v in processes_with("RK_BACKGROUND", home.name).items() if "SlaveService" not in v}  # noqa: E731
        assert wait_until(lambda: not left(), 10), left()
    finally:
        for pid in processes_with("RK_BACKGROUND", home.name):
            os.kill(pid, 9)


@pytest.mark.parametrize("variable", ["PYTHONUNBUFFERED", "PYTHONOPTIMIZE", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"])
def test_the_other_machines_python_variables_are_the_cells(nb: Client, remote: Remote, variable: str) -> None:
    with Remote(remote.kind, env={variable: "1"}) as other:
        connect(nb, other)
        assert nb.good(f"import os; os.environ[{variable!r}]").text == "'1'"
        assert nb.good("print('x')").stdout == "x\n"


def test_output_of_c_code_is_unbuffered_without_any_variable(nb: Client, remote: Remote) -> None:
    connect(nb, remote)
    nb.good("import os; assert 'PYTHONUNBUFFERED' not in os.environ")
    cell = nb.start("import ctypes, time\nn = ctypes.CDLL(None).printf(b'at once\\n')\ntime.sleep(30)")
    nb.wait_output(cell, "at once\n", 3)
    nb.interrupted(cell)
