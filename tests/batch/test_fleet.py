"""`rpyc-kernel fleet`: the same on several machines at once, from a terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from tests.batch.commands import LINE, Command
from tests.kernel.remotes import Remote
from tests.servers.rpyc_servers import free_port


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Remote]]:
    """Two machines, with the built-in shell and with IPython."""
    with ExitStack() as stack:
        yield [stack.enter_context(Remote(kind)) for kind in ("plain", "ipython")]


@pytest.fixture
def boards(machines: list[Remote], tmp_path: Path) -> Path:
    file = tmp_path / "boards.toml"
    file.write_text("".join(f'[board-{n}]\naddress = "{each.address}"\n' for n, each in enumerate(machines)))
    return file


def rows(text: str) -> dict[str, str]:
    """The state of each machine, from the table at the end."""
    lines = text.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("machine "))
    return {line.split()[0]: line.split(None, 1)[1] for line in lines[head + 1 :]}


def test_status_run_and_end(boards: Path) -> None:
    with Command("fleet", boards, "status") as status:
        assert status.end() == 0, status.err
        found = rows(status.out)
    assert list(found) == ["board-0", "board-1"]
    assert "done" in found["board-0"]
    assert "ms away, Python 3" in found["board-0"]
    assert "with IPython" in found["board-1"]
    code = "import sys; print('here', sys.argv[1]); print('no end', end=''); print('err', file=sys.stderr)"
    with Command("fleet", boards, "run", "-c", code, "7") as run:
        assert run.end() == 0, run.err
    assert "[board-0] here 7\n" in run.out
    assert "[board-1] no end\n" in run.out
    assert sorted(run.err.splitlines()) == ["[board-0] err", "[board-1] err"]
    assert all("done" in row for row in rows(run.out).values())
    with Command("fleet", boards, "end", "nobody") as end:
        assert end.end() == 0
    assert "no such session" in end.out
    with Command("fleet", boards, "end") as end:
        assert end.end() == 2
    assert "takes the names of sessions, or --all" in end.err


def test_what_fails_on_one_of_them_is_named_and_holds_no_other(boards: Path, tmp_path: Path) -> None:
    boards.write_text(boards.read_text() + f'[gone]\naddress = "127.0.0.1:{free_port()}"\n')
    program = tmp_path / "program.py"
    program.write_text("import os, sys\nif os.environ.get('FAIL'): sys.exit(3)\nprint('ran')\n")
    with Command("fleet", boards, "run", program) as run:
        assert run.end() == 1
    found = rows(run.out)
    assert "done" in found["board-0"]
    assert "done" in found["board-1"]
    assert found["gone"].startswith("failed")
    assert "gone" in found["gone"] or "127.0.0.1" in found["gone"]
    text = boards.read_text().replace("[board-1]\n", '[board-1]\nenv = {FAIL = "1"}\n')
    boards.write_text(text)
    with Command("fleet", "--only", "board-1,board-0", boards, "run", program) as run:
        assert run.end() == 1
    assert "exit code 3" in rows(run.out)["board-1"]
    assert "done" in rows(run.out)["board-0"]
    with Command("fleet", boards, "run", "-c", "input('?')", "--") as asking:
        assert asking.end() == 1
    assert "exit code 1: " in rows(asking.out)["board-0"]


def test_a_folder_on_all_of_them(boards: Path, tmp_path: Path) -> None:
    folder, there = tmp_path / "project", tmp_path / "there"
    folder.mkdir()
    (folder / "module.py").write_text("x = 1\n")
    with Command("fleet", "--at-once", "1", boards, "sync", folder, there) as sync:
        assert sync.end() == 0, sync.err
    assert (there / "module.py").read_text() == "x = 1\n"
    assert all(row.startswith("done") for row in rows(sync.out).values())


def test_ctrl_c_stops_it_on_all_of_them_and_leaves_no_session(boards: Path, machines: list[Remote]) -> None:
    with Command("fleet", boards, "run", "-c", "print('begun', flush=True); import time; time.sleep(60)") as run:
        run.until("[board-0] begun")
        run.until("[board-1] begun")
        run.signal(signal.SIGINT)
        assert run.end() == 1
    assert all(row.startswith("stopped") for row in rows(run.out).values()), run.out + run.err
    with Command("fleet", boards, "status") as status:
        assert status.end() == 0
        assert status.out.count("0 sessions") == 2


def test_on_a_terminal_the_table_follows(boards: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.05)\nprint('through')"
    words = ["-c", LINE, "fleet", str(boards), "run", "-c", code]
    child = pexpect.spawn(sys.executable, words, timeout=60, dimensions=(40, 120))
    try:
        child.expect("board-1 .*runs")
        gate.touch()
        child.expect(r"\[board-\d\] through")
        child.expect("board-1 .*done")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert child.exitstatus == 0


def test_what_is_written_wrongly(boards: Path, tmp_path: Path) -> None:
    for words, code, sentence in [
        (("--only", "nobody", boards, "status"), 2, "has no machine nobody; it has board-0, board-1"),
        ((tmp_path / "none.toml", "status"), 1, "none.toml can't be used as a file of machines: it isn't there."),
        ((boards, "run"), 2, "run needs a program"),
        (("--at-once", "0", boards, "status"), 2, "a number from 1 on"),
    ]:
        with Command("fleet", *words) as command:
            assert command.end() == code, command.err
        assert sentence in command.err
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    with Command("fleet", empty, "status") as command:
        assert command.end() == 2
    assert "names no machine yet" in command.err
