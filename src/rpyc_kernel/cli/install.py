"""``rpyc-kernel install``: puts the kernel into Jupyter's list, or takes it away."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.terminal import RefusalError, say

if TYPE_CHECKING:
    import argparse

NAME = "rpyc"
DISPLAY_NAME = "Python (RPyC)"


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "install",
        help="put the kernel into Jupyter's list, or take it away",
        description="Put the kernel into Jupyter's list, started by this Python, or take it away.",
        allow_abbrev=False,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you, in every Jupyter you start (the default)")
    where.add_argument("--sys-prefix", action="store_true", help=f"for the environment in {sys.prefix}")
    where.add_argument("--prefix", metavar="DIR", help="under DIR/share/jupyter/kernels")
    parser.add_argument(
        "--name",
        metavar="N",
        default=NAME,
        help=f"the kernel's name: ASCII letters, digits, '-', '.' and '_' ({NAME}); Jupyter makes it lower case",
    )
    parser.add_argument("--display-name", metavar="S", help=f"what the launcher shows ({DISPLAY_NAME})")
    parser.add_argument("--connect", metavar="ADDRESS", help="the machine its notebooks start on, or a saved name")
    parser.add_argument(
        "--env",
        metavar="K=V",
        action="append",
        default=[],
        help="set an environment variable for the kernel; can be given several times",
    )
    parser.add_argument("--remove", action="store_true", help="take the kernel of that name away")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it.

    Raises:
        RefusalError: It can't be done.
        AddressError: The address is none.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # IPython's, of a home that can't be written to
            _run(options)
    except OSError as error:
        sentence = f"{error.filename or 'A file'} can't be used: {error.strerror or error}."
        raise RefusalError(sentence, 1) from None


def _run(options: argparse.Namespace) -> None:
    from jupyter_core.paths import jupyter_path  # noqa: PLC0415 - the other commands need none of Jupyter

    from rpyc_kernel.cli import kernelspec  # noqa: PLC0415

    name = kernelspec.checked_name(options.name)
    folder = kernelspec.kernels_folder(options.prefix, sys_prefix=options.sys_prefix) / name
    if options.remove:
        if options.connect is not None or options.display_name is not None or options.env:
            raise RefusalError("--remove takes only --name and where the kernel is.")
        kernelspec.remove(folder)
        say(f"Removed the kernel {name} from {folder.parent}.")
        return
    spec = kernelspec.kernel_json(options.connect, options.display_name, options.env)
    kernelspec.check_free(folder)
    kernelspec.write(folder, spec)
    say(f'Installed the kernel {name}, shown as "{spec["display_name"]}", in {folder}.')
    if str(folder.parent.parent) not in jupyter_path():
        say(f"Jupyter looks there only with {folder.parent.parent} in JUPYTER_PATH.")
