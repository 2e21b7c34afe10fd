"""What commands may be told: options, where cells start, help, completion."""

from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.remotes import Remote
from tests.kernel.results import refused

pytestmark = pytest.mark.mainly("plain")


@pytest.mark.parametrize("options", ["--frobnicate", "--new=1", "--cwd", "--keep soon", "--env NOVALUE", "--ne"])
def test_unknown_and_malformed_options_are_refused(nb: Client, remote: Remote, options: str) -> None:
    refused(
        nb.run(f"%connect {remote.address} {options}\nprint('must not run')"),
        options.split(maxsplit=1)[0].split("=", maxsplit=1)[0],
    )


def test_cells_start_in_the_folder_and_environment_of_the_server(fresh: Client, remote: Remote) -> None:
    assert fresh.good("import os; os.getcwd(), os.environ['HOME']").text == f"('{remote.work}', '{remote.home}')"


def test_options_say_otherwise(front: Client, remote: Remote, tmp_path: Path) -> None:
    connect(front, remote, f'--cwd "{tmp_path}"', "--env RK_A=1", '--env "RK_B=two words"')
    assert front.good("import os; os.getcwd()").text == repr(str(tmp_path))
    assert (
        front.good("[os.environ[each] for each in ('RK_A', 'RK_B', 'RK_WHERE')]").text == "['1', 'two words', 'there']"
    )


def test_options_as_arguments(front: Client, remote: Remote, tmp_path: Path) -> None:
    front.good(f'$connect("{remote.address}", cwd="{tmp_path}", env={{"RK_A": "1"}})')
    assert front.good("import os; os.getcwd() + os.environ['RK_A']").text == f"'{tmp_path}1'"


def test_another_python_there(front: Client, remote: Remote) -> None:
    import sys

    connect(front, remote, f"--python {sys.executable}")
    assert front.good("import sys; sys.prefix").text == repr(sys.prefix)


def test_a_folder_that_is_not_there(front: Client, remote: Remote) -> None:
    refused(front.run(f"%connect {remote.address} --cwd /no/such/folder\nprint('must not run')"), "/no/such/folder")


def test_hosts_lists_the_machines(fresh: Client, remote: Remote) -> None:
    assert remote.address in fresh.good("%hosts").stdout


def test_help_for_a_command(nb: Client) -> None:
    cell = nb.good("%connect?")
    everything = cell.stdout + str(cell.reply)
    assert "--new" in everything
    assert "--cwd" in everything


def test_completion_knows_the_commands(nb: Client) -> None:
    assert "%connect" in nb.complete("%conn")["matches"]
    assert "%%local" in nb.complete("%%loc")["matches"]
