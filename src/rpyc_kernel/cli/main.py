"""``rpyc-kernel``: what can be done from a terminal, without a notebook.

A command exits with 0, with 1 if it failed, and with 2 if it was written wrongly. What went wrong is one sentence on
stderr, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from rpyc_kernel._version import __version__
from rpyc_kernel.cli import (
    cp,
    discover,
    doctor,
    exec_,
    fetch,
    fleet,
    hosts,
    install,
    install_serve,
    pair,
    run,
    serve,
    sessions,
    shell,
    sync,
)
from rpyc_kernel.cli.terminal import Parser, RefusalError, say
from rpyc_kernel.errors import AddressError, MalformedArgumentError, RpycKernelError
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

# In the order of the help; one a line, so that two that come at once are no conflict.
COMMANDS = (
    run,
    fetch,
    exec_,
    cp,
    sync,
    shell,
    discover,
    doctor,
    hosts,
    sessions,
    fleet,
    install,
    serve,
    install_serve,
    pair,
)
MAX_SENTENCE_CHARS = 2000  # some repeat what another machine says
INTERRUPTED_CODE = 130  # 128 + SIGINT, as shells have it


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="rpyc-kernel", description="Jupyter cells that run on another machine's Python.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"rpyc-kernel {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.declare(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        argv: The command line without the program; this process's own where it is None.

    Returns:
        The exit code: that of the command, 0, 1 (it failed), 2 (it is written wrongly, or refused), or 130
        (interrupted).
    """
    try:
        options = _parser().parse_args(argv)
        code = options.run(options)
        sys.stdout.flush()
    except RefusalError as error:
        return _complain(str(error), error.code)
    except (AddressError, MalformedArgumentError) as error:
        return _complain(str(error), 2)
    except RpycKernelError as error:
        return _complain(str(error), 1)
    except BrokenPipeError:  # whoever reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        of = "" if error.filename is None else f"{os.fsdecode(error.filename)} can't be used: "
        return _complain(f"{of}{error.strerror or error}.", 1)
    except KeyboardInterrupt:
        return INTERRUPTED_CODE
    except Exception as error:  # noqa: BLE001 - a bug of ours; a traceback helps nobody who reads it in a terminal
        return _complain(f"Something went wrong that should not have: {type(error).__name__}: {error}", 1)
    return code or 0


def _complain(sentence: str, code: int) -> int:
    say(plain(sentence, MAX_SENTENCE_CHARS), error=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
