"""Ends sessions later that should have ended while their machines could not be reached."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AddressError, DialError, LinkError, RpycKernelError, SessionGoneError
from rpyc_kernel.link import listing
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 10.0
BEGIN_TIMEOUT_S = 30.0  # in which a session that was given up while it began is there to be ended

_pending: list[threading.Thread] = []

log = logging.getLogger(__name__)


def end_when_reachable(address: str, session: str, ended: Callable[[str], None]) -> None:
    """Try to end a session, on a thread of its own, for as long as the kernel lives.

    Args:
        address: The session's machine.
        session: Its id.
        ended: Called with the id once the session has ended.
    """
    thread = threading.Thread(target=_try, args=(address, session, ended), name="rpyc-kernel-missed", daemon=True)
    _pending.append(thread)
    thread.start()


def wait(timeout: float) -> None:
    """Wait until all of them have ended, *timeout* seconds at most: the kernel ends."""
    deadline = time.monotonic() + timeout
    while _pending:
        thread = _pending.pop()
        thread.join(max(0.0, deadline - time.monotonic()))


def _try(address: str, session: str, ended: Callable[[str], None]) -> None:
    begun_by = time.monotonic() + BEGIN_TIMEOUT_S
    for delay in delays():
        time.sleep(delay)
        try:
            listing.terminate(Address.parse(address), session, TIMEOUT_S)
        except SessionGoneError:
            if time.monotonic() < begun_by:
                continue
        except AddressError:
            return
        except (DialError, LinkError):
            continue
        except RpycKernelError as error:
            log.warning("the session %s on %s could not be ended: %s", session, address, error)
        break
    log.info("the session %s on %s has ended", session, address)
    ended(session)
