"""How a session of this notebook begins: what is asked of the other machine with it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.hosts.person import person
from rpyc_kernel.kernel.sessions import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_KEEP_S = 24 * 3600.0


def session_config(
    *,
    keep: float = DEFAULT_KEEP_S,
    kept: bool = False,
    shell: str = "auto",
    profile: str = "default",
    environment: Mapping[str, str] | None = None,
    cwd: str = "",
    python: str = "",
) -> dict[str, Any]:
    """Return what begins a session.

    Args:
        keep: Seconds that the session stays when it is idle and without a kernel.
        kept: Whether the user has said so.
        shell: ``auto``, ``plain`` or ``ipython``.
        profile: IPython's profile there.
        environment: Variables for the Python there.
        cwd: The folder in which cells start, "" for the server's.
        python: The Python there, "" for the server's.
    """
    config: dict[str, Any] = {"keep": keep, "kept": kept, "shell": shell, "profile": profile, "agent": __version__}
    config["env"] = {str(name): str(value) for name, value in (environment or {}).items()}
    config["name"], config["from"], config["person"] = identity.notebook(), socket.gethostname(), person()
    config.update({name: value for name, value in (("cwd", cwd), ("python", python)) if value})
    return config
