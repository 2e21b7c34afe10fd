"""A machine whose files are asked for: its session, and work for it on threads, all of which ends in time.

Nothing here blocks the event loop of the Jupyter server, and nothing waits for a machine without an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from rpyc_kernel.errors import MachineTimeoutError, RpycKernelError, again
from rpyc_kernel.files.remote import RemoteFiles
from rpyc_kernel.files.session import OwnSession, own_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.hosts.target import Target

LOST_TIMEOUT_S = 5.0  # for each piece of work, while the link is down
MAX_AT_ONCE = 4  # pieces of work; each has a connection
REFUSAL_S = 5.0  # that a machine is not dialled again after it couldn't be reached: pages ask again and again
IDLE_S = 600.0  # without work until the session ends

T = TypeVar("T")


class BrowsedMachine:
    """One machine. Used on the event loop.

    Args:
        name: What it is called.
        target: Where it is.
        connect_timeout: Seconds in which it has to be reached.
        answer_timeout: Seconds for each piece of work.

    Attributes:
        name: What it is called.
        target: Where it is.
    """

    def __init__(self, name: str, target: Target, connect_timeout: float, answer_timeout: float) -> None:
        self.name = name
        self.target = target
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._session: OwnSession | None = None
        self._connecting: asyncio.Future[None] | None = None
        self._refusal: RpycKernelError | None = None
        self._refused_until = 0.0
        self._working = asyncio.Semaphore(MAX_AT_ONCE)
        self._idle: asyncio.TimerHandle | None = None
        self._closed = threading.Event()

    async def do(self, work: Callable[[RemoteFiles], T]) -> T:
        """Do *work* on a thread, with what asks for files there, and return its result.

        Raises:
            RpycKernelError: It can't be reached, or hasn't answered in time; or what *work* raises.
        """
        async with self._working:
            session = await self._connected()
            self._rest()
            seconds = self._answer_timeout if session.up else min(LOST_TIMEOUT_S, self._answer_timeout)
            try:
                return await _on_thread(lambda cancel: work(RemoteFiles(session, cancel, self.name)), seconds)
            except TimeoutError:
                error = MachineTimeoutError(
                    f"{self.name} has not answered for {seconds:g} s. Is it on, and is the way to it up?"
                )
                if not session.up:  # those behind this one don't wait as long again
                    self._refuse(error)
                raise error from None

    def close(self) -> None:
        """End the session, if its machine can be reached. It may block for a few seconds."""
        self._closed.set()
        if self._session is not None:
            self._session.close()

    async def _connected(self) -> OwnSession:
        down = self._session is None or not self._session.up
        if down and self._refusal is not None and time.monotonic() < self._refused_until:
            raise again(self._refusal)
        if self._session is None or self._session.closed:
            if self._connecting is None:
                self._connecting = asyncio.ensure_future(self._connect())
                self._connecting.add_done_callback(lambda _done: setattr(self, "_connecting", None))
            await asyncio.shield(self._connecting)
        if self._session is None or self._session.closed:
            raise again(self._refusal or MachineTimeoutError(f"The session on {self.name} has ended."))
        return self._session

    async def _connect(self) -> None:
        """Begin a session. What goes wrong is noted: several may wait for it."""
        self._session = self._refusal = None

        def begin(cancel: threading.Event) -> OwnSession:
            session = own_session(self.target, "files", cancel)
            if cancel.is_set() or self._closed.is_set():  # nobody waits any more
                session.close()
            return session

        try:
            self._session = await _on_thread(begin, self._connect_timeout)
        except TimeoutError:
            self._refuse(
                MachineTimeoutError(
                    f"{self.name} could not be reached within {self._connect_timeout:g} s. "
                    "Is it on, and is the way to it up?"
                )
            )
        except RpycKernelError as error:
            self._refuse(error)

    def _refuse(self, error: RpycKernelError) -> None:
        """Note why the machine can't be asked: it isn't tried again for a while."""
        self._refusal, self._refused_until = error, time.monotonic() + REFUSAL_S

    def _rest(self) -> None:
        """Have the session end once nobody has asked for a while."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.abandon)

    def abandon(self) -> None:
        """End the session, and wait for nothing. Another one begins with the next work."""
        session, self._session = self._session, None
        if session is not None:
            threading.Thread(target=session.close, daemon=True).start()


async def _on_thread(work: Callable[[threading.Event], T], seconds: float) -> T:
    """Run *work* on a thread of its own, with an event that is set when nobody waits any more.

    Raises:
        TimeoutError: It has taken too long.
    """
    loop, cancel = asyncio.get_running_loop(), threading.Event()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not done.done():
            set_it()

    def run() -> None:
        try:
            result = work(cancel)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failure = error
            settled: Callable[[], None] = lambda: done.set_exception(failure)  # noqa: E731
        else:
            settled = lambda: done.set_result(result)  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, name="rpyc-kernel files", daemon=True).start()
    try:
        return await asyncio.wait_for(done, seconds)
    finally:
        cancel.set()
