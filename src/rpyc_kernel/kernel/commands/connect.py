"""``%connect``, ``%disconnect`` and ``%hosts``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpyc_kernel.kernel.cell import Cell
    from rpyc_kernel.kernel.kernel import RpycKernel


async def connect(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """Run what follows on that machine."""
    config = kernel.session_config()
    for name in ("cwd", "python", "keep", "env", "name"):
        if arguments.get(name) not in (None, "", {}):
            config[name] = arguments[name]
    config["kept"] = config["kept"] or arguments["keep"] is not None
    where, new, registry = arguments["address"], arguments["new"], arguments["registry"]
    line = await kernel.whereabouts.connect(where, config, new=new, registry=registry)
    machine = kernel.machines.current
    dangers = kernel.machines.dangers(machine) if machine and arguments["keep"] else []
    return kernel.said("\n".join([line, *dangers]), cell)


async def disconnect(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """Leave the machine."""
    line = await kernel.blocking(lambda _cancel: kernel.machines.disconnect(end=arguments["end"]))
    kernel.memory.name("", {})
    return kernel.said(line, cell)


async def hosts(kernel: RpycKernel, _arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """List the machines of this notebook."""
    return kernel.said(kernel.machines.hosts(), cell)


DOINGS = {"connect": connect, "disconnect": disconnect, "hosts": hosts}
