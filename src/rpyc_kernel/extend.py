"""The parts of a kernel of one's own: docs/extend.md shows how.

These names are meant to be used, and a change to them is told in the changelog. Everything else in `rpyc_kernel.kernel`
may change any time.
"""

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.app import RpycKernel, main
from rpyc_kernel.kernel.commands.context import CommandContext
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

__all__ = ["CommandContext", "CommandError", "Kind", "Option", "Positional", "RpycKernel", "command", "main"]
