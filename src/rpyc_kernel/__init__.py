"""A Jupyter kernel whose cells run on another machine's Python, reached through RPyC."""

from __future__ import annotations

from rpyc_kernel._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rpyc_kernel.api import connect, connect_classic, discover, pool, service

__all__ = ["__version__", "connect", "connect_classic", "discover", "pool", "service"]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell the Jupyter server where its extensions are."""
    return [{"module": "rpyc_kernel.jupyter_server.extension"}, {"module": "rpyc_kernel.contents.extension"}]


def __getattr__(name: str) -> Any:
    """Load a name of `api` when it is used: that imports rpyc, which the kernel does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rpyc_kernel import api  # noqa: PLC0415

    return getattr(api, name)
