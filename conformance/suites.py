"""Runs suites of others under pytest, in a process of its own, and reads what became of each test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from benchmarks import venvs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.kernel.remotes import Remote

ROOT = Path(__file__).resolve().parents[1]
FILES = ("test_kernel.py", "test_message_spec.py", "test_async.py", "test_comm.py")
SUITE_TIMEOUT_S = 1800
TEST_TIMEOUT_S = 60

OTHERWISE = {
    "test_message_spec.py::test_kernel_info_request": "asks for ipykernel's own version number, and for subshells",
    "test_message_spec.py::test_subshell": "there are no subshells: another machine's Python runs one cell at a time",
}
"""The tests of ipykernel that don't pass, and the reason why they need not."""

VERSION = "bad version"
"""The text of a test that meets our version number. On a slow machine any test may meet it while its kernel starts."""


@dataclass(frozen=True)
class Outcome:
    """The result of one test.

    Attributes:
        name: The file and the name of the test.
        status: "passed", "failed" or "skipped".
        said: The first line of the reason, where it failed or was skipped.
    """

    name: str
    status: str
    said: str = ""


class SuiteError(Exception):
    """A suite could not be run at all; the text says why."""


def ipykernels(folder: Path, remote: Remote) -> list[Outcome]:
    """Run ipykernel's own tests, of the release that is installed here, on our kernel with its cells on *remote*.

    These start a kernel as ``python3``; a kernelspec of that name starts ours.

    Raises:
        SuiteError: The suite could not be run.
    """
    source = _source_of_ipykernel(folder)
    python = venvs.venv(
        "conformance",
        [f"{name}=={version(name)}" for name in ("ipykernel", "jupyter_client", "rpyc", "psutil")]
        + ["pytest>=8", "pytest-asyncio", "pytest-timeout"],
    )
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "rpyc_kernel", "-f", "{connection_file}", f"--RpycKernel.address={remote.address}"]
    content = {"argv": argv, "display_name": "RPyC", "language": "python", "interrupt_mode": "message"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    options = [
        "-o",
        "addopts=",
        "-o",
        "filterwarnings=",
        f"--timeout={TEST_TIMEOUT_S}",
        *(f"tests/{name}" for name in FILES),
    ]
    env = {"JUPYTER_PATH": str(folder / "jupyter"), "PYTHONPATH": str(ROOT / "src")}
    return run(python, options, source, folder / "ipykernel.xml", env)


def kernel_test() -> list[Outcome]:
    """Run the suite of jupyter_kernel_test, on both shells, as ``make test`` does."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "kernel_test.xml"
        return run(Path(sys.executable), ["tests/kernel/test_kernel_test.py"], ROOT, report, {})


def unexpected(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes of tests that failed and should have passed."""
    return [each for each in outcomes if each.status == "failed" and not reason(each)]


def reason(outcome: Outcome) -> str:
    """Return why a test is known to fail, "" if it isn't."""
    known = OTHERWISE.get(outcome.name, "")
    return known or ("asks for ipykernel's own version number" if VERSION in outcome.said else "")


def _source_of_ipykernel(folder: Path) -> Path:
    wanted = f"ipykernel=={version('ipykernel')}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "ipykernel"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "-d", folder, wanted],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    archives = list(folder.glob("ipykernel-*.tar.gz"))
    if done.returncode or not archives:
        raise SuiteError(f"the source of {wanted} can't be fetched: {done.stderr.strip()[-300:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return archives[0].with_name(archives[0].name.removesuffix(".tar.gz"))


def run(python: Path, options: list[str], where: Path, report: Path, env: dict[str, str]) -> list[Outcome]:
    """Run pytest and read its report.

    Args:
        python: The Python to run it with.
        options: More arguments for pytest.
        where: The folder to run it in.
        report: The file for its report, in JUnit's format.
        env: Variables to add to the environment.

    Raises:
        SuiteError: There is no report.
    """
    subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *options],
        cwd=where,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
        timeout=SUITE_TIMEOUT_S,
    )
    if not report.exists():
        raise SuiteError(f"pytest in {where} left no report")
    return [outcome(case) for case in ET.parse(report).iter("testcase")]


def outcome(case: ET.Element) -> Outcome:
    """Return the outcome that a report's ``testcase`` tells."""
    module = case.get("classname", "").rpartition(".")[2]
    name = f"{module}.py::{case.get('name')}"
    for status, tags in (("failed", ("failure", "error")), ("skipped", ("skipped",))):
        for tag in tags:
            if (found := case.find(tag)) is not None:
                return Outcome(name, status, (found.get("message") or "").strip().split("\n")[0][:200])
    return Outcome(name, "passed")
