"""Live connections with a shortcut."""

from __future__ import annotations

from rpyc_kernel.live.remote import Remote
from tests.kernel.remotes import wait_until


def is_short(live: Remote) -> bool:
    """Whether its next frames go by a shortcut."""
    return live._channel._frames.has_shortcut


def messages_of(live: Remote) -> int:
    """How many messages were sent to the session so far."""
    return live._channel._link._protocol.state._next


def shorten(live: Remote) -> None:
    """Use it until it has a shortcut."""

    def use() -> bool:
        live.ping()
        return is_short(live)

    assert wait_until(use)
    live.ping()  # from now on the other end knows that it is used
