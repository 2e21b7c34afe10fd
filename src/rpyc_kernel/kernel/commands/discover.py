"""``%discover``: the servers that RPyC's registry knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.kernel.outcomes import Discovered
from rpyc_kernel.transport.discovery.names import check_name
from rpyc_kernel.transport.discovery.registry import discover as ask_registry

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "discover",
    "Lists the servers that an RPyC registry knows: those of one service, or of all where it tells.",
    Positional("name", "the service, in any case, like SLAVE; without it, all of them", required=False),
    Option("registry", Kind.TEXT, "the registry to ask; without it, this network and this machine", "HOST"),
    examples=("%discover SLAVE", "%discover --registry pi"),
)
async def discover(context: CommandContext, name: str | None, *, registry: str | None) -> Discovered:
    """List the servers of a service, or of all services."""
    if name is None:
        return Discovered(await context.blocking(lambda cancel: ask_registry(registry=registry, cancel=cancel)))
    found = await context.blocking(lambda cancel: ask_registry(name, registry=registry, cancel=cancel))
    return Discovered({check_name(name): found})
