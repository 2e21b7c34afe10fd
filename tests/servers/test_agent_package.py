"""The distribution rpyc-kernel-agent: built, installed by the pip of old Pythons, and serving from there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from rpyc_kernel import __version__
from tests.servers.daemons import Daemon
from tests.servers.sessions import Session
from tests.servers.test_sessions import works
from tests.servers.venvs import venv

pytestmark = pytest.mark.needs("posix")

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 150_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the repository."""
    return build(ROOT / "agent-package", tmp_path_factory.mktemp("dist"), "wheel")


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a distribution without the network, which `make release` does with it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(target.iterdir())


def test_it_is_small_and_needs_nothing_but_rpyc(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_BYTES
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        about = Parser().parsestr(packed.read(next(name for name in names if name.endswith("/METADATA"))).decode())
    assert about["Version"] == __version__
    assert about.get_all("Requires-Dist") == ["rpyc>=4.1"]
    assert about["Requires-Python"] == ">=3.7"
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"rpyc_kernel_agent"}


def test_the_source_distribution_makes_the_same(wheel: Path, tmp_path: Path) -> None:
    sdist = build(ROOT / "agent-package", tmp_path / "sdist", "sdist")
    subprocess.run(["tar", "xf", str(sdist), "-C", str(tmp_path)], check=True, timeout=60)
    again = build(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "again", "wheel")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert [(each.filename, each.CRC) for each in first.infolist()] == [
            (each.filename, each.CRC) for each in second.infolist()
        ]


@pytest.mark.parametrize(("rpyc", "python"), [("5.0.1", "3.7"), ("4.1.5", "3.8")])
def test_an_old_pip_installs_it_and_it_serves(wheel: Path, tmp_path: Path, rpyc: str, python: str) -> None:
    interpreter = venv(python, rpyc)
    pip = [interpreter, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", tmp_path / "there", wheel]
    done = subprocess.run(pip, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    env = {"PYTHONPATH": str(tmp_path / "there")}
    script = str(tmp_path / "there" / "bin" / "rpyc-kernel-agent")  # as the path of a Python is in its first line
    for command in ((script,), ("-m", "rpyc_kernel_agent")):
        with Daemon("--classic", python=interpreter, command=command, env=env) as daemon:
            with Session(daemon.address) as session:
                assert session.info["python"].startswith(python)
                works(session)
