"""``%discover``: the servers that RPyC's registry knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery.names import check_name
from rpyc_kernel.transport.discovery.registry import discover as ask_registry

if TYPE_CHECKING:
    from rpyc_kernel.kernel.cell import Cell
    from rpyc_kernel.kernel.kernel import RpycKernel
    from rpyc_kernel.transport.discovery.answers import Server


async def discover(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """List the servers of a service, or of all services."""
    name, registry = arguments["name"], arguments["registry"]
    if name is None:
        found = await kernel.blocking(lambda cancel: ask_registry(registry=registry, cancel=cancel))
    else:
        pairs = await kernel.blocking(lambda cancel: ask_registry(name, registry=registry, cancel=cancel))
        found = {check_name(name): pairs}
    return kernel.said(table(found), cell)


def table(found: dict[str, tuple[Server, ...]]) -> str:
    """Two columns, a line for each server."""
    rows = [(name, str(Address("rpyc", *server))) for name, servers in found.items() for server in servers]
    if not rows:
        return "The registry knows no server now. A server registers if it was started with auto_register=True."
    width = max(len(name) for name, _address in rows)
    return "\n".join(f"{name:<{width}}  {address}" for name, address in rows)


DOINGS = {"discover": discover}
