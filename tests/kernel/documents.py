"""The command lines of a document, run as they stand there: in a terminal with a home and a Jupyter of its own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import nursery
from tests.kernel.kernels import COMMAND, private_environment, write_kernelspec
from tests.kernel.remotes import Remote, wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "programmatic"
DOCUMENT = ROOT / "docs" / "programmatic.md"
ADDRESSES = ["192.168.43.44", "192.168.43.45"]  # as the documents name the machines
TIMEOUT = 120.0  # seconds
# On a crowded machine a port that Jupyter has found free may be taken when the kernel binds it, and the 3 s of
# docs/programmatic.md may not be enough. Then the line is run again, twice at the most.
CROWDED = ("Address already in use", "Kernel didn't respond in 3 seconds")


def blocks(language: str) -> list[str]:
    """The document's blocks of code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The document's command lines: those of its blocks, and those in its tables that are complete."""
    in_tables = re.findall(r"^\|.*?`((?:jupyter|python) [^`]* -[^`]*)`.*\|$", DOCUMENT.read_text(), re.MULTILINE)
    lines = [*"".join(blocks("shell")).splitlines(), *in_tables]
    return [line for line in lines if line.strip() and "FILE" not in line]


class Terminal:
    """Runs lines of the document. `machines` stand where it says 192.168.43.44 and 192.168.43.45."""

    def __init__(self, folder: Path, *machines: Remote) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        (self.folder / "examples").symlink_to(ROOT / "examples")
        for name in ("notebook.ipynb", "script.py"):
            (self.folder / name).write_bytes((EXAMPLES / name).read_bytes())
        write_kernelspec(folder / "share", COMMAND, {"supported_encryption": ["curve"]})
        self.env = private_environment(folder, JUPYTER_PATH=str(folder / "share"), PYTHONUNBUFFERED="1", TERM="dumb")
        self.env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), self.env.get("PATH", "")])
        self.runtime = Path(self.env["JUPYTER_RUNTIME_DIR"])
        self.machines = machines

    def arguments(self, line: str, **names: str) -> list[str]:
        """A line of the document as its words; a word in capitals is replaced by what stands for it."""
        assert line in commands(), f"docs/programmatic.md doesn't say: {line}"
        for address, machine in zip(ADDRESSES, self.machines, strict=False):
            line = line.replace(address, machine.address)
        return [names.get(word, word) for word in shlex.split(line)]

    def run(self, line: str, **names: str) -> str:
        """Run a line of the document that has to work; returns what it prints."""
        for _ in range(3):
            done = self._done(self.arguments(line, **names))
            if not any(sign in done.stdout for sign in CROWDED):
                break
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _done(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; what Python runs has imported already what such scripts do, as have its kernels."""
        if command[0] == "python":
            return nursery.run(
                command[1:], env=self.env, cwd=self.folder, stderr=subprocess.STDOUT, timeout=TIMEOUT, kernels=2
            )
        return subprocess.run(
            command, cwd=self.folder, env=self.env, timeout=TIMEOUT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    @contextmanager
    def kernel(self, line: str, end: signal.Signals = signal.SIGINT) -> Iterator[Running]:
        """A `jupyter kernel` of the document, that is ended by a signal if it is there still; it exits with 0."""
        running = Running(self, self.arguments(line))
        try:
            yield running
            if running.process.poll() is None:
                running.process.send_signal(end)
            assert running.process.wait(TIMEOUT) == 0, running.log
        finally:
            running.process.kill()
            running.process.wait()


class Running:
    """A `jupyter kernel` that has started its kernel. `file` is the kernel's connection file."""

    def __init__(self, terminal: Terminal, command: list[str]) -> None:
        self._output = terminal.folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=terminal.folder, env=terminal.env, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        assert wait_until(lambda: "--existing" in self.log or self.process.poll() is not None, TIMEOUT), self.log
        found = re.search(r"Connection file: (\S+)", self.log)
        assert found, self.log
        self.file = terminal.folder / found[1]

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(errors="replace")
