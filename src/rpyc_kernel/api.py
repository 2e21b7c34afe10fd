"""The names that scripts and local cells import from ``rpyc_kernel``: ``connect``, ``service`` and ``discover``."""

from __future__ import annotations

from rpyc_kernel.live.services import service
from rpyc_kernel.live.sessions import connect
from rpyc_kernel.transport.discovery.registry import discover

__all__ = ["connect", "discover", "service"]
