"""Ends the sessions of a kernel that was restarted while their machines could not be reached."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AddressError, DialError, LinkError, RpycKernelError, SessionGoneError
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 10.0  # seconds

log = logging.getLogger(__name__)


def end_when_reachable(address: str, session: str, ended: Callable[[str], None]) -> None:
    """Try, on a thread of its own, for as long as the kernel lives; call *ended* with the id when it is done."""
    threading.Thread(target=_try, args=(address, session, ended), name="rpyc-kernel-missed", daemon=True).start()


def _try(address: str, session: str, ended: Callable[[str], None]) -> None:
    for delay in delays():
        time.sleep(delay)
        try:
            with open_broker(Address.parse(address), timeout=TIMEOUT) as broker:
                broker.call("terminate", {"session": session}, timeout=TIMEOUT)
        except SessionGoneError:
            break
        except AddressError:
            return
        except (DialError, LinkError):
            continue
        except RpycKernelError as error:
            log.warning("the session %s on %s could not be ended: %s", session, address, error)
        break
    log.info("the session %s on %s has ended", session, address)
    ended(session)
