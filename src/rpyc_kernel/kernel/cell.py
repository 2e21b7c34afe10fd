"""The cell that runs: what its parts have in common, wherever each of them runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NOTHING: dict[str, Any] = {"status": "ok", "payload": [], "user_expressions": {}}
"""The content of the reply of a part that gives none of its own."""


@dataclass
class Cell:
    """One ``execute_request`` on its way.

    :ivar count: its number, of which a session that is taken over has a count of its own
    :ivar shown: the number that the front end shows
    """

    msg_id: str
    count: int
    shown: int
    silent: bool
    store_history: bool
    allow_stdin: bool
    user_expressions: dict[str, str] = field(default_factory=dict)
