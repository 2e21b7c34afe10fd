"""`rpyc-kernel run --detach` and `fetch`: a notebook that runs on by itself, on a real server."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from functools import partial
from pathlib import Path

import nbformat
import pytest

from rpyc_kernel.cli.main import main
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.batch.notebooks import results, texts, write
from tests.faults.proxy import Proxy
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until

pytestmark = pytest.mark.needs("linux")


def detach(start, remote, path, *options):
    """Detach a notebook; returns the name of the run."""
    command = start("run", path, "--on", remote.address, "--detach", *options)
    assert command.end() == 0, command.err
    name = command.out.rpartition("fetch ")[2].split()[0]
    assert command.out == (
        f"{path} runs on {remote.address} by itself, as {name}: rpyc-kernel fetch {name} collects its outputs.\n"
    )
    return name


def fetch(name, *options):
    """Fetch a run, in this process, as it is asked for again and again; returns the exit code, and what was said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["fetch", name, *map(str, options)])
    return code, out.getvalue() + err.getvalue()


def ended(name):
    """Whether all cells of a run have run."""
    return fetch(name)[0] == 0


def runs(private_jupyter):
    """The files of the runs that are remembered."""
    return [*private_jupyter.glob("jupyter_data_dir/rpyc-kernel/runs/*.json")]


def entry_of(remote, session):
    """The session, as its machine lists it."""
    return next(each for each in listing.sessions(Address.parse(remote.address)) if each.session.startswith(session))


def test_it_runs_on_by_itself_and_is_collected_as_often_as_wanted(start, remote, tmp_path, private_jupyter):
    gate = Gate(tmp_path)
    path = write(
        tmp_path,
        ("a = 1", "parameters"),
        "print('one', a)\na * 2",
        ("1/0", "raises-exception"),
        f"shown = display('old', display_id='d')\n{gate.wait}update_display('new', display_id='d')",
        "print('gone')\nfrom IPython.display import clear_output\nclear_output(wait=True)\nprint('left')",
        f"open({str(tmp_path / 'all')!r}, 'w').close()",
    )
    before = path.read_bytes()
    name = detach(start, remote, path, "-p", "a=4", "-o", tmp_path / "result.ipynb")
    assert path.read_bytes() == before
    assert not (tmp_path / "result.ipynb").exists()
    entry = entry_of(remote, runs(private_jupyter)[0].stem)
    assert (entry.name, entry.keep) == ("walk", 7 * 24 * 3600)

    def shown_so_far():
        code, said = fetch(name)
        assert (code, f"walk runs on {remote.address}: " in said) == (3, True), said
        return "4 of 7 cells" in said and results(tmp_path / "result.ipynb")[4]

    assert wait_until(shown_so_far, 60)
    assert results(tmp_path / "result.ipynb") == [[], [], ["one 4\n", "8"], ["ZeroDivisionError"], ["'old'"], [], []]
    gate.open()
    assert wait_until((tmp_path / "all").exists, 30)
    for _again in range(2):
        assert wait_until(lambda: fetch(name)[0] == 0, 30)
        (tmp_path / "result.ipynb").unlink()
    code, said = fetch(name, "-o", tmp_path / "other.ipynb", "--end")
    assert (code, said) == (
        0,
        f"walk has ended on {remote.address}: 7 of 7 cells have run. The outputs are in {tmp_path}/other.ipynb.\n",
    )
    assert results(tmp_path / "other.ipynb")[2:6] == [["one 4\n", "8"], ["ZeroDivisionError"], ["'new'"], ["left\n"]]
    notebook = nbformat.read(tmp_path / "other.ipynb", 4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, 5, 6, 7]
    session = entry.pid
    assert wait_until(lambda: session not in remote.processes())
    assert fetch(name)[0] == 1


def test_it_stops_there_at_the_first_error(start, remote, tmp_path):
    path = write(
        tmp_path, "print('one')", "def f():\n    return nothing\nf()", f"open({str(tmp_path / 'ran')!r}, 'w')", "3"
    )
    name = detach(start, remote, path)
    assert wait_until(lambda: fetch(name)[0] != 3, 60)
    code, said = fetch(name, "--end")
    assert code == 1
    assert f"walk has failed on {remote.address}: 2 of 4 cells have run" in said
    assert "NameError: name 'nothing' is not defined" in said
    assert results(tmp_path / "walk.out.ipynb") == [["one\n"], ["NameError"], [], []]
    assert not (tmp_path / "ran").exists()


def test_a_python_that_dies_stops_it_too(start, remote, tmp_path):
    path = write(tmp_path, "print('one', flush=True)", "import os\nos.abort()", "print('never')")
    name = detach(start, remote, path)
    assert wait_until(lambda: fetch(name)[0] != 3, 60)
    code, said = fetch(name, "--end")
    assert (code, "was ended by signal 6 (SIGABRT)" in said) == (1, True)
    found = results(tmp_path / "walk.out.ipynb")
    assert (found[0], found[1][-1], found[2]) == (["one\n"], "WorkerDied", [])


def test_it_outlives_its_server_and_the_command(start, tmp_path):
    gate = Gate(tmp_path)
    path = write(tmp_path, f"{gate.wait}print('after')", "'last'")
    with Remote("bare") as remote:
        name = detach(start, remote, path)
        remote.running.kill()
        gate.open()
        remote.options["port"] = remote.port
        remote.start()
        assert wait_until(lambda: fetch(name)[0] == 0, 60)
    assert results(tmp_path / "walk.out.ipynb") == [["after\n"], ["'last'"]]


def test_a_link_that_breaks_while_it_is_sent_and_fetched(start, remote, tmp_path):
    """Each connection ends after so many bytes; the next one goes on."""
    source = "text = '" + "x" * 100_000 + "'"
    path = write(tmp_path, *[f"{source}\nprint({number})" for number in range(8)], "print('y' * 300_000)")
    with Proxy(remote.port) as proxy:
        proxy.rate = 200_000
        command = start("run", path, "--on", proxy.address, "--detach")
        assert wait_until(lambda: proxy.up > 500_000, 60)
        assert proxy.cut() > 0
        proxy.rate = 0.0
        assert command.end() == 0, command.err
        assert wait_until(lambda: fetch("walk")[0] == 0, 60)
        proxy.rate, down = 200_000, proxy.down
        command = start("fetch", "walk", "-o", tmp_path / "again.ipynb")
        assert wait_until(lambda: proxy.down > down + 100_000, 60)
        assert proxy.cut() > 0
        proxy.rate = 0.0
        assert command.end() == 0, command.err
    expected = [[f"{number}\n"] for number in range(8)] + [["y" * 300_000 + "\n"]]
    for name in ("walk.out.ipynb", "again.ipynb"):
        assert ["".join(texts) for texts in results(tmp_path / name)] == ["".join(texts) for texts in expected]
    start("fetch", "walk", "--end")


def test_a_notebook_that_attaches_gets_the_rest_and_fetch_says_so(start, remote, tmp_path, private_jupyter):
    gate = Gate(tmp_path)
    path = write(tmp_path, "print('one')", f"{gate.wait}print('two')")
    name = detach(start, remote, path)
    session = runs(private_jupyter)[0].stem
    with Kernel() as front:
        connect(front, remote)
        attached = front.start(f"%attach {session}")
        front.wait_output(attached, "one")
        gate.open()
        assert "two" in front.finish(attached).stdout
        code, said = fetch(name)
    assert "a notebook that has attached to the session has got them" in said
    assert code == 1


def test_many_cells_and_much_output(start, remote, tmp_path):
    """More than what a journal gives out at once, which is 8 MiB."""
    path = write(tmp_path, *["print(('z' * 99 + chr(10)) * 2000)" for _ in range(60)], "'last'")
    name = detach(start, remote, path)
    assert wait_until(lambda: fetch(name)[0] == 0, 90)
    found = results(tmp_path / "walk.out.ipynb")
    assert {len("".join(texts)) for texts in found[:-1]} == {200_001}
    assert found[-1] == ["'last'"]
    assert fetch(name, "--end")[0] == 0


def test_runs_are_listed_by_name_and_chosen_by_it_or_by_their_id(start, remote, tmp_path, private_jupyter):
    path = write(tmp_path, "1")
    assert [detach(start, remote, path) for _ in range(2)] == ["walk", "walk-2"]
    command = start("fetch")
    assert command.end() == 0
    rows = [line.split() for line in command.out.splitlines()]
    assert rows[0] == ["name", "id", "machine", "began", "notebook"]
    assert [(row[0], row[2], row[-1]) for row in rows[1:]] == [
        ("walk-2", remote.address, str(path)),
        ("walk", remote.address, str(path)),
    ]
    for row in rows[1:]:
        assert entry_of(remote, row[1]).name == row[0]
        assert wait_until(partial(ended, row[1]), 30)
        assert fetch(row[1], "--end")[0] == 0
    folder = private_jupyter / "jupyter_data_dir" / "rpyc-kernel" / "runs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [*folder.iterdir()] == []


def test_a_session_that_is_gone(start, remote, tmp_path, private_jupyter):
    name = detach(start, remote, write(tmp_path, "1"))
    (run,) = runs(private_jupyter)
    assert start("sessions", remote.address, "--end", run.stem).end() == 0
    code, said = fetch(name)
    assert code == 1
    assert said.endswith(f"What {name} has given out is lost, unless it was fetched before.\n")
    assert not (tmp_path / "walk.out.ipynb").exists()


def test_a_run_that_goes_on_is_not_ended(start, remote, tmp_path):
    gate = Gate(tmp_path)
    name = detach(start, remote, write(tmp_path, gate.wait))
    code, said = fetch(name, "--end")
    assert (code, f"{name} still runs" in said) == (3, True)
    gate.open()
    assert wait_until(lambda: fetch(name)[0] == 0, 30)
    assert fetch(name, "--end")[0] == 0


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1", "%%local\n2"], "Cell 2 has a command"),
        (["%connect other\n1"], "Cell 1 has a command"),
        (["1\n%connect other"], "Cell 1: "),
    ],
)
def test_what_needs_this_machine_is_refused_before_anything_runs(start, remote, tmp_path, cells, words):
    before = {*remote.processes()}
    command = start("run", write(tmp_path, *cells), "--on", remote.address, "--detach")
    assert (command.end(), command.out) == (1, "")
    assert words in command.err
    assert command.err.count("\n") == 1
    assert {*remote.processes()} <= before


def test_what_can_not_be_sent_is_not_remembered(start, remote, tmp_path, private_jupyter):
    path, before = write(tmp_path, "1"), {*remote.processes()}
    for options in (["--on", "127.0.0.1:1"], ["--on", remote.address, "--python", "/nowhere/python"]):
        command = start("run", path, *options, "--detach")
        assert (command.end(), command.out) == (1, "")
        assert command.err.count("\n") == 1
    assert runs(private_jupyter) == []
    assert {*remote.processes()} <= before


def test_files_of_runs_that_are_none(start, private_jupyter):
    folder = private_jupyter / "jupyter_data_dir" / "rpyc-kernel" / "runs"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{")
    (folder / "y.json").write_text(json.dumps({"name": "y"}))
    (folder / "z.json").mkdir()
    command = start("fetch", "y")
    assert command.end() == 1
    assert command.err == "No run y was detached from this machine by this user. There is: none.\n"
    assert start("fetch", "-o", "x.ipynb").end() == 2


def test_no_secret_of_a_detached_run_is_in_an_argument_or_a_file_here(start, remote, tmp_path, private_jupyter):
    path = write(tmp_path, "import os\nlen(os.environ['TOKEN'])")
    command = start("run", path, "--on", remote.address, "--detach", "--env", "TOKEN", env={"TOKEN": "s3cr3tT0ken"})
    assert command.end() == 0
    assert "s3cr3t" not in command.out + command.err
    files = [each for each in [*private_jupyter.rglob("*"), *tmp_path.rglob("*")] if each.is_file()]
    assert any("runs" in each.parts for each in files)
    assert not [each for each in files if b"s3cr3t" in each.read_bytes()]
    for pid in remote.processes():
        assert b"s3cr3t" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert wait_until(lambda: fetch("walk")[0] == 0, 30)
    assert results(tmp_path / "walk.out.ipynb") == [["11"]]
    assert fetch("walk", "--end")[0] == 0


def test_ctrl_c_while_its_session_begins_leaves_none(start, remote, tmp_path, private_jupyter):
    before = remote.processes().keys()  # sessions that other tests have detached
    begun, go, slow = tmp_path / "begun", tmp_path / "go", tmp_path / "python"
    wait = f"touch {begun}; while ! [ -e {go} ]; do sleep 0.05; done"
    slow.write_text(f'#!/bin/sh\n{wait}\nexec {remote.python} "$@"\n')
    slow.chmod(0o755)
    command = start("run", write(tmp_path, "1"), "--on", remote.address, "--detach", "--python", slow)
    assert wait_until(begun.exists)
    command.signal(signal.SIGINT)
    go.touch()
    assert (command.end(), command.out) == (130, "")
    assert wait_until(lambda: remote.processes().keys() <= before)
    assert runs(private_jupyter) == []


def test_an_open_port_is_told_of_once_for_each_machine(start, remote, tmp_path):
    path = write(tmp_path, "1")
    for expected in (True, False):
        command = start("run", path, "--on", f"0.0.0.0:{remote.port}", "--detach")
        assert command.end() == 0
        assert command.err.startswith("Mind that whoever reaches 0.0.0.0:") is expected
        name = command.out.rpartition("fetch ")[2].split()[0]
        assert wait_until(partial(ended, name), 30)
        code = fetch(name, "-o", tmp_path / "out.ipynb", "--end")[0]
        assert code == 0


def test_the_outputs_go_to_stdout(start, remote, tmp_path):
    name = detach(start, remote, write(tmp_path, "print('one')"))
    assert wait_until(partial(ended, name), 30)
    command = start("fetch", name, "-o", "-", "--end")
    assert command.end() == 0
    assert texts(nbformat.reads(command.out, 4).cells[0]) == ["one\n"]
    assert command.err == f"{name} has ended on {remote.address}: 1 of 1 cells have run.\n"


def test_a_command_that_is_killed_right_after_it_has_begun(start, remote, tmp_path, private_jupyter):
    """What it has sent runs, and is found again: the run is remembered before anything is sent."""
    path = write(tmp_path, "1", "2")
    command = start("run", path, "--on", remote.address, "--detach")
    assert wait_until(lambda: runs(private_jupyter), 30)
    command.signal(signal.SIGKILL)
    command.end()
    listed = start("fetch")
    assert listed.end() == 0
    assert "walk" in listed.out
