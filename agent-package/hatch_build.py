"""Puts the agent's modules into the distribution, but for keeper and worker: those each kernel brings itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "rpyc_kernel_agent"


class CustomBuildHook(BuildHookInterface):
    """Takes them from the repository, or in a source distribution from where that has them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say where each file comes from, and where it goes."""
        root = Path(self.root)
        agent, license_file = root.parent / "src/rpyc_kernel/agent", root.parent / "LICENSE"
        if not agent.is_dir():
            agent, license_file = root / PACKAGE, root / PACKAGE / "LICENSE"
        for path in sorted([*agent.glob("*.py"), *agent.glob("serve/*.py")]):
            build_data["force_include"][str(path)] = f"{PACKAGE}/{path.relative_to(agent).as_posix()}"
        build_data["force_include"][str(license_file)] = f"{PACKAGE}/LICENSE"
