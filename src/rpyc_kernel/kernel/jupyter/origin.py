"""Who asked for a cell: what ``kernel.get_parent`` and ``_parent_ident`` are to give to its code.

It goes along with each ``execute_request``, as that of the last request on the control channel, which never goes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipykernel.kernelbase import Kernel

FIELDS = ("msg_id", "msg_type", "session", "username", "date", "version")
LONGEST = 200  # characters of a field


def origin(kernel: Kernel) -> dict[str, Any]:
    """For each channel the header of its request, with texts only, and the ZeroMQ identities of who sent it."""
    return {channel: _of(kernel.get_parent(channel), kernel._parent_ident[channel]) for channel in ("shell", "control")}


def _of(message: Mapping[str, Any], identities: Any) -> dict[str, Any]:
    header = message.get("header") or {}
    fields = {name: str(header[name])[:LONGEST] for name in FIELDS if name in header}
    parts = identities if isinstance(identities, list) else []
    return {"header": fields, "identities": [bytes(part).decode("latin-1")[:LONGEST] for part in parts]}
