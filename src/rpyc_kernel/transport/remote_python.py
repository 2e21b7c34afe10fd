"""The text by which a machine's shell finds a Python, and that Python becomes a gateway (``agent/serve/gateway.py``).

A program that leads to a machine is given the short command `COMMAND` to run there, and everything else by its stdin:
what login shells make of quotes differs, argv can be read by every user, and a text in argv has a small bound. The
first line is a script for ``sh``, which looks for a Python and has it evaluate what follows. An error of the script is
a number that no other program is likely to end with.
"""

from __future__ import annotations

import re
import shlex
import zlib
from typing import TYPE_CHECKING

from rpyc_kernel.errors import DialError, NoPythonError
from rpyc_kernel.transport import broker_client
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address

SHELL = 'IFS= read -r s; eval "$s"'
COMMAND = f"/bin/sh -c '{SHELL}'"  # means the same to sh, bash, zsh, fish, csh and tcsh
TOO_OLD, NO_PYTHON, NO_SUCH_PYTHON = 86, 87, 88  # exit codes
OLDEST = "3.7"
MAX_TRIED_CHARS = 200
MAX_TRIED = 5  # Pythons that a sentence names
NAMES = ("python3", "python", *(f"python3.{minor}" for minor in range(15, 6, -1)))
PLACES: tuple[str, ...] = (
    "/usr/local/bin/python3",
    "/opt/homebrew/bin/python3",
    "/opt/conda/bin/python",
    "$HOME/.local/bin/python3",
)
PLACES += tuple(f"$HOME/{name}/bin/python" for name in ("miniforge3", "miniconda3", "anaconda3"))
PLACES += ("$HOME/.pyenv/shims/python3",)
_ENVIRONMENTS = ("$HOME", "$HOME/.virtualenvs", "$HOME/.venvs", "${PYENV_ROOT:-$HOME/.pyenv}/versions")
_CONDAS: tuple[str, ...] = ("$HOME/.conda", "$HOME/micromamba", "$HOME/.local/share/mamba")
_CONDAS += tuple(
    f"{base}/{name}"
    for base in ("$HOME", "/opt")
    for name in ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "conda")
)

# Python 2 understands this too. The folder that Python was started in doesn't count: a file json.py there must not be
# taken for Python's own.
_PYTHON = (
    f"import sys; sys.version_info < (3, 7) and sys.exit({TOO_OLD}); sys.path[:] = filter(None, sys.path); "
    'import os, zlib; f = os.fdopen(os.dup(0), "rb"); exec(zlib.decompress(f.read(int(f.readline()))))'
)
# Of a Python that is too old, or that is only the shadow of one (as pyenv's shims), the next one is tried.
_TRY = (
    f'try() {{ command -v "$1" >/dev/null 2>&1 || return 0; "$1" -u -c \'{_PYTHON}\'; r=$?; '
    f'case $r in {TOO_OLD}|126|127) echo "tried $1: $("$1" -V 2>&1 </dev/null)" >&2;; *) exit $r;; esac; }}; '
)


def script(python: str = "") -> str:
    """Return the script, of one line, that runs *python*, or else whichever Python is found.

    Args:
        python: A path of a Python or of the folder of an environment, both with ``~`` where wanted, or the name of a
            venv in the home folder, a conda environment, a version of pyenv, or a program like ``python3.11``.
    """
    if not python:
        return f'{_TRY}for p in {_quoted(NAMES + PLACES)}; do try "$p"; done; exit {NO_PYTHON}'
    wanted = f"w={shlex.quote(python)}; "
    if "/" in python or python.startswith("~"):
        find = 'case $w in "~"|"~/"*) w=$HOME${w#"~"};; esac; set -- "$w/bin/python" "$w/bin/python3" "$w"; '
    else:
        folders = [f"{folder}/$w" for folder in _ENVIRONMENTS] + [f"{conda}/envs/$w" for conda in _CONDAS]
        find = f"set -- {_quoted([f'{folder}/bin/python' for folder in folders])}; "
        find += 'e=$(grep "/$w$" "$HOME/.conda/environments.txt" 2>/dev/null | head -n 1); '
        find += 'set -- "$@" "${e:+$e/bin/python}"; '
        find += 'case $w in python*|pypy*) set -- "$@" "$(command -v "$w")";; esac; '
    run = f'for p in "$@"; do [ -f "$p" ] && [ -x "$p" ] && try "$p" && exit {TOO_OLD}; done; exit {NO_SUCH_PYTHON}'
    return _TRY + wanted + find + run


def _quoted(names: tuple[str, ...] | list[str]) -> str:
    return " ".join(f'"{name}"' for name in names)


def opening_words(mark: str, python: str = "") -> bytes:
    """Return what a gateway's program is told first: the script, and what the Python that it finds evaluates.

    Args:
        mark: Random letters; the gateway answers with their hash, see ``agent/boot.py``.
        python: As for `script`.
    """
    digest, _text = broker_client.agent_text()
    source = (broker_client.AGENT / "boot.py").read_bytes() + b"\nstart_gateway(f)\n"
    packed = zlib.compress(source)
    return b"%s\n%d\n%s%s %s\n" % (script(python).encode(), len(packed), packed, mark.encode(), digest.encode())


def agent_words() -> bytes:
    """Return what a gateway is told that asks for the agent."""
    archive = broker_client.agent_archive()[1]
    return b"%d\n%s" % (len(archive), archive)


def explain(address: Address, code: int | None, errors: str) -> DialError | None:
    """Return the error for a script that has found no Python to run; None for any other exit code.

    Args:
        address: Where that was.
        code: The exit code of `script`.
        errors: What has come on stderr.
    """
    if code not in (TOO_OLD, NO_PYTHON, NO_SUCH_PYTHON):
        return None
    tried = [plain(each, MAX_TRIED_CHARS) for each in re.findall(r"^tried (.*)$", errors, re.MULTILINE)]
    return NoPythonError(address, address.python, tried[:MAX_TRIED], OLDEST)
