"""``%pip %ls %cat %mkdir %man %sx %%bash %%sh %%cmd %%script``."""

from __future__ import annotations

import os
import re
import sys

from ..process import getoutput, run, system, to_stderr, to_stdout
from .options import words
from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..shell import PlainShell


def pip(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%pip …``: pip of the Python that runs the cells."""
    if not re.search("python|pypy", os.path.basename(sys.executable or ""), re.IGNORECASE):
        raise MagicUsageError(
            "%%pip: this Python runs inside another program (%s), which cannot run pip." % (sys.executable or "unnamed")
        )
    system(_quote(sys.executable) + " -m pip " + line)
    import importlib

    importlib.invalidate_caches()  # what was installed just now is found without a restart
    if re.match(r"\s*(install|uninstall)\b", line):
        print("Note: you may need to restart the kernel to use updated packages.")


def ls(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%ls``: list a folder."""
    system(("dir " if os.name == "nt" else "ls -F ") + line)


def cat(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%cat FILE``: show a file."""
    system(("type " if os.name == "nt" else "cat ") + line)


def mkdir(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%mkdir FOLDER``: make a folder."""
    system("mkdir " + line)


def man(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%man COMMAND``: its page of the manual."""
    system("man %s | col -b" % line)


def sx(_shell: PlainShell, line: str, _local: Any) -> Any:
    """``%sx COMMAND``: the lines that it writes, as ``!!``."""
    return getoutput(line)[0]


def sx_cell(_shell: PlainShell, line: str, cell: str, _local: Any) -> Any:
    """``%%sx``: the lines that the cell's commands write."""
    return getoutput(line + "\n" + cell)[0]


def script_bash(shell: PlainShell, line: str, cell: str, _local: Any) -> None:
    """``%%bash``: run the cell in bash. ``--out NAME`` and ``--err NAME`` keep what it writes.

    ``--bg`` goes on with the next cell at once; ``--proc NAME`` keeps the process then, and what it writes is read by
    ``await NAME.read()`` of the names after ``--out`` and ``--err``.
    """
    _script(shell, "bash", ["bash"], line, cell)


def script_sh(shell: PlainShell, line: str, cell: str, _local: Any) -> None:
    """``%%sh``: run the cell in the POSIX shell."""
    _script(shell, "sh", ["sh"], line, cell)


def script_cmd(shell: PlainShell, line: str, cell: str, _local: Any) -> None:
    """``%%cmd``: run the cell in Windows' own shell, which shows what it does and no prompts."""
    _script(shell, "cmd", ["cmd", "/q", "/k", "rem"], line, cell if cell.endswith("\n") else cell + "\n")


def script(shell: PlainShell, line: str, cell: str, _local: Any) -> None:
    """``%%script PROGRAM …``: run the cell in any program that reads it from stdin."""
    _script(shell, "script", [], line, cell)


def _script(shell: PlainShell, magic: str, program: List[str], line: str, cell: str) -> None:
    keep: Dict[str, str] = {}
    raises, background = True, False
    rest = words("%" + magic, line)
    while rest and rest[0].startswith("--"):
        option, _, value = rest.pop(0).partition("=")
        if option in ("--out", "--err", "--proc") and (value or rest):
            keep[option] = value or rest.pop(0)
        elif option in ("--no-raise-error", "--raise-error"):
            raises = option == "--raise-error"
        elif option == "--bg":
            background = True
        else:
            known = "--out NAME, --err NAME, --bg, --proc NAME, --no-raise-error"
            raise MagicUsageError("%%%%%s has no option %s; it knows %s." % (magic, option, known))
    command = program + rest
    if not command:
        raise MagicUsageError("%%script needs a program: %%script PROGRAM.")
    try:
        if background:
            from .background import Background

            process = Background(command, cell, "--out" in keep, "--err" in keep)
            found = {"--proc": process, "--out": process.stdout, "--err": process.stderr}
            shell.namespace.update({name: found[option] for option, name in keep.items()})
        else:
            _run_script(shell, command, cell, keep, raises)
    except FileNotFoundError:
        raise MagicUsageError("%%%%%s: there is no program %s on this machine." % (magic, command[0])) from None


def _run_script(shell: PlainShell, command: List[str], cell: str, keep: Dict[str, str], raises: bool) -> None:
    texts: Dict[str, List[str]] = {"--out": [], "--err": []}
    sinks = [
        texts["--out"].append if "--out" in keep else to_stdout,
        texts["--err"].append if "--err" in keep else to_stderr,
    ]
    status = run(command, sinks, cell)
    for option, name in keep.items():
        shell.namespace[name] = "".join(texts.get(option, ()))
    shell.namespace["_exit_code"] = status
    if status and raises:
        import subprocess

        raise subprocess.CalledProcessError(status, command)


def _quote(text: str) -> str:
    if os.name == "nt":
        return '"%s"' % text
    import shlex

    return shlex.quote(text)
