"""What of the agent travels to a machine, and what stays here."""

from __future__ import annotations

import ast
import json

from rpyc_kernel.transport.broker_client import agent_sources, agent_text


def imported(path: str, text: str) -> set[str]:
    """The agent's modules that one of them imports, wherever in it: paths without ``.py``."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.split("/")[: -node.level] + (node.module.split(".") if node.module else [])
            found |= {"/".join(base), *("/".join([*base, alias.name]) for alias in node.names)}
    return found


def test_what_travels_needs_nothing_that_stays() -> None:
    every, travels = agent_sources(), json.loads(agent_text()[1])
    stays = {path.removesuffix(".py") for path in every.keys() - travels.keys()}
    needed = {name for path, text in travels.items() for name in imported(path, text)}
    assert not needed & stays
    assert {"serve/main", "serve/certificate", "serve/proof", "serve/mdns"} <= stays
