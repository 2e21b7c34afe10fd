"""Runs cells on the main thread, one after the other, and comm messages between and beside them.

Without asyncio a cell's coroutine is driven by hand; it never really suspends. Once asyncio is in use, everything runs
inside one event loop (`main_loop`), so that tasks of one cell go on during the next and while nothing runs.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections import deque

from .. import frames, wire
from .cell_frames import user_traceback
from .failures import describe, failed_callback, failed_reply, interrupted_reply, show_stray
from .import_hooks import when_imported
from .interruptible import Interruptible, Undelivered
from .main_loop import MACHINERY, MainLoop, request_of, task_of
from .request_context import Driven, current
from .stopped_question import Unmasked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Callable, Coroutine, Deque, Dict, Optional, Union

    from ..wire import Json, Message
    from .comms import Comms
    from .debugger.requests import Debugger
    from .frontend import Frontend
    from .interrupts import Interrupts
    from .shells.protocol import Shell
    from .transfers import Transfers

    Job = Union["QueuedRequest", Callable[[], None], None]

VALUES = ("pull_request", "push_request")
AWAITED_S = 0.02  #: seconds in which whoever awaits a task has received its exception
HANDLER_ERROR_INTERVAL_S = 0.1  #: seconds between two exceptions of signal handlers that are told


class QueuedRequest:
    """A request for the main thread."""

    __slots__ = ("message", "number")

    def __init__(self, number: int, message: Message) -> None:
        self.number = number
        self.message = message


class Cells:
    """Queues jobs from the sorter, and runs them on the main thread.

    Args:
        frontend: Takes the replies.
        interrupts: Decides what a SIGINT does.

    Attributes:
        shell: Runs the code of cells; set before `run`.
        comms: Handles comm messages; set before `run`.
        debugger: Stops cells at breakpoints, once a front end has asked for it.
        main_loop: The event loop, once something needs it.
    """

    def __init__(self, frontend: Frontend, interrupts: Interrupts) -> None:
        self.frontend = frontend
        self.interrupts = interrupts
        interrupts.frames.machinery += [globals(), Interruptible.__init__.__globals__]
        interrupts.frames.driving = frozenset((Interruptible.__await__.__code__, Cells._run.__code__))
        interrupts.wake = self.wake
        interrupts.abandon = self._abandon_soon
        self.debugger: Optional[Debugger] = None
        self.shell: Shell
        self.comms: Comms
        self.main_loop = MainLoop(self._caught)
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._waiting: Deque[QueuedRequest] = deque()  # cells that were taken out of the queue before their turn
        self._coroutines: Dict[int, Coroutine[Any, Any, None]] = {}  # of requests without an answer
        self._task: Optional[asyncio.Task[None]] = None  # the cell that runs in the loop
        self._running: Optional[QueuedRequest] = None  # its job
        self._awaiting: Dict[int, Interruptible] = {}
        self._ended = False
        self._quiet_until = 0.0
        self._at_once = False  # a job runs outside of the loop
        self._transfers: Optional[Transfers] = None
        self._failed_batch: Any = None  # of whose cells one has failed, so that the others don't run
        when_imported("asyncio", self.have_loop)

    def close(self) -> None:
        """After `run`, end the tasks that the user's code has left in the event loop, as ``asyncio.run`` does."""
        loop = self.main_loop.loop
        if loop is None or loop.is_closed() or loop.is_running():
            return
        import asyncio

        tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException as error:  # the loop is the user's, too
            print("the event loop did not end in order: %r" % error, file=sys.stderr)

    def put(self, job: Job) -> None:
        """Queue a job (from another thread): a request, or what is called between cells; None ends a worker."""
        self._jobs.put(job)
        if self.main_loop.loop is not None:
            self.main_loop.call(self._turn)

    def have_debugger(self, debugger: Debugger) -> None:
        """From now on tell the debugger of the cells (from another thread)."""
        self.interrupts.let_go = debugger.let_go
        self.debugger = debugger

    def wake(self) -> None:
        """Let an event loop that waits return to Python (from another thread), so that a signal is handled."""
        self.main_loop.call(lambda: None)

    def run(self) -> None:
        """Run jobs until the session ends."""
        while not self._ended:
            try:
                self._run_next()
            except BaseException as error:  # a signal handler of the user's
                self._caught(error)

    def _run_next(self) -> None:
        job = self._waiting.popleft() if self._waiting else self._jobs.get()
        if job is None or self._ended:
            self._ended = True
        elif not isinstance(job, QueuedRequest):
            job()
        elif self._wants_loop(job):
            self._waiting.appendleft(job)
            self.interrupts.cancel = self._cancel_soon
            self.main_loop.run(self._turn, lambda: self._ended and self._task is None, self._replaced)
            self.interrupts.cancel = None  # there can be no loop: go on without
        else:
            self._run_at_once(job)

    def _wants_loop(self, job: QueuedRequest) -> bool:
        if self.main_loop.failed is not None or _is_program(job):
            return False
        if "asyncio" in sys.modules:
            return True
        code = job.message.content.get("code", "")
        return "asyncio" in code or "await" in code or self.shell.needs_loop(code)

    def _run_at_once(self, job: QueuedRequest) -> None:
        """Run a job to its end, in the context of cells."""
        coroutine = self._coroutines[job.number] = self._run(job)
        self._at_once = not _is_program(job)  # a program has the main thread to itself, for a loop of its own
        try:
            if self.main_loop.loop is None:  # and so nothing else runs in that context
                self.main_loop.context.run(self._drive, coroutine, job)
            else:
                self.main_loop.call_in_context(self._drive, coroutine, job)
        finally:
            self._at_once = False
            if self.main_loop.borrowed:
                self.main_loop.give_back()

    def have_loop(self, _asyncio: Any = None) -> None:
        """Give the running cell an event loop if it runs outside of one: it needs one, or has just imported asyncio."""
        if self._at_once and threading.current_thread() is threading.main_thread():
            self.main_loop.borrow()

    def _drive(self, coroutine: Coroutine[Any, Any, None], job: QueuedRequest) -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            return
        failed = self.main_loop.failed
        why = describe(failed) if failed is not None else "it waits for something that only an event loop gives"
        self._break_off(coroutine, job, "there is no event loop here: %s" % why)

    def _break_off(self, coroutine: Coroutine[Any, Any, None], job: QueuedRequest, why: str) -> None:
        """End a request that waits for something that never comes."""
        error = RuntimeError(why)
        try:
            coroutine.throw(error)
            coroutine.close()
        except (StopIteration, RuntimeError):  # it has ended, or goes on waiting whatever it is told
            pass
        self._answer(job, error)

    def _answer(self, job: QueuedRequest, error: BaseException) -> None:
        """Answer a request that has ended without an answer."""
        if self._coroutines.pop(job.number, None) is not None:
            self.interrupts.end(job.number)
            self.frontend.reply(job.number, wire.reply_type(job.message.type), failed_reply(self.frontend, error))

    # inside an event loop

    def _turn(self) -> None:
        """Take the jobs that have come: comm messages run at once, cells wait for their turn."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._ended = True
            elif not isinstance(job, QueuedRequest):
                job()
            elif job.message.type == "execute_request":
                self._waiting.append(job)
            else:
                self._run_at_once(job)
        self._go_on()

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
            if not isinstance(job, QueuedRequest):
                job()
            elif job.message.type == "execute_request":
                self._waiting.append(job)
            else:
                coroutine = self._coroutines[job.number] = self._run(job)
                self._drive(coroutine, job)

    def end(self) -> None:
        """End the worker when the running cell has ended, whatever waits (from any thread)."""
        self._ended = True
        self.put(None)

    def _go_on(self) -> None:
        """Begin the next cell if none runs; a cell that runs a nested loop calls this too."""
        if self._task is not None:
            return
        if self._ended:
            self.main_loop.stop()
        elif self._waiting:
            self._running = job = self._waiting.popleft()
            coroutine = self._coroutines[job.number] = self._run(job)
            self._task = self.main_loop.start(coroutine)
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if task is self._task:
            self._task = None
            assert self._running is not None
            self._answer(self._running, error or RuntimeError("it was cancelled"))
            self._go_on()

    def _replaced(self) -> None:
        """Another loop runs: break off the cell that awaits something in the loop before."""
        task, self._task = self._task, None
        why = "The event loop was closed: another one runs now, without the tasks and timers of the first."
        job = self._running
        coroutine = self._coroutines.get(job.number) if task is not None and job is not None else None
        if coroutine is None or job is None:
            self.frontend.stream("stderr", why + "\n")
        else:
            task._log_destroy_pending = False  # type: ignore[union-attr]
            self.main_loop.call_in_context(self._break_off, coroutine, job, why)

    def _caught(self, error: BaseException, handle: Any = None) -> None:
        """Find the owner of an exception that has come out of the loop, and tell it there."""
        if isinstance(error, KeyboardInterrupt) and self._awaiting:
            for number in list(self._awaiting):
                self._cancel(number)
            return
        task, number = task_of(handle), request_of(handle)
        if task is not None and task is self._task and not self._task.done():
            self._deliver(error, handle)
            return
        trace = user_traceback(error.__traceback__, MACHINERY)
        if trace is None and (handle is None or not isinstance(error, SystemExit)):
            return  # the loop's own: a nested one, or one that was patched meanwhile, has taken what it was to call

        def show() -> None:
            if task is not None:
                if not task._log_traceback:
                    return  # whoever awaited the task has received it
                task._log_traceback = False
            show_stray(self.frontend, error, trace, number)

        loop = self.main_loop.loop
        try:
            loop.call_later(AWAITED_S, show)  # type: ignore[union-attr]
        except (AttributeError, RuntimeError):
            show()

    def caught_beside(self, error: BaseException) -> None:
        """Tell an exception that a signal handler of the user's has raised in the midst of our code or the loop's.

        To tell one takes longer than a timer may take to raise the next: those that follow at once are not told.
        """
        now = time.monotonic()
        if now < self._quiet_until and not isinstance(error, KeyboardInterrupt):
            return
        self._quiet_until = now + HANDLER_ERROR_INTERVAL_S
        if not self.main_loop.call(self._caught, error):
            self._caught(error)

    def _deliver(self, error: BaseException, wakeup: Any) -> None:
        """Python 3.7: give a cell the exception of a task that it has awaited."""
        assert self.main_loop.loop is not None
        ended = self.main_loop.loop.create_future()
        ended.set_exception(Undelivered(error))
        self.main_loop.loop.call_soon(wakeup._callback, ended, context=wakeup._context)

    def _cancel_soon(self, number: int) -> None:
        self.main_loop.call(self._cancel, number)

    def _cancel(self, number: int) -> None:
        self.interrupts.cancelled(number)
        awaiting = self._awaiting.get(number)
        if awaiting is not None:
            awaiting.interrupt()

    def _abandon_soon(self, number: int) -> None:
        self.main_loop.call(self._abandon, number)

    def _abandon(self, number: int) -> None:
        awaiting = self._awaiting.get(number)
        if awaiting is not None:
            awaiting.abandon()

    # one job

    async def _run(self, job: QueuedRequest) -> None:
        number, message = job.number, job.message
        self.frontend.remember(number, message.parent, message)
        outer = current.get()
        current.set(number)
        self.interrupts.install()
        self.frontend.writer.send(frames.BEGUN, number, b"")
        msg_type = wire.reply_type(message.type)
        try:
            if not self.interrupts.begin(number):
                content = self._interrupted(message)
            elif message.type == "execute_request":
                content = await self._execute_in_batch(number, message.content)
            else:
                outer_driven, Driven.number = Driven.number, number
                try:
                    content = self._handle(message)
                finally:
                    self.frontend.flush()
                    Driven.number = outer_driven
        except (KeyboardInterrupt, Unmasked):
            content = self._interrupted(message)
        except BaseException as error:
            if message.type == "execute_request":
                content = failed_reply(self.frontend, error)
            else:
                content = failed_callback(self.frontend, error)
        finally:
            self.interrupts.depth += 1  # what comes now must not tear the end of the request
            self.interrupts.end(number)
            current.set(outer)
        try:
            if self.frontend.writer.forked:
                _end_child(content)
            if self.frontend.stopped.debugged == number:
                content["debugger_stopped"] = True
            if self._coroutines.pop(number, None) is not None:
                self.frontend.reply(number, msg_type, content)
            if message.type == "execute_request" and not message.content.get("allow_stdin"):
                self.frontend.writer.leave(number)
        finally:
            self.interrupts.leave()

    def _interrupted(self, message: Message) -> Json:
        """The content of the reply to a request that was interrupted outside of the shell."""
        if message.type in VALUES:
            return {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}  # whose cell says what that means
        return interrupted_reply(self.frontend)

    def _handle(self, message: Message) -> Json:
        """Do what a request asks for that is no cell; returns the content of its reply."""
        if message.type == "pull_request":
            return self.transfers().pull(message.content)
        if message.type == "push_request":
            return self.transfers().push(message.content)
        self.comms.handle(message)
        return {"status": "ok"}

    def transfers(self) -> Transfers:
        """Return what carries values, made with the first use."""
        if self._transfers is None:
            from .transfers import Transfers  # late: few sessions need it

            self._transfers = Transfers(self.shell.facade.user_ns, self.put)
        return self._transfers

    async def _execute_in_batch(self, number: int, content: Json) -> Json:
        """Run a cell, unless one of the same batch, all sent at once, has failed before and was not allowed to."""
        batch = content.get("batch")
        if batch is not None and batch == self._failed_batch:
            return {"status": "aborted"}
        reply = await self._execute(number, content)
        if batch is not None and reply["status"] != "ok" and content.get("stop_on_error"):
            self._failed_batch = batch
        return reply

    async def _execute(self, number: int, content: Json) -> Json:
        self.frontend.allow_stdin = bool(content.get("allow_stdin"))
        if not content.get("silent") or not self.frontend.writer.cell:
            self.frontend.writer.cell = number
        if content.get("execution_count"):
            self.shell.execution_count = content["execution_count"]
        if "program" in content:
            from . import program  # late: no notebook needs it

            return program.run(self.frontend, content["code"], content["program"])
        if self.debugger is not None:
            self.debugger.begin_cell(content)
        coroutine = self.shell.execute(
            content["code"],
            bool(content.get("silent")),
            bool(content.get("store_history", True)),
            content.get("user_expressions") or {},
            self.frontend.allow_stdin,
        )
        try:
            if self.main_loop.loop is None:
                return dict(await self._execute_without_loop(number, coroutine))
            import asyncio

            awaiting = Interruptible(coroutine, asyncio.current_task(), number, self.interrupts)
            self._awaiting[number] = awaiting
            return dict(await awaiting)
        finally:
            self._awaiting.pop(number, None)
            self.frontend.flush()
            if self.frontend.screen is not None:
                self.frontend.screen.flush(number)

    async def _execute_without_loop(self, number: int, coroutine: Coroutine[Any, Any, Json]) -> Json:
        """Run the code of a cell that never waits, so that a signal alone interrupts it."""
        if self.interrupts.take(number):
            coroutine.close()
            raise self.interrupts.error()
        outer, Driven.number = Driven.number, number
        try:
            return await coroutine
        finally:
            Driven.number = outer


def _is_program(job: QueuedRequest) -> bool:
    return "program" in job.message.content


def _end_child(content: Json) -> None:
    """End a process that the cell has forked and that has come to the cell's end, as at the end of a program."""
    status = 0 if content["status"] == "ok" else 1
    if content.get("ename") == "SystemExit":
        code = str(content.get("evalue"))
        status = int(code) & 0xFF if code.lstrip("-").isdigit() else int(code not in ("", "None"))
    elif status:
        os.write(2, ("\n".join(content["traceback"]) + "\n").encode("utf-8", "backslashreplace"))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the user's own one, or it is closed
            pass
    os._exit(status)
