"""The request that the running code belongs to, by the names that ipykernel's streams and shell have for it."""

from __future__ import annotations

from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

    from ..wire import Json
    from .frontend import Frontend


class Claims:
    """The common part of a stream, a display publisher and a display hook.

    Attributes:
        frontend: Knows the requests; set on the class when the worker begins.
    """

    frontend: Frontend

    @property
    def parent_header(self) -> Json:
        """The header of the request that the running code belongs to."""
        return dict(self.frontend.parent()["header"])

    def set_parent(self, parent: Any) -> None:
        """Let the running code belong to another request, given as a message or its header."""
        self.set_thread_parent(parent)

    def set_thread_parent(self, parent: Any) -> Token[int]:
        """Let the running thread or task belong to another request; returns what `reset_thread_parent` takes."""
        return self.frontend.claim(parent)

    def reset_thread_parent(self, token: Token[int]) -> None:
        """Let the running thread or task belong to the request that it belonged to before."""
        current.reset(token)
