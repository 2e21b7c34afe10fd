"""``%discover``: the machines that somebody here knows, and the servers of a service."""

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
    "Lists machines to connect to, by RPyC's registries, mDNS, adb and your ssh configuration; with a name, the "
    "servers of that service.",
    Positional("name", "the service, in any case, like SLAVE; without it, all that can be found", required=False),
    Option("registry", Kind.TEXT, "this RPyC registry, and nobody else, is asked", "HOST"),
    examples=("%discover", "%discover SLAVE", "%discover --registry pi"),
)
async def discover(context: CommandContext, name: str | None, *, registry: str | None) -> Discovered | str:
    """List the machines that can be found, or the servers of a service or of a registry."""
    if name is None and registry is None:
        from rpyc_kernel.transport.discovery import sources  # noqa: PLC0415 - few notebooks need it

        return sources.table(await context.blocking(lambda cancel: sources.look(cancel=cancel)))
    if name is None:
        return Discovered(await context.blocking(lambda cancel: ask_registry(registry=registry, cancel=cancel)))
    found = await context.blocking(lambda cancel: ask_registry(name, registry=registry, cancel=cancel))
    return Discovered({check_name(name): found})
