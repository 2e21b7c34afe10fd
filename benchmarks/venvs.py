"""Make the Pythons on which servers and other kernels run: venvs, which are kept in ``.venvs``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".venvs"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
RPYC = f"rpyc=={version('rpyc')}"


class MissingError(Exception):
    """This machine lacks something that a measurement needs; the text names it."""


def python(version: str) -> str:
    """Find a Python in PATH or among those of pyenv.

    Args:
        version: As ``"3.8"``.

    Raises:
        MissingError: There is none.
    """
    if version == HERE:
        return sys.executable
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    found = str(pyenv[-1]) if pyenv else shutil.which(f"python{version}")
    if not found:
        raise MissingError(f"there is no Python {version} here")
    return found


def venv(name: str, packages: list[str], *, of: str = HERE, alone: list[str] | None = None) -> Path:
    """Make a venv, unless it is there.

    Args:
        name: The venv's.
        packages: What to install.
        of: The version of the venv's Python.
        alone: What to install without its dependencies.

    Returns:
        The venv's Python.

    Raises:
        MissingError: There is no such Python, or the packages can't be installed.
    """
    folder = FOLDER / f"bench-{name}-{of}"
    interpreter = folder / "bin" / "python"
    wanted = "\n".join([*packages, *(alone or [])])
    mark = folder / "complete"
    if mark.exists() and mark.read_text() == wanted:
        return interpreter
    _run(python(of), "-m", "venv", "--clear", str(folder))
    pip = [str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _run(*pip, *packages)
    if alone:
        _run(*pip, "--no-deps", *alone)
    mark.write_text(wanted)
    return interpreter


def plain(of: str = HERE) -> Path:
    """Make a Python with RPyC and nothing else."""
    return venv("plain", [RPYC], of=of)


def with_ipython() -> Path:
    """Make a Python with RPyC and the IPython that the local kernel has."""
    return venv("ipython", [RPYC, f"ipython=={version('ipython')}"])


def rpyc_ikernel() -> Path:
    """Make a Python with the kernel that came before this one, and with those of its dependencies that it uses."""
    return venv("rpyc_ikernel", ["ipykernel", "rpyc", "pexpect", "pillow"], alone=["rpyc_ikernel"])


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{' '.join(command[-3:])} failed: {done.stderr.strip().splitlines()[-1:]}")
