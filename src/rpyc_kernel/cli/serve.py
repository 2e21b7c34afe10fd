"""``rpyc-kernel serve``: lets notebooks on other machines run their cells here. The agent has what does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.serve import options as serve_options
from rpyc_kernel.cli.terminal import RefusalError

if TYPE_CHECKING:
    import argparse


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "serve",
        help="let notebooks on other machines run cells here",
        description=serve_options.DESCRIPTION,
        allow_abbrev=False,
    )
    serve_options.declare(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Serve until a signal ends it. Raises RefusalError."""
    from rpyc_kernel.agent.serve import main  # noqa: PLC0415 - the other commands need none of it

    try:
        main.run(options)
    except main.ServeError as error:
        raise RefusalError(str(error), error.code) from None
