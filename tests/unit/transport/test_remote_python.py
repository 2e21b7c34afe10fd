"""Which Python a machine's shell finds: the script runs here, in a home folder with programs that tell their names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rpyc_kernel.transport import remote_python
from rpyc_kernel.transport.remote_python import NO_PYTHON, NO_SUCH_PYTHON, TOO_OLD, opening_words, script

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the other machine has a POSIX shell")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(remote_python, "PLACES", ("$HOME/.local/bin/python3",))
    folder = tmp_path / "it's home"
    folder.mkdir()
    return folder


def install(path: Path, *, status: int = 0, version: str = "3.12.0") -> None:
    """Put a program there that is called as a Python would be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nif [ "$1" = -V ]; then echo "Python {version}"; exit; fi\necho "$0"\nexit {status}\n')
    path.chmod(0o755)


def run(home: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    env = {"HOME": str(home), "PATH": f"{home}/programs:/usr/bin-is-not-here"}
    if python:  # grep and head
        env["PATH"] = f"{home}/programs:{home}/tools"
        (home / "tools").mkdir(exist_ok=True)
        for tool in ("grep", "head"):
            link = home / "tools" / tool
            if not link.exists():
                link.symlink_to(next(each for each in (Path("/bin", tool), Path("/usr/bin", tool)) if each.exists()))
    return subprocess.run(
        ["/bin/sh", "-c", remote_python.SHELL],
        input=f"{script(python)}\n", capture_output=True, text=True, env=env, cwd=home, timeout=20, check=False,
    )  # fmt: skip


PLACES = {
    "a venv in the home folder": ("ml", "ml/bin/python"),
    "a venv of virtualenvwrapper": ("ml", ".virtualenvs/ml/bin/python"),
    "another folder of venvs": ("ml", ".venvs/ml/bin/python"),
    "a version of pyenv": ("3.12.1", ".pyenv/versions/3.12.1/bin/python"),
    "an environment of conda": ("ml", "miniconda3/envs/ml/bin/python"),
    "an environment of micromamba": ("ml", "micromamba/envs/ml/bin/python"),
    "a program": ("python3.11", "programs/python3.11"),
    "the folder of a venv": ("~/a b/ml", "a b/ml/bin/python"),
    "a path": ("~/opt/py/bin/python3", "opt/py/bin/python3"),
}


@pytest.mark.parametrize(("python", "path"), PLACES.values(), ids=PLACES.keys())
def test_what_a_name_finds(home: Path, python: str, path: str) -> None:
    install(home / path)
    done = run(home, python)
    assert (done.stdout, done.stderr, done.returncode) == (f"{home / path}\n", "", 0)


def test_an_environment_of_conda_anywhere(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "data" / "envs" / "ml" / "bin" / "python")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"/opt/other\n{tmp_path}/data/envs/ml\n")
    assert run(home, "ml").stdout == f"{tmp_path}/data/envs/ml/bin/python\n"


def test_an_absolute_path(home: Path) -> None:
    install(home / "py")
    assert run(home, str(home / "py")).stdout == f"{home}/py\n"


def test_a_name_is_no_program_to_be_run(home: Path) -> None:
    install(home / "programs" / "reboot")
    done = run(home, "reboot")
    assert (done.stdout, done.returncode) == ("", NO_SUCH_PYTHON)


@pytest.mark.parametrize("python", ["ml", "~/ml", "/no/such/python"])
def test_a_name_that_finds_nothing(home: Path, python: str) -> None:
    assert run(home, python).returncode == NO_SUCH_PYTHON


def test_the_first_that_is_new_enough(home: Path) -> None:
    assert run(home).returncode == NO_PYTHON
    install(home / "programs" / "python3", status=TOO_OLD, version="3.6.15")
    done = run(home)
    assert (done.returncode, done.stderr) == (NO_PYTHON, "tried python3: Python 3.6.15\n")
    install(home / ".local" / "bin" / "python3")
    assert run(home).stdout.splitlines()[-1] == f"{home}/.local/bin/python3"
    install(home / "programs" / "python3.9")
    assert run(home).stdout.splitlines()[-1] == f"{home}/programs/python3.9"


def test_a_shadow_of_a_python_is_passed_over(home: Path) -> None:
    """As pyenv's shims are, where no version is switched on."""
    install(home / "programs" / "python3", status=127)
    install(home / "programs" / "python")
    assert run(home).stdout.splitlines()[-1] == f"{home}/programs/python"


def test_a_named_one_that_is_too_old(home: Path) -> None:
    install(home / "ml" / "bin" / "python", status=TOO_OLD, version="3.6.15")
    done = run(home, "ml")
    assert (done.returncode, done.stderr) == (TOO_OLD, f"tried {home}/ml/bin/python: Python 3.6.15\n")


@pytest.mark.parametrize("python", ["", "ml", '~/it\'s $HOME `x` "y" \\ ml'])
def test_the_script_is_one_line_and_argv_is_short(python: str) -> None:
    assert "\n" not in script(python)
    assert len(remote_python.COMMAND) < 100
    assert opening_words("0" * 32, python).startswith(script(python).encode() + b"\n")
