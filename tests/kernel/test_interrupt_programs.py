"""The stop button on programs that cells run, and programs that want a terminal."""

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import SPAWNED, Remote, wait_until

pytestmark = SPAWNED_IN_SOAK

SOON = 10.0

LOOPS = {
    "!": "while True:\n    !echo ready; sleep 0.05",
    "! at once": "print('ready')\nwhile True:\n    !true",
    "= !": "print('ready')\nwhile True:\n    x = !sleep 0.05",
    "%sx": "print('ready')\nwhile True:\n    %sx sleep 0.05",
    "!!": "print('ready')\nwhile True:\n    get_ipython().getoutput('sleep 0.05')",
    "system": "print('ready')\nwhile True:\n    get_ipython().system('sleep 0.05')",
    "bash": "print('ready')\nwhile True:\n    get_ipython().run_cell_magic('bash', '', 'sleep 0.05')",
    "os.system": "import os\nprint('ready')\nwhile True: os.system('sleep 0.05')",
    "deaf": "while True:\n    !echo ready; trap '' INT TERM; sleep 60",
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_over_commands_ends(nb: Client, kind: str) -> None:
    cell = nb.start(LOOPS[kind])
    behind = nb.start("'behind'")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.finish(behind).status == "aborted"


def test_bash_ends_with_all_it_has_started(nb: Client, remote: Remote) -> None:
    cell = nb.start("%%bash\n(trap '' INT; while :; do sleep 0.2; done) &\necho ready\nsleep 297")
    behind = nb.start("'behind'")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.finish(behind).status == "aborted"
    if remote.name.startswith(SPAWNED):
        return  # there are no process groups; Windows tells which processes are whose
    assert wait_until(lambda: not any("sleep" in each for each in remote.processes().values()), 5)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("!read line; echo got:$line.", "got:."),
        ("!cat; echo end", "end"),
        ("!python3; echo end", "end"),
        ("!echo secret > /dev/tty; echo end", "end"),
        ("%%bash\nread line </dev/tty\necho end", "end"),
        ("import subprocess\nprint(subprocess.run(['cat'], timeout=9).returncode)", "0"),
    ],
)
def test_what_reads_from_the_terminal_gets_its_end(nb: Client, code: str, shown: str) -> None:
    assert shown in nb.good(code, 10).stdout.split()


def test_no_pager_waits_for_keys(nb: Client) -> None:
    code = (
        "import os\nos.environ['PAGER'], os.environ['GIT_PAGER'], os.environ['MANPAGER'], os.environ['SYSTEMD_PAGER']"
    )
    assert nb.good(code).text == "('cat', 'cat', 'cat', 'cat')"
    assert "more" in nb.good("!echo more | $PAGER").stdout


def test_a_pager_that_the_user_names_stays(new_kernel: type[Kernel], remote: Remote) -> None:
    client = new_kernel("--RpycKernel.environment={'PAGER': 'head -1'}").first
    client.good(f"%connect {remote.address}")
    assert client.good("import os\nos.environ['PAGER'], os.environ['GIT_PAGER']").text == "('head -1', 'cat')"


def test_the_server_of_an_earlier_cell_stays(nb: Client) -> None:
    nb.good("import subprocess\nserver = subprocess.Popen(['sleep', '60'])")
    try:
        cell = nb.start("!echo ready; sleep 60")
        nb.wait_output(cell, "ready")
        assert nb.interrupted(cell) < SOON
        assert nb.good("server.poll() is None").text == "True"
    finally:
        nb.good("server.kill(); none = server.wait()")


def test_a_magic_whose_loading_was_stopped_works_the_next_time(fresh: Client) -> None:
    """IPython loads the modules of its magics with their first use, and takes one for loaded when it begins to.

    What a module's decorators have noted until then would go to the class of the next module.
    """
    stop = (
        "import importlib\nfrom IPython.core import magic\n"
        "def stopped(name, *more):\n    importlib.import_module = load\n"
        "    magic.line_magic('of_another_class')(print)\n    raise KeyboardInterrupt\n"
    )
    fresh.good(stop + "load, importlib.import_module = importlib.import_module, stopped")
    fresh.run("%%bash\necho first")
    fresh.good("importlib.import_module = load")
    assert fresh.good("%%bash\necho second").stdout == "second\n"
