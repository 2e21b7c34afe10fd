"""What scripts and local cells import from ``rpyc_kernel``: ``connect`` and ``service``."""

from __future__ import annotations

from rpyc_kernel.live.services import service
from rpyc_kernel.live.sessions import connect

__all__ = ["connect", "service"]
