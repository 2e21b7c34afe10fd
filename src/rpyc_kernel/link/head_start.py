"""Begins a session on the machine that is known when the kernel's process begins, while ipykernel is still imported.

A thread dials, and has the session begin that the kernel would begin with its first cell. The link that comes later
asks for that session by its id, gets it at once, and goes on with the same connection where that is fresh. Whatever
fails here is left to the first cell, which tries again and says why.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.broker_client import BrokerClient, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.transport.address import Address

DIAL_TIMEOUT_S = 10.0
SPAWN_TIMEOUT_S = 30.0
FRESH_S = 5.0  # so long nobody cuts a connection that is silent
END_TIMEOUT_S = 2.0


class HeadStart:
    """One session that has a head start, and the connection by which it was begun."""

    def __init__(self, find: Callable[[], tuple[Address, dict[str, Any] | None]]) -> None:
        """Begin.

        Args:
            find: Called on the thread; returns the machine, and how the session begins there (None: dial only). It may
                raise a RpycKernelError.
        """
        self._session = uuid.uuid4().hex
        self._find = find
        self._where: tuple[Address, dict[str, Any] | None] | None = None
        self._changed = threading.Lock()  # guards the three below
        self._wanted = True  # nobody has taken another session yet
        self._begun = False  # the session begins or has begun, and nobody has taken it
        self._broker: BrokerClient | None = None
        self._dialled_at = 0.0
        self._cancel = threading.Event()  # the dialling, or the keeping of a connection that nobody takes
        self._over = threading.Event()  # the thread asks for nothing more
        threading.Thread(target=self._go, name="rpyc-kernel-head-start", daemon=True).start()

    def _go(self) -> None:
        broker = None
        try:
            address, config = self._where = self._find()
            broker = open_broker(address, timeout=DIAL_TIMEOUT_S, cancel=self._cancel)
            self._dialled_at = time.monotonic()
            with self._changed:
                self._begun = self._wanted and config is not None and broker.hello.get("server") != "OneShotServer"
            if config is not None and self._begun:
                broker.call("spawn", dict(config, session=self._session), timeout=SPAWN_TIMEOUT_S)
            self._broker = broker
        except (RpycKernelError, OSError):
            if broker is not None:
                broker.close()
        finally:  # somebody may wait for it
            self._over.set()
        self._cancel.wait(FRESH_S)
        if left := self._take_broker():
            left.close()

    def _take_broker(self) -> BrokerClient | None:
        with self._changed:
            broker, self._broker = self._broker, None
        return broker

    def take_session(self, address: Address, config: dict[str, Any]) -> str | None:
        """Return the id of the session, for the link to ask for it; None where it isn't the one that is wanted.

        This blocks until the session has begun, at most SPAWN_TIMEOUT_S.
        """
        with self._changed:
            taken, self._wanted = self._begun and self._where == (address, config), False
            if taken:
                self._begun = False
        if not taken:
            threading.Thread(target=self.give_up, name="rpyc-kernel-head-start-end", daemon=True).start()
            return None
        self._over.wait(SPAWN_TIMEOUT_S)
        return self._session

    def dial(self, address: Address, **options: Any) -> BrokerClient:
        """Do as `open_broker` does; the first time with the connection that is there, if it is fresh."""
        if self._over.is_set() and self._where is not None and self._where[0] == address:
            broker = self._take_broker()
            self._cancel.set()
            if broker is not None:
                if time.monotonic() - self._dialled_at < FRESH_S and not _has_ended(broker):
                    return broker
                broker.close()
        return open_broker(address, **options)

    def give_up(self) -> None:
        """End the session where nobody has taken it. This blocks, for seconds where the machine is gone."""
        self._cancel.set()
        with self._changed:
            begun, self._begun, self._wanted = self._begun, False, False
        if not begun or self._where is None:
            return
        self._over.wait(END_TIMEOUT_S)
        with contextlib.suppress(RpycKernelError, OSError):  # it ends when it was idle for its `keep`
            listing.terminate(self._where[0], self._session, END_TIMEOUT_S, hello=END_TIMEOUT_S)


def _has_ended(broker: BrokerClient) -> bool:
    """Return whether the server has closed the connection: nothing else makes it speak by itself."""
    return bool(select.select([broker.connection], [], [], 0)[0])
