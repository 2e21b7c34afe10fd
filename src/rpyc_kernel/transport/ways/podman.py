"""``podman://user@container``: as ``docker://``, by ``podman exec``."""

from __future__ import annotations

from rpyc_kernel.transport.ways.docker import Container

TRANSPORT = Container("podman")
