"""Programs that cells start through IPython (``!command``, ``x = !command``, ``%%bash``): an interrupt ends both.

IPython's own functions catch the interrupt, so that a loop over commands goes on, and they give programs a terminal to
read from, at which nobody types.
"""

from __future__ import annotations

import os
from functools import partial, wraps
from typing import Any, Callable, Dict, List, Tuple

from IPython.core import interactiveshell
from IPython.utils.process import arg_split

from ...import_hooks import when_imported


def install() -> None:
    """Let the shell that is made next run programs our way."""
    interactiveshell.system = _system
    interactiveshell.getoutput = _getoutput
    interactiveshell.get_output_error_code = _get_output_error_code  # from IPython 9 on
    when_imported("IPython.core.magics.script", _run_scripts_our_way)


def _process() -> Any:
    from ..plain import process  # late: most sessions start no program

    return process


def _system(command: str) -> int:
    """Run a command, whose output appears at once; returns its exit status, negative for a signal."""
    process = _process()
    status: int = process.run(command, [process.to_stdout], terminal=True)
    return 128 - status if status > 128 else status  # so a shell tells of the signal that ended its child


def _getoutput(command: str) -> str:
    """Run a command; returns its output, stdout and stderr together."""
    parts: List[str] = []
    _process().run(_in_users_shell(command), [parts.append])
    return "".join(parts)


def _get_output_error_code(command: str) -> Tuple[str, str, int]:
    """Run a command; returns its stdout, its stderr and its exit status."""
    out: List[str] = []
    err: List[str] = []
    status = _process().run(_in_users_shell(command), [out.append, err.append])
    return "".join(out), "".join(err), status


def _in_users_shell(command: Any) -> Any:
    """As IPython: ``x = !command`` is read by the shell that SHELL names, ``!command`` by sh."""
    shell = os.environ.get("SHELL")
    return [shell, "-c", command] if shell and os.name == "posix" and isinstance(command, str) else command


def _run_scripts_our_way(script: Any) -> None:
    """Let ``%%script`` and what is made of it (``%%bash``, ``%%sh`` …) run programs our way.

    Args:
        script: The module ``IPython.core.magics.script``, which IPython 9 imports with the first such cell.
    """
    theirs = script.ScriptMagics.shebang

    @wraps(theirs)
    def shebang(self: Any, line: str, cell: str) -> None:
        options, command = theirs.parser.parse_known_args(arg_split(line, posix=os.name == "posix"))
        if options.bg or not command:
            theirs(self, line, cell)
            return
        from subprocess import CalledProcessError

        process, variables = _process(), self.shell.user_ns
        sinks: List[Callable[[str], None]] = []
        for name, shown in ((options.out, process.to_stdout), (options.err, process.to_stderr)):
            if name:
                variables[name] = ""
            sinks.append(partial(_keep, variables, name) if name else shown)
        try:
            status = process.run(command, sinks, text=cell if cell.endswith("\n") else cell + "\n")
        except FileNotFoundError:
            print("Couldn't find program: %r" % command[0])
            return
        if options.raise_error and status != 0:
            raise CalledProcessError(status, cell.encode("utf-8", "replace"))

    script.ScriptMagics.shebang = shebang


def _keep(variables: Dict[str, Any], name: str, text: str) -> None:
    variables[name] += text
