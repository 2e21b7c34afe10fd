"""``python -m rpyc_kernel.install``: the same as ``rpyc-kernel install``, where that isn't on the PATH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rpyc_kernel.cli import main as cli

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Returns:
        The exit code: 0, 1 (it failed) or 2 (it is written wrongly, or refused).
    """
    return cli.main(["install", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
