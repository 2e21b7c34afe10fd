"""examples/echo_kernel: installed, listed, run and removed as its README says, wherever Jupyter is started."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.kernel.client import Client
from tests.kernel.installed import EXAMPLES, InstalledKernel, kernelspec
from tests.kernel.kernels import private_environment
from tests.kernel.results import plain

ECHO = EXAMPLES / "echo_kernel"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return private_environment(tmp_path, PYTHONPATH="")


def listed(env: dict[str, str]) -> dict[str, Path]:
    found = json.loads(kernelspec(env, "list", "--json"))["kernelspecs"]
    return {name: Path(each["resource_dir"]) for name, each in found.items()}


def test_its_kernel_json_finds_the_module_by_the_folder_it_is_installed_in() -> None:
    spec = json.loads((ECHO / "kernel.json").read_text())
    assert spec["argv"] == ["python", "{resource_dir}/echokernel.py", "-f", "{connection_file}"]
    assert (spec["display_name"], spec["language"]) == ("Echo", "text")


# --- installed and removed


def test_for_the_user(env: dict[str, str]) -> None:
    said = kernelspec(env, "install", str(ECHO), "--user")
    folder = Path(env["JUPYTER_DATA_DIR"]) / "kernels" / "echo_kernel"
    assert str(folder) in said
    assert listed(env)["echo_kernel"] == folder
    assert {"kernel.json", "echokernel.py"} <= {path.name for path in folder.iterdir()}
    lines = kernelspec(env, "list").splitlines()
    assert [line.split() for line in lines if "echo" in line] == [["echo_kernel", str(folder)]]
    assert "echo_kernel" in kernelspec(env, "uninstall", "-y", "echo_kernel")
    assert "echo_kernel" not in listed(env)
    assert not folder.exists()


def test_under_another_name(env: dict[str, str]) -> None:
    kernelspec(env, "install", str(ECHO), "--user", "--name", "Echo")
    assert list(listed(env)).count("echo") == 1  # in lower case
    kernelspec(env, "remove", "-y", "echo")
    assert "echo" not in listed(env)


def test_under_a_prefix(env: dict[str, str], tmp_path: Path) -> None:
    said = kernelspec(env, "install", str(ECHO), "--prefix", str(tmp_path / "opt"))
    assert (tmp_path / "opt/share/jupyter/kernels/echo_kernel/kernel.json").is_file(), said
    assert "echo_kernel" not in listed(env)  # Jupyter doesn't look there by itself
    env["JUPYTER_PATH"] = str(tmp_path / "opt/share/jupyter")
    assert "echo_kernel" in listed(env)
    kernelspec(env, "uninstall", "-y", "echo_kernel")
    assert "echo_kernel" not in listed(env)


def test_for_an_environment(env: dict[str, str], tmp_path: Path) -> None:
    place = str(tmp_path / "environment")
    kernelspec(env, "install", str(ECHO), "--sys-prefix", prefix=place)
    assert (tmp_path / "environment/share/jupyter/kernels/echo_kernel/kernel.json").is_file()
    assert "echo_kernel" in kernelspec(env, "list", prefix=place)
    kernelspec(env, "uninstall", "-y", "echo_kernel", prefix=place)
    assert "echo_kernel" not in kernelspec(env, "list", prefix=place)


def test_removing_what_is_not_there(env: dict[str, str]) -> None:
    assert "echo_kernel" in kernelspec(env, "uninstall", "-y", "echo_kernel", code=1)


# --- run


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    env = private_environment(tmp_path_factory.mktemp("echo"), PYTHONPATH="")
    kernelspec(env, "install", str(ECHO), "--user")
    with InstalledKernel("echo_kernel", Path(env["JUPYTER_DATA_DIR"]) / "kernels", env={"PYTHONPATH": ""}) as front:
        yield front


def test_what_it_says_of_itself(front: Client) -> None:
    info = front.kernel_info()
    assert (info["implementation"], info["implementation_version"]) == ("echokernel", "1.0")
    assert info["banner"] == "Whatever you say, it comes back."
    language = info["language_info"]
    assert (language["name"], language["mimetype"], language["file_extension"]) == ("text", "text/plain", ".txt")


def test_it_echoes(front: Client) -> None:
    cell = front.good("hello,\n  it's me")
    assert cell.stdout == "hello,\n  it's me"
    count = cell.reply["execution_count"]
    assert cell.reply["payload"] == []
    assert cell.reply["user_expressions"] == {}
    assert front.good("again").reply["execution_count"] == count + 1


def test_a_silent_request_shows_nothing_and_does_not_count(front: Client) -> None:
    count = front.good("before").reply["execution_count"]
    cell = front.good("psst", silent=True)
    assert (cell.stdout, cell.reply["execution_count"]) == ("", count)
    assert front.good("hello", store_history=False, allow_stdin=False, user_expressions={"x": "1"}).stdout == "hello"


def test_in_a_console(env: dict[str, str], tmp_path: Path) -> None:
    kernelspec(env, "install", str(ECHO), "--user")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = ["-m", "jupyter", "console", "--kernel", "echo_kernel", "--simple-prompt"]
    console = pexpect.spawn(
        sys.executable,
        [*command, "--ZMQTerminalInteractiveShell.kernel_timeout=60"],
        env={**env, "TERM": "dumb", "COLUMNS": "200"},
        encoding="utf-8", timeout=30, dimensions=(40, 200), cwd=str(elsewhere),
    )  # fmt: skip
    try:
        console.expect(r"In \[1\]: ")
        assert "Whatever you say, it comes back." in plain(console.before)
        shown, typed = "", 0
        while shown.count("one two") <= typed < 6:
            console.sendline("one two")
            typed += 1
            # a terminal whose mode is just being set throws away what was typed, and a console may show its prompt
            # before what a cell gave out, which then comes with the next
            if console.expect([r"In \[\d+\]: ", pexpect.TIMEOUT], timeout=8) == 0:
                shown += plain(console.before)
        assert shown.count("one two") > typed, shown
        console.sendeof()
        if console.expect([r"\(\[?y\]?/\[?n\]?\)", pexpect.EOF]) == 0:
            console.sendline("y")
            console.expect(pexpect.EOF)
    finally:
        console.close(force=True)


def test_the_pitfall_is_as_the_readme_says(env: dict[str, str], tmp_path: Path) -> None:
    """`-m` finds the module only where Jupyter was started in its folder."""
    assert "No module named echokernel" in (ECHO / "README.md").read_text()
    folder = tmp_path / "echo"
    shutil.copytree(ECHO, folder)
    for cwd, found in ((folder, True), (tmp_path, False)):
        command = [sys.executable, "-m", "echokernel", "--version"]
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
        assert ("No module named echokernel" not in done.stderr) is found, done.stderr
        assert (done.returncode == 0) is found
