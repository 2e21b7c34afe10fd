"""Describes who asked for a cell, so that ``kernel.get_parent`` and ``_parent_ident`` can tell it on the other machine.

The description goes along with each ``execute_request``. It names the last request of the control channel too, since
requests of that channel stay here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpyc_kernel.kernel.jupyter.base_kernel import BaseKernel

FIELDS = ("msg_id", "msg_type", "session", "username", "date", "version")
MAX_FIELD_LENGTH = 200  # characters


def origin(kernel: BaseKernel) -> dict[str, Any]:
    """Return for each channel the header of its request, with texts only, and the ZeroMQ identities of its client."""
    return {channel: _of(kernel.get_parent(channel), kernel._parent_ident[channel]) for channel in ("shell", "control")}


def _of(message: Mapping[str, Any], identities: Any) -> dict[str, Any]:
    header = message.get("header") or {}
    fields = {name: str(header[name])[:MAX_FIELD_LENGTH] for name in FIELDS if name in header}
    parts = identities if isinstance(identities, list) else []
    return {"header": fields, "identities": [bytes(part).decode("latin-1")[:MAX_FIELD_LENGTH] for part in parts]}
