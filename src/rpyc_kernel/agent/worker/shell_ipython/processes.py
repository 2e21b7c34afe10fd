"""Programs that cells start through IPython (``!command``, ``x = !command``, ``%%bash``): an interrupt ends both.

IPython's own functions catch the interrupt, so that a loop over commands goes on, and they give programs a terminal to
read from, at which nobody types.
"""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import Any, Callable, List, Tuple

from IPython.core import interactiveshell
from IPython.core.magics.script import ScriptMagics
from IPython.utils.process import arg_split

from ..shell_plain.process import run, to_stderr, to_stdout


def install(shell: Any) -> None:
    """Let that shell run programs our way."""
    interactiveshell.system = _system
    interactiveshell.getoutput = _getoutput
    interactiveshell.get_output_error_code = _get_output_error_code  # from IPython 9 on
    shell.register_magics(Scripts)


def _system(command: str) -> int:
    """Run a command; its exit status, negative for a signal. What it writes appears at once."""
    status = run(command, [to_stdout], terminal=True)
    return 128 - status if status > 128 else status  # so a shell tells of the signal that ended its child


def _getoutput(command: str) -> str:
    """What a command writes to stdout and stderr."""
    parts: List[str] = []
    run(_in_users_shell(command), [parts.append])
    return "".join(parts)


def _get_output_error_code(command: str) -> Tuple[str, str, int]:
    """What a command writes to stdout, and to stderr, and its exit status."""
    out: List[str] = []
    err: List[str] = []
    status = run(_in_users_shell(command), [out.append, err.append])
    return "".join(out), "".join(err), status


def _in_users_shell(command: Any) -> Any:
    """As IPython: ``x = !command`` is read by the shell that SHELL names, ``!command`` by sh."""
    shell = os.environ.get("SHELL")
    return [shell, "-c", command] if shell and os.name == "posix" and isinstance(command, str) else command


class Scripts(ScriptMagics):  # type: ignore[misc]
    """``%%script`` and what is made of it (``%%bash``, ``%%sh`` …)."""

    def shebang(self, line: str, cell: str) -> None:
        """Run a cell by a program that reads it from its stdin."""
        options, command = ScriptMagics.shebang.parser.parse_known_args(arg_split(line, posix=os.name == "posix"))
        if options.bg or not command:
            super().shebang(line, cell)
            return
        sinks: List[Callable[[str], None]] = []
        for name, shown in ((options.out, to_stdout), (options.err, to_stderr)):
            if name:
                self.shell.user_ns[name] = ""
            sinks.append(partial(self._keep, name) if name else shown)
        try:
            status = run(command, sinks, text=cell if cell.endswith("\n") else cell + "\n")
        except FileNotFoundError:
            print("Couldn't find program: %r" % command[0])
            return
        if options.raise_error and status != 0:
            raise subprocess.CalledProcessError(status, cell.encode("utf-8", "replace"))

    shebang.parser = ScriptMagics.shebang.parser  # type: ignore[attr-defined] # IPython's own asks it of this name

    def _keep(self, name: str, text: str) -> None:
        self.shell.user_ns[name] += text
