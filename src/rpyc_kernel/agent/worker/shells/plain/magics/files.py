"""``%cd %pwd %env %set_env %less %more %%writefile``."""

from __future__ import annotations

import os

from .options import split_options
from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from ..shell import PlainShell

_previous: Dict[str, str] = {}
MAX_TEXT_CHARS = 1 << 22  #: characters that a pager is given
_SECRET = ("key", "token", "secret", "password", "passwd")


def pwd(_shell: PlainShell, _line: str, _local: Any) -> str:
    """``%pwd``: the folder in which cells run."""
    return os.getcwd()


def cd(shell: PlainShell, line: str, _local: Any) -> None:
    """``%cd [-q] FOLDER``: change it; without a name to the home folder, with ``-`` to where it was before."""
    options, folder = ({}, line.strip()) if line.strip() == "-" else split_options("cd", line, "q")
    folder = _unquoted(folder)
    if folder == "-":
        if "cd" not in _previous:
            raise MagicUsageError("%cd -: there is no previous folder yet.")
        folder = _previous["cd"]
    try:
        before: Optional[str] = os.getcwd()
    except OSError:
        before = None  # it was removed
    try:
        os.chdir(os.path.expanduser(folder or "~"))
    except OSError as error:
        raise MagicUsageError("%%cd: %s: %s" % (folder or "~", error.strerror or error)) from None
    if before is not None:
        _previous["cd"] = before
    shell.namespace.setdefault("_dh", []).append(os.getcwd())
    if "q" not in options:
        print(os.getcwd())


def less(shell: PlainShell, line: str, _local: Any) -> None:
    """``%less FILE``, ``%more FILE``: show a text file in the front end's pager."""
    name = line.strip().strip("'\"")
    try:
        with open(os.path.expanduser(name), encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_TEXT_CHARS)
    except OSError as error:
        raise MagicUsageError("%%less: %s: %s (in %s)" % (name, error.strerror or error, os.getcwd())) from None
    shell.payload.append({"source": "page", "data": {"text/plain": text}, "start": 0})


def env(_shell: PlainShell, line: str, _local: Any) -> Any:
    """``%env``: all variables; ``%env NAME``: one; ``%env NAME=VALUE`` or ``%env NAME VALUE``: set it."""
    line = line.strip()
    if not line:
        return {name: "<hidden>" if _is_secret(name) else value for name, value in os.environ.items()}
    name, value = _split(line)
    if value is None:
        if name not in os.environ:
            raise MagicUsageError("%%env: there is no variable %s." % name)
        return os.environ[name]
    _set(name, value)
    return None


def set_env(_shell: PlainShell, line: str, _local: Any) -> None:
    """``%set_env NAME VALUE``: set a variable."""
    name, value = _split(line.strip())
    if not name or value is None:
        raise MagicUsageError("%set_env needs a name and a value: %set_env NAME VALUE.")
    _set(name, value)


def writefile(_shell: PlainShell, line: str, cell: str, _local: Any) -> None:
    """``%%writefile [-a] FILE``: write the cell to a file on this machine; ``-a`` appends."""
    options, name = split_options("writefile", line, "a")
    name = _unquoted(name)
    if not name:
        raise MagicUsageError("%%writefile needs the name of a file.")
    path = os.path.expanduser(name)
    append = "a" in options
    verb = "Appending to" if append else "Overwriting" if os.path.exists(path) else "Writing"
    text = cell if not cell or cell.endswith("\n") else cell + "\n"
    with open(path, "a" if append else "w", encoding="utf-8") as file:
        file.write(text)
    print(verb, name)


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"" else name


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET)


def _split(line: str) -> Any:
    """``NAME=VALUE`` or ``NAME VALUE``."""
    for at, char in enumerate(line):
        if char == "=":
            return line[:at].strip(), line[at + 1 :].strip()
        if char.isspace():
            rest = line[at:].lstrip()
            return line[:at], rest[1:].lstrip() if rest.startswith("=") else rest
    return line, None


def _set(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name + value:
        raise MagicUsageError("%%env: %r cannot be the name of a variable." % name)
    os.environ[name] = value
    print("env: %s=%s" % (name, "<hidden>" if _is_secret(name) else value))
