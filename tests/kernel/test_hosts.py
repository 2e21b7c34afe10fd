"""Saved machines in a notebook: `%connect pi`, what is saved with it, `%hosts`, and a kernel that starts on one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import Kernel, private_environment
from tests.kernel.remotes import Remote
from tests.kernel.results import refused

pytestmark = pytest.mark.mainly("plain")
PLAIN_SPEC = Path(__file__).resolve().parents[2] / "src" / "rpyc_kernel" / "kernelspec" / "kernel.json"
WHERE = "import os; '|'.join([os.getcwd(), os.environ.get('RK_A', ''), os.environ.get('RK_B', '')])"


def save(kernel: Kernel, text: str) -> Path:
    """Write the kernel's file of saved machines."""
    file = Path(kernel.env["JUPYTER_CONFIG_DIR"]) / "rpyc-kernel" / "hosts.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def pi(kernel: Kernel, remote: Remote, tmp_path: Path) -> Client:
    """A notebook that knows `pi`, saved with a folder and variables, and a machine that is off."""
    save(
        kernel,
        f"[Pi]\naddress = '{remote.address}'\ncwd = '{tmp_path}'\nenv = {{ RK_A = '1', RK_B = '2' }}\n"
        "[off]\naddress = '127.0.0.1:1'\n",
    )
    return kernel.first


@pytest.mark.parametrize("line", ["%connect pi", '$connect("PI")'])
def test_what_was_saved_goes_with_the_name(pi: Client, line: str, remote: Remote, tmp_path: Path) -> None:
    assert remote.address in pi.good(line).stdout
    assert pi.good(WHERE).text == repr(f"{tmp_path}|1|2")


def test_what_is_typed_goes_first(pi: Client, remote: Remote, tmp_path: Path) -> None:
    pi.good(f"%connect pi --env RK_B=3 --cwd {remote.work}")
    assert pi.good(WHERE).text == repr(f"{remote.work}|1|3")


def test_it_survives_a_restart(kernel: Kernel, pi: Client, tmp_path: Path) -> None:
    pi.good("%connect pi")
    kernel.restart()
    assert kernel.first.good(WHERE).text == repr(f"{tmp_path}|1|2")


def test_sessions_are_found_and_taken_over_by_the_name(pi: Client) -> None:
    pi.good("%connect pi --name walk\nx = 6")
    pi.good("%disconnect")
    assert "walk" in pi.good("%sessions pi").stdout
    assert "Attached to walk" in pi.good("%attach walk pi").stdout
    assert pi.good("x * 7").text == "42"


def test_hosts_asks_all_of_them(pi: Client, remote: Remote) -> None:
    pi.good("%connect pi")
    lines = pi.good("%hosts").stdout.splitlines()
    assert remote.address in lines[0]
    assert lines[1].split()[:3] == ["name", "address", "state"]
    assert lines[2].split()[:3] == ["pi", remote.address, "reachable"]
    assert lines[3].split()[:4] == ["off", "127.0.0.1:1", "not", "reachable"]
    assert lines[4].startswith("off: No server is listening on 127.0.0.1:1.")
    told = json.loads(pi.good("%hosts --json").stdout)
    assert [each["reachable"] for each in told["saved"]] == [True, False]
    assert told["saved"][0]["ipython"] is (remote.kind == "ipython")
    assert told["notebook"][0]["current"] is True


def completed(client: Client, code: str) -> set[str]:
    """What the cell would read, for each match."""
    reply = client.complete(code)
    return {code[: reply["cursor_start"]] + match + code[reply["cursor_end"] :] for match in reply["matches"]}


def test_tab_completes_machines_and_sessions_and_dials_nobody(pi: Client, remote: Remote) -> None:
    assert completed(pi, "%connect p") == {"%connect pi"}
    assert completed(pi, '$connect("o') == {'$connect("off'}
    assert {"%sessions pi", "%sessions off"} <= completed(pi, "%sessions ")
    assert completed(pi, "%attach w") == set()
    pi.good("%connect pi --name walk")
    assert "%attach walk" in completed(pi, "%attach w")
    assert f"%connect {remote.address}" in completed(pi, "%connect 127")
    assert completed(pi, "%connect pi --ne") == {"%connect pi --new"}
    pi.good("%disconnect --end")
    assert "%connect pi" in completed(pi, "%connect p")


def test_recent_machines_are_known_to_the_next_notebook(
    pi: Client, kernel: Kernel, remote: Remote, new_kernel: Callable[..., Kernel]
) -> None:
    pi.good(f"%connect {remote.address}")
    other = new_kernel(env={"JUPYTER_DATA_DIR": kernel.env["JUPYTER_DATA_DIR"]}).first
    assert f"%connect {remote.address}" in completed(other, "%connect ")


def test_a_broken_file_is_a_sentence_and_an_address_goes_on_working(kernel: Kernel, remote: Remote) -> None:
    front, file = kernel.first, save(kernel, "[pi]\naddress = \n")
    for line in ("%connect pi", "%sessions pi", "%hosts --json"):
        refused(front.run(f"{line}\nprint('must not run')"), f"{file}, line 2: ")
    front.good(f"%connect {remote.address}")
    assert front.good("6 * 7").text == "42"
    cell = front.run("%hosts")
    assert remote.address in cell.stdout
    assert "line 2: " in cell.error["evalue"]


def test_a_tile_starts_on_its_machine(new_kernel: Callable[..., Kernel], remote: Remote, tmp_path: Path) -> None:
    """In a front end that asks for no parameter, and in one that does."""
    home = tmp_path / "home"
    home.mkdir()
    env = private_environment(home)
    command = [sys.executable, "-m", "rpyc_kernel.cli.main", "hosts", "add", "pi", remote.address, "--tile"]
    subprocess.run([*command, "--cwd", str(tmp_path)], env=env, check=True, timeout=60)
    (spec,) = Path(env["JUPYTER_DATA_DIR"]).glob("kernels/*/kernel.json")
    argv = json.loads(spec.read_text())["argv"]
    folders = {name: env[name] for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    assert new_kernel(command=argv, env=folders).first.good(WHERE).text == repr(f"{tmp_path}||")
    answers = {"{rpyc_cwd}": str(remote.work), "{rpyc_python}": "", "{rpyc_shell}": "plain"}
    for placeholder, answer in answers.items():
        argv = [each.replace(placeholder, answer) for each in argv]
    assert new_kernel(command=argv, env=folders).first.good(WHERE).text == repr(f"{remote.work}||")
    argv = [sys.executable, *json.loads(PLAIN_SPEC.read_text())["argv"][1:]]
    argv = [each.replace("{rpyc_machine}", "pi") for each in argv]
    assert new_kernel(command=argv, env=folders).first.good(WHERE).text == repr(f"{tmp_path}||")
