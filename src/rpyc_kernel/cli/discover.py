"""``rpyc-kernel discover``: lists machines to connect to, and the servers of a service. It never connects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.terminal import RefusalError, say
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.discovery.found import FoundMachine
from rpyc_kernel.transport.discovery.registry import discover
from rpyc_kernel.transport.discovery.sources import Findings, look, table

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Lists machines to connect to: those that RPyC's registries know, those that announce themselves by mDNS, boards that adb
sees, and the hosts of your ssh configuration. With a NAME, the servers of that RPyC service. It never connects."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "discover", help="list machines to connect to", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="the service, in any case, like SLAVE")
    parser.add_argument("--registry", metavar="HOST", help="this RPyC registry, and nobody else, is asked")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it. Raises a RpycKernelError, or RefusalError where nothing is found."""
    found = look() if options.name is None and options.registry is None else _servers(options.name, options.registry)
    if options.json:
        machines = [machine._asdict() for machine in found.machines]
        say(json.dumps({"machines": machines, "troubles": found.troubles}, indent=2, ensure_ascii=False))
    elif found.machines:
        say(table(found))
    else:
        for trouble in found.troubles:
            say(trouble, error=True)
        raise RefusalError("Nothing was found.", 1)


def _servers(name: str | None, registry: str | None) -> Findings:
    """Ask registries alone."""
    servers = discover(registry=registry) if name is None else {name.upper(): discover(name, registry=registry)}
    pairs = [(service, Address("rpyc", *server)) for service, them in servers.items() for server in them]
    return Findings(tuple(FoundMachine("registry", service, str(address)) for service, address in pairs))
