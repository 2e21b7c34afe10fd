"""`%pair` and `rpyc-kernel pair`: a code that is asked for and kept nowhere, and then `$connect` alone."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpyc_kernel.agent.serve.pairing import code_key
from rpyc_kernel.transport import paired, proving
from rpyc_kernel.transport.deadline import Deadline
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.needs import needs
from tests.servers.paired_server import PairedServer, paired_server
from tests.servers.venvs import venv


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PairedServer]:
    with paired_server(venv(), tmp_path / "there") as running:
        yield running


@pytest.fixture
def kernel(server: PairedServer, new_kernel: Callable[..., Kernel]) -> Kernel:
    """Ends before the server does, and with it its session there."""
    return new_kernel()


@pytest.fixture
def host(server: PairedServer) -> str:
    return f"127.0.0.1:{server.port}"


def files(kernel: Kernel) -> list[Path]:
    return list((kernel.folder / "data" / "rpyc-kernel" / "paired").rglob("*.json"))


def test_a_code_once_and_then_connect_alone(front: Client, server: PairedServer, host: str) -> None:
    cell = front.good(f"%pair {host}", answers=[server.codes.show()])
    assert cell.inputs[0].content == {"prompt": f"Code that {host} shows: ", "password": True}
    (name,) = server.clients.names()
    assert cell.stdout == f'Paired with rpycs://{host}, as {name}. $connect("rpycs://{host}") connects from now on.\n'
    assert front.good(f'$connect("rpycs://{host}")\nimport os\nos.getppid()').text
    assert front.good("%restart\nprint('again')").stdout.endswith("again\n")


def test_before_it_is_paired_connect_says_what_to_do(front: Client, server: PairedServer, host: str) -> None:
    cell = front.run(f'$connect("rpycs://{host}")')
    assert cell.error is not None
    assert "Run rpyc-kernel-agent serve --pair there" in cell.error["evalue"]
    assert f"%pair {host}" in cell.error["evalue"]


def test_large_output_and_the_stop_button(front: Client, server: PairedServer, host: str) -> None:
    front.good(f"%pair {host}", answers=[server.codes.show()])
    front.good(f'$connect("rpycs://{host}")')
    assert len(front.good("print('x' * 20_000_000)", timeout=60).stdout) == 20_000_001
    cell = front.start("while True: print('y' * 1000)")
    front.wait_output(cell, "yyy")
    assert front.interrupted(cell) < 10


def test_a_link_that_breaks_proves_itself_again(front: Client, server: PairedServer, host: str, tmp_path: Path) -> None:
    front.good(f"%pair {host}", answers=[server.codes.show()])
    front.good(f'$connect("rpycs://{host}")\nkept = 42')
    server.process.kill()
    server.process.wait(10)
    with paired_server(venv(), server.folder, "", "", "", str(server.port)):
        assert front.good("kept").text == "42"
        front.good("%disconnect --end")


def test_a_wrong_code_is_one_sentence_and_changes_nothing(
    front: Client, kernel: Kernel, server: PairedServer, host: str
) -> None:
    server.codes.show()
    cell = front.run(f"%pair {host}", answers=["0000-0000-0000-0000"])
    assert cell.error is not None
    assert "the code is not the one that it shows" in cell.error["evalue"]
    assert len(cell.error["traceback"]) == 1
    assert (files(kernel), server.clients.names()) == ([], [])


def test_the_stop_button_ends_the_question(front: Client, kernel: Kernel, server: PairedServer, host: str) -> None:
    code = server.codes.show()
    cell = front.start(f"%pair {host}")
    front.wait_for(lambda: cell.inputs, what="the question")
    assert front.interrupted(cell) < 10
    assert cell.status == "error"
    assert files(kernel) == []
    front.good(f"%pair {host}", answers=[code])


def test_a_front_end_that_cannot_be_asked_is_told(front: Client, host: str) -> None:
    cell = front.run(f"%pair {host}", allow_stdin=False)
    assert cell.error is not None
    assert "can't be asked" in cell.error["evalue"]


@pytest.mark.parametrize("what", ["rpyc://pi", "unix:///s", "local:", "service:PI", "pi:port"])
def test_what_is_not_paired_with(front: Client, what: str) -> None:
    cell = front.run(f"%pair {what}")
    assert cell.error is not None
    assert cell.error["ename"] == "AddressError"
    assert cell.inputs == []


def test_a_saved_name_is_paired_with(front: Client, kernel: Kernel, server: PairedServer, host: str) -> None:
    add = [sys.executable, "-m", "rpyc_kernel.cli.main", "hosts", "add", "board", f"rpycs://{host}"]
    subprocess.run(add, env=kernel.env, check=True, timeout=60)
    front.good("%pair board", answers=[server.codes.show()])
    assert front.good('$connect("board")\n6 * 7').text == "42"


# --- in a terminal


def terminal(kernel: Kernel, host: str) -> list[str]:
    return [sys.executable, "-m", "rpyc_kernel.cli.main", "pair", host]


def test_in_a_terminal_the_code_is_not_shown(kernel: Kernel, server: PairedServer, host: str) -> None:
    needs("posix")
    code, (ours, theirs) = server.codes.show(), pty.openpty()
    process = subprocess.Popen(
        terminal(kernel, host), env=kernel.env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    try:
        while not seen.endswith(b"shows: "):
            seen += os.read(ours, 1000)
        os.write(ours, code.encode() + b"\n")
        assert process.wait(30) == 0
        seen += os.read(ours, 1000)
    finally:
        process.kill()
        os.close(ours)
    assert b"Paired with" in seen
    assert code.encode() not in seen
    assert len(files(kernel)) == 1


def test_without_a_terminal_the_code_is_the_first_line(kernel: Kernel, server: PairedServer, host: str) -> None:
    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            terminal(kernel, host), env=kernel.env, input=line, capture_output=True, text=True, timeout=60
        )

    refused = run("")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "16 letters and digits" in refused.stderr
    done = run(server.codes.show() + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'$connect("rpycs://{host}")' in done.stdout


# --- the secrets


def test_no_secret_is_anywhere_but_in_its_file(
    front: Client, kernel: Kernel, server: PairedServer, host: str, tmp_path: Path
) -> None:
    """argv, environments, logs, what the front end was sent, histories, notebooks, tracebacks and repr."""
    needs("linux")
    wrong, code = "AAAA-BBBB-CCCC-DDDD", server.codes.show()
    front.run(f"%pair {host}", answers=[wrong])
    front.good(f"%pair {host}", answers=[code])
    front.good(f'$connect("rpycs://{host}")\nimport os, sys')
    front.good("!env; tr '\\0' ' ' < /proc/self/cmdline")
    front.run("1/0")
    (name,) = server.clients.names()
    key = server.clients.key(name)
    assert key
    (file,) = files(kernel)
    assert key.hex() in file.read_text()
    secrets = [key.hex(), str(key)[2:-1]]
    for each in (code, wrong):
        secrets += [each, each.replace("-", ""), code_key(each).hex()]
    pids = {kernel.pid, server.process.pid, int(front.good("print(os.getpid())").stdout)}
    pids |= {int(front.good("print(os.getppid())").stdout)}
    places = {
        "the server's log": "".join(server.lines),
        "the kernel's log": kernel.log.read_text(errors="replace"),
        "what front ends see": repr([vars(each) for each in messages(front)]),
        "history": repr(front.history(hist_access_type="tail", n=1000, output=True, raw=True)),
        "there": front.good("print({k: v for k, v in os.environ.items()}, sys.argv)").stdout,
    }
    for pid in pids:
        for name_of in ("cmdline", "environ"):
            places[f"{name_of} of {pid}"] = Path(f"/proc/{pid}/{name_of}").read_bytes().decode(errors="replace")
    assert len(pids) == 4
    private = {file, *(server.folder / "clients").iterdir()}
    for path in [*kernel.folder.rglob("*"), *tmp_path.rglob("*")]:
        if path.is_file() and path not in private:
            places[str(path)] = path.read_bytes().decode("latin-1")
    for path in kernel.folder.rglob("*.sqlite"):
        with sqlite3.connect(path) as database:
            places[f"rows of {path}"] = repr(list(database.iterdump()))
    found = [(where, secret) for where, text in places.items() for secret in secrets if secret in text]
    assert found == []


def messages(front: Client) -> list[object]:
    return [
        message
        for request in front.requests.values()
        for each in vars(request).values()
        if isinstance(each, list)
        for message in each
        if hasattr(message, "content")
    ]


def test_a_traceback_with_all_variables_has_no_secret(
    server: PairedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the errors that `pair` and a later connection end in, with each frame's variables, as some tools show them."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    pairing = proving.pair(server.address, server.codes.show(), Deadline(20))
    server.clients.forget(pairing.name)
    with pytest.raises(Exception, match="does not know") as caught:
        proving.open_admitted(server.address, Deadline(20))
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "pairing = Pairing(" in text
    assert pairing.key.hex() not in text
    assert repr(pairing.key)[2:-1] not in text
    assert paired.find(server.address)


def test_the_file_says_what_it_is_for(front: Client, kernel: Kernel, server: PairedServer, host: str) -> None:
    front.good(f"%pair {host}", answers=[server.codes.show()])
    (file,) = files(kernel)
    assert file.stat().st_mode & 0o777 == 0o600
    values = json.loads(file.read_text())
    assert values["address"] == f"rpycs://{host}"
    assert re.fullmatch("[0-9a-f]{64}", values["fingerprint"])
