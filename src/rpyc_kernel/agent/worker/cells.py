"""The worker's main thread: runs cells one after the other, and comm messages between and beside them.

Without asyncio a cell's coroutine is driven by hand; it never really suspends. Once asyncio is in use, everything runs
inside one permanent event loop, so that tasks of one cell go on during the next and while nothing runs.
"""

from __future__ import annotations

import queue
import sys
from collections import deque

from .. import frames, wire
from .attribution import current
from .interrupts import Unmasked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Coroutine, Deque, Dict, Generator, Optional

    from ..wire import Json, Message
    from .interrupts import Interrupts
    from .port import Port


class Job:
    """A request for the main thread."""

    __slots__ = ("message", "number")

    def __init__(self, number: int, message: Message) -> None:
        self.number = number
        self.message = message


class Interruptible:
    """Awaits the coroutine of a request, into which `interrupt` throws KeyboardInterrupt where it waits."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        task: Optional[asyncio.Task[Any]],
        number: int,
        interrupts: Interrupts,
    ) -> None:
        self._coroutine = coroutine
        self._task = task
        self._number = number
        self._interrupts = interrupts
        self._interrupted = False
        self._abandoned = False

    def interrupt(self) -> None:
        """Called in the event loop: end whatever the coroutine waits for."""
        if not self._interrupted and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def abandon(self) -> None:
        """As `interrupt`, but the coroutine isn't asked: it gets GeneratorExit, and never runs again."""
        self._abandoned = True
        self.interrupt()

    def __await__(self) -> Generator[Any, Any, Any]:
        error: Optional[BaseException] = None
        while True:
            if error is None and self._interrupts.take(self._number):
                error = self._interrupts.error()
            try:
                waited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            try:
                yield waited
            except BaseException as thrown:
                error = thrown
                if self._interrupted:
                    self._interrupted = False
                    uncancel = getattr(self._task, "uncancel", None)
                    if uncancel:
                        uncancel()
                    error = self._interrupts.error()
                    if self._abandoned:
                        self._close()
                        raise error from None

    def _close(self) -> None:
        self._interrupts.mute = True  # the shell in it has nothing to report
        try:
            self._coroutine.close()
        except RuntimeError:  # it has swallowed that too
            pass
        finally:
            self._interrupts.mute = False


class Cells:
    """Queues jobs from the sorter and runs them on the main thread."""

    def __init__(self, port: Port, interrupts: Interrupts) -> None:
        self.port = port
        self.interrupts = interrupts
        interrupts.machinery = globals()
        interrupts.driving = frozenset((Interruptible.__await__.__code__, Cells._run.__code__))
        interrupts.wake = self.wake
        interrupts.abandon = self._abandon_soon
        self.shell: Any = None
        self.comms: Any = None
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self._jobs: queue.SimpleQueue[Optional[Job]] = queue.SimpleQueue()
        self._waiting: Deque[Job] = deque()  # cells that were taken out of the queue before their turn
        self._wakeup: Any = None  # an asyncio.Event
        self._awaiting: Dict[int, Interruptible] = {}
        self._ended = False

    def put(self, job: Optional[Job]) -> None:
        """Queue a job (from another thread); None ends the worker once it is idle."""
        self._jobs.put(job)
        loop = self.loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._take)
            except RuntimeError:  # user code has closed it; `run` makes another
                pass

    def wake(self) -> None:
        """Let an event loop that waits return to Python (from another thread), so that a signal is handled."""
        loop = self.loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(lambda: None)
            except RuntimeError:  # it is closed
                pass

    def run(self) -> None:
        """Until the session ends."""
        while not self._ended:
            if self.loop is None:
                job = self._waiting.popleft() if self._waiting else self._jobs.get()
                if job is None:
                    return
                if self._wants_loop(job):
                    self._jobs_first(job)
                    self._run_loop()
                else:
                    self._drive(self._run(job))
            else:
                self._run_loop()

    def _wants_loop(self, job: Job) -> bool:
        if "asyncio" in sys.modules:
            return True
        code = job.message.content.get("code", "")
        return "asyncio" in code or "await" in code or self.shell.needs_loop(code)

    @staticmethod
    def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            return
        coroutine.close()

    # inside an event loop

    def _jobs_first(self, job: Job) -> None:
        self._waiting.appendleft(job)

    def _run_loop(self) -> None:
        import asyncio

        self.loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._wakeup = asyncio.Event()
        self.interrupts.cancel = self._cancel_soon
        task = loop.create_task(self._serve())
        loop.call_soon(self._take)
        while not self._ended:
            try:
                loop.run_until_complete(task)
            except KeyboardInterrupt:
                for number in list(self._awaiting):
                    self._cancel(number)
            except RuntimeError:
                if not loop.is_closed():
                    raise
                return
            if task.done() and not self._ended:
                task = loop.create_task(self._serve())

    def _take(self) -> None:
        """Sort what has come: comm messages run at once, cells wait for their turn."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._ended = True
                self._wakeup.set()
            elif job.message.type == "execute_request":
                self._waiting.append(job)
                self._wakeup.set()
            else:
                self._drive(self._run(job))
        if self._waiting:
            self._wakeup.set()

    def iterate(self) -> None:
        """Handle the comm messages that wait, in the midst of a cell, on the thread that asks; cells wait on."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)
                return
            if job.message.type == "execute_request":
                self._waiting.append(job)
            else:
                self._drive(self._run(job))

    def end(self) -> None:
        """End the worker when the running cell has ended, whatever waits."""
        self._ended = True
        self.put(None)

    async def _serve(self) -> None:
        while not self._ended:
            while self._waiting and not self._ended:
                await self._run(self._waiting.popleft())
            self._wakeup.clear()
            if not self._waiting:
                await self._wakeup.wait()

    def _cancel_soon(self, number: int) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._cancel, number)

    def _cancel(self, number: int) -> None:
        self.interrupts.cancelled(number)
        awaiting = self._awaiting.get(number)
        if awaiting is not None:
            awaiting.interrupt()

    def _abandon_soon(self, number: int) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._abandon, number)

    def _abandon(self, number: int) -> None:
        awaiting = self._awaiting.get(number)
        if awaiting is not None:
            awaiting.abandon()

    # one job

    async def _run(self, job: Job) -> None:
        number, message = job.number, job.message
        self.port.remember(number, message.parent, message)
        token = current.set(number)
        self.interrupts.install()
        self.port.outlet.send(frames.BEGUN, number, b"")
        msg_type = wire.reply_type(message.type)
        try:
            if not self.interrupts.begin(number):
                content = _interrupted_reply(self.port)
            elif message.type == "execute_request":
                self.port.outlet.cell = number
                try:
                    content = await self._execute(number, message.content)
                finally:
                    if self.port.screen is not None:
                        self.port.screen.flush(number)
            else:
                self.comms.handle(message)
                content = {"status": "ok"}
        except (KeyboardInterrupt, Unmasked):
            content = _interrupted_reply(self.port)
        except Exception as error:
            content = _failed_reply(self.port, error)
        finally:
            self.interrupts.depth += 1  # what comes now must not tear the end of the request
            self.interrupts.end(number)
            self.interrupts.depth -= 1
            current.reset(token)
        self.port.reply(number, msg_type, content)

    async def _execute(self, number: int, content: Json) -> Json:
        self.port.allow_stdin = bool(content.get("allow_stdin"))
        if content.get("execution_count"):
            self.shell.execution_count = content["execution_count"]
        coroutine = self.shell.execute(
            content["code"],
            bool(content.get("silent")),
            bool(content.get("store_history", True)),
            content.get("user_expressions") or {},
            self.port.allow_stdin,
        )
        task = None
        if self.loop is not None:
            import asyncio

            task = asyncio.current_task()
        awaiting = Interruptible(coroutine, task, number, self.interrupts)
        self._awaiting[number] = awaiting
        try:
            return dict(await awaiting)
        finally:
            del self._awaiting[number]


def _interrupted_reply(port: Port) -> Json:
    content = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
    port.publish("error", content)
    return dict(content, status="error")


def _failed_reply(port: Port, error: Exception) -> Json:
    """The shell itself has failed: by a bug of ours, or by something that the user has patched."""
    evalue = "the shell could not run this cell: %s" % error
    content = {"ename": type(error).__name__, "evalue": evalue, "traceback": [evalue]}
    port.publish("error", content)
    return dict(content, status="error")
