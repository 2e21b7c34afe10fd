"""examples/own_kernel, the kernel of docs/extend.md: another name, its own machine, and a command more."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpyc_kernel import __version__
from tests.kernel.client import Client
from tests.kernel.installed import EXAMPLES, InstalledKernel, kernelspec
from tests.kernel.kernels import Kernel, private_environment
from tests.kernel.remotes import Remote, wait_until

pytestmark = pytest.mark.mainly("ipython")

OWN = EXAMPLES / "own_kernel"


@pytest.fixture(scope="module")
def board() -> Iterator[Remote]:
    with Remote("bare") as remote:
        yield remote


@pytest.fixture(scope="module")
def folder(board: Remote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of kernels with the example in it, installed with this file's address in place of its own."""
    tmp_path = tmp_path_factory.mktemp("board")
    source = tmp_path / "own_kernel"
    shutil.copytree(OWN, source)
    text = (source / "boardkernel.py").read_text()
    assert text.count('"localhost:18812"') == 1
    (source / "boardkernel.py").write_text(text.replace("localhost:18812", board.address))
    env = private_environment(tmp_path)
    kernelspec(env, "install", str(source), "--user", "--name", "board")
    assert "board" in kernelspec(env, "list")
    return Path(env["JUPYTER_DATA_DIR"]) / "kernels"


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[InstalledKernel]:
    """One for all tests of this file: what they define is gone with the restart of one of the last."""
    kernel = InstalledKernel("board", folder)
    with kernel:
        yield kernel


@pytest.fixture
def front(kernel: InstalledKernel) -> Client:
    return kernel.first


def test_it_tells_its_own_name(front: Client) -> None:
    info = front.kernel_info()
    assert (info["implementation"], info["implementation_version"]) == ("board-kernel", "1.0")
    assert info["banner"].startswith("The board in the greenhouse.")
    assert info["implementation_version"] != __version__


def test_its_first_cell_runs_on_its_machine(front: Client) -> None:
    assert front.good("import os; os.environ['RK_WHERE']").text == "'there'"


def test_its_command(front: Client) -> None:
    cell = front.good("%memory")
    assert cell.stdout.startswith("MemAvailable:")
    assert cell.stdout.count("\n") == 1


def test_its_command_is_one_like_ours(front: Client) -> None:
    assert "Tells how much memory is free on the board." in front.good("%memory?").stdout
    assert "%memory" in front.complete("%mem")["matches"]
    refused = front.run("x = 1\n%memory")
    assert "stands below other code" in refused.error["evalue"]
    refused = front.run("%memory now")
    assert "takes no argument" in refused.error["evalue"]


def test_its_command_is_no_entry_in_that_pythons_history(front: Client) -> None:
    count = front.good("1 + 1").reply["execution_count"]
    cell = front.good("%memory\nimport __main__; 'after'")
    assert cell.stdout.startswith("MemAvailable:")
    assert cell.text == "'after'"
    assert cell.reply["execution_count"] == count + 1
    assert front.good("_").text == "'after'"
    assert front.good("2 + 2").reply["execution_count"] == count + 3


def test_a_command_whose_code_fails_ends_the_cell(front: Client) -> None:
    front.good("def open(*arguments): raise OSError('no such file')")
    cell = front.run("%memory\nprint('must not run')")
    assert cell.status == "error"
    assert cell.error["ename"] == "OSError"
    assert "must not run" not in cell.stdout
    front.good("del open")


def test_a_command_is_stopped_like_a_cell(front: Client) -> None:
    front.good("def open(*arguments):\n    import time; print('waiting'); time.sleep(60)")
    cell = front.start("%memory\nprint('must not run')")
    front.wait_output(cell, "waiting")
    assert front.interrupted(cell) < 10
    assert cell.error["ename"] == "KeyboardInterrupt"
    front.good("del open")
    assert front.good("%memory").stdout.startswith("MemAvailable:")


@pytest.fixture
def other() -> Iterator[Remote]:
    with Remote("bare") as remote:
        yield remote


def test_an_option_and_our_own_commands_say_otherwise(folder: Path, board: Remote, other: Remote) -> None:
    with InstalledKernel("board", folder, f"--RpycKernel.address={other.address}") as front:
        assert front.good("%memory").stdout.startswith("MemAvailable:")
        assert other.address in front.good("%hosts").stdout
        assert board.address in front.good(f"%connect {board.address}").stdout


def test_a_restart_goes_back_there(kernel: InstalledKernel) -> None:
    front = kernel.first
    front.good("kept = 1")
    kernel.restart()
    assert front.run("kept").error["ename"] == "NameError"
    assert front.good("%memory").stdout.startswith("MemAvailable:")


def test_after_a_crash_it_finds_its_session(kernel: InstalledKernel) -> None:
    front = kernel.first
    front.good("kept = 1")
    os.kill(kernel.pid, signal.SIGKILL)
    assert wait_until(lambda: not kernel.alive(), 10)
    kernel.launch()
    front.ready()
    cell = front.good("%memory\nkept")
    assert "was found again" in cell.stderr
    assert cell.text == "1"


# --- what docs/extend.md says of commands

COMMANDS = """
import time
from rpyc_kernel.extend import CommandError, Kind, Option, Positional, RpycKernel, command, main

class OwnKernel(RpycKernel):
    pass

@command(
    "tell",
    "Tells.",
    Positional("words", "what to tell", many=True),
    Option("loud", Kind.FLAG, "louder"),
    Option("after", Kind.DURATION, "later", "TIME"),
    spellings=("%", "$"),
)
async def tell(context, words, loud, after):
    if words == ["nothing"]:
        raise CommandError("There is nothing to tell.")
    return " ".join(words) + f" {loud} {after}"

@command("wait", "Waits.")
async def wait(context):
    context.show("waiting")
    stopped = await context.blocking(lambda cancel: cancel.wait(60))
    return f"stopped: {stopped}"

@command("broken", "Breaks.")
async def broken(context):
    raise ValueError("a bug")

@command("quiet", "Says nothing.")
async def quiet(context):
    pass

main(OwnKernel)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    source = tmp_path_factory.mktemp("own") / "ownkernel.py"
    source.write_text(COMMANDS)
    with Kernel(command=[sys.executable, str(source), "-f", "{connection_file}"]) as front:
        yield front


def test_commands_that_run_here(own: Client) -> None:
    assert own.good("%tell one two --loud --after 2h").stdout == "one two True 7200.0\n"
    assert own.good('$tell("one", loud=True)').stdout == "one True None\n"
    assert own.complete("%tell --l")["matches"] == ["--loud"]
    assert own.complete("$te")["matches"] == ["$tell("]
    cell = own.run("%tell nothing\n%tell more")
    assert (cell.error["ename"], cell.error["evalue"]) == ("CommandError", "There is nothing to tell.")
    assert cell.stdout == ""
    assert own.good("%quiet").stdout == ""
    cell = own.run("%broken")
    assert "ValueError: a bug" in cell.error["evalue"]
    assert own.good("%tell on").stdout == "on False None\n"


def test_a_command_that_waits_is_stopped(own: Client) -> None:
    cell = own.start("%wait")
    own.wait_output(cell, "waiting")
    assert own.interrupted(cell) < 10
    assert "stopped: True" in cell.stdout
