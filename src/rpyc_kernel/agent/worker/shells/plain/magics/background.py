"""Programs that go on while other cells run: ``%%bash --bg``.

`asyncio.subprocess` has this interface too, but needs a running event loop, which a session without asyncio hasn't.
"""

from __future__ import annotations

import subprocess
import tempfile

from ..process import own_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional


class Background:
    """A program, with the interface of `asyncio.subprocess.Process`, which IPython gives.

    Args:
        command: The program and its arguments.
        text: Its stdin.
        keeps_stdout: Whether its stdout is kept, to be read from `stdout`; else nobody gets it.
        keeps_stderr: The same of its stderr.
    """

    def __init__(self, command: List[str], text: str, keeps_stdout: bool, keeps_stderr: bool) -> None:
        pipes = [subprocess.PIPE if keeps else subprocess.DEVNULL for keeps in (keeps_stdout, keeps_stderr)]
        with tempfile.TemporaryFile() as script:  # a pipe would have to be written to while the next cell runs
            script.write(text.encode("utf-8"))
            script.seek(0)
            self._child = subprocess.Popen(command, stdin=script, stdout=pipes[0], stderr=pipes[1], **own_group())
        self.stdout = Output(self._child.stdout) if keeps_stdout else None
        self.stderr = Output(self._child.stderr) if keeps_stderr else None

    def __repr__(self) -> str:
        return "<Background program %d, returncode %s>" % (self._child.pid, self.returncode)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._child, name)

    @property
    def returncode(self) -> Optional[int]:
        """Its exit status, negative for a signal; None while it runs."""
        return self._child.poll()

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._child.wait()


class Output:
    """The output of a program, with the interface of `asyncio.StreamReader`."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    async def read(self, n: int = -1) -> bytes:
        """All that comes until its end, or up to n bytes."""
        return bytes(self._pipe.read(n))

    async def readline(self) -> bytes:
        """The next line."""
        return bytes(self._pipe.readline())
