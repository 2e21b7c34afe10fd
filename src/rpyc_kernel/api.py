"""The names that scripts and local cells import from ``rpyc_kernel``."""

from __future__ import annotations

from rpyc_kernel.live.classic import connect_classic
from rpyc_kernel.live.pool import pool
from rpyc_kernel.live.services import service
from rpyc_kernel.live.sessions import connect
from rpyc_kernel.transport.discovery.registry import discover

__all__ = ["connect", "connect_classic", "discover", "pool", "service"]
