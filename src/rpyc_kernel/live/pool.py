"""`pool`: `concurrent.futures.Executor` over sessions on other machines, for plain Python."""

from __future__ import annotations

import os
import queue
import re
import sys
import sysconfig
import threading
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.errors import (
    ArgumentError,
    LinkError,
    RemoteClosedError,
    RpycKernelError,
    SessionError,
    ValueRefusedError,
)
from rpyc_kernel.live.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.live.remote import Remote

T = TypeVar("T")

FUNCTION, ARGUMENTS = "_rpyc_kernel_function", "_rpyc_kernel_arguments"  # the names that a task has there
# how errors about values name them, with the place in them
_POSITION = re.compile(rf"{ARGUMENTS}\[0\]\[(\d+)\](\S*)")
_KEYWORD = re.compile(rf"{ARGUMENTS}\[1\]\['(\w+)'\](\S*)")
_RESULT = re.compile(r"the value(\S*) (is .*, of which no copy can be sent.*)")


@dataclass
class Task:
    """One call, and the future of its result."""

    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Pool(Executor):
    """Runs functions on other machines, one at a time in each session.

    A function travels by its source, or by cloudpickle where that is installed at both ends; one of Python itself or of
    an installed package by its name. Arguments and results travel as copies, as docs/values.md has them, and nothing is
    unpickled here. A task whose Python dies, or whose machine is lost for good, fails with an error that says so. It is
    never run again by itself: it may have done half its work. The next task of that machine gets a fresh session.

    Attributes:
        machines: The machines, as they were named.
    """

    def __init__(self, *machines: str, workers: int = 1, **options: Any) -> None:
        """Connect to the machines, all at once.

        Args:
            machines: Addresses or saved names.
            workers: The number of sessions on each of them.
            options: As `rpyc_kernel.connect` takes them: ``cwd``, ``env``, ``python``.

        Raises:
            ArgumentError: There is no machine, or no worker.
            RpycKernelError: One of the machines can't be reached. No session is left then.
        """
        if not machines or workers < 1:
            raise ArgumentError('A pool needs machines and at least one worker on each: pool("pi", "gpu", workers=2).')
        self.machines = machines
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._shut = False
        self._options = options
        places = [machine for machine in machines for _worker in range(workers)]
        remotes = self._connect_all(places)
        self._threads = [
            threading.Thread(target=self._work, args=(machine, remote), name=f"pool-{machine}-{number}", daemon=True)
            for number, (machine, remote) in enumerate(zip(places, remotes, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    def _connect_all(self, places: list[str]) -> list[Remote]:
        found: list[Remote | Exception] = [RpycKernelError("not tried")] * len(places)

        def connect_one(number: int, machine: str) -> None:
            try:
                found[number] = connect(machine, **self._options)
            except Exception as error:  # noqa: BLE001 - raised below
                found[number] = error

        threads = [threading.Thread(target=connect_one, args=place, daemon=True) for place in enumerate(places)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        errors = [each for each in found if isinstance(each, Exception)]
        remotes = [each for each in found if not isinstance(each, Exception)]
        if errors:
            for remote in remotes:
                remote.close()
            raise errors[0]
        return remotes

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn(*args, **kwargs)`` called on the first machine that is free.

        Returns:
            The future of a copy of what it returns. It raises what the function raises, as an exception of the nearest
            built-in class; ``ValueRefusedError`` where function, arguments or result can't be copied; and
            ``RemoteClosedError`` where the Python there has died.

        Raises:
            RuntimeError: The pool was shut down.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._tasks.put(Task(future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks, and end the sessions when what was submitted is done.

        Args:
            wait: Return only then.
            cancel_futures: Cancel what has not begun.
        """
        with self._lock:
            first, self._shut = not self._shut, True
        if cancel_futures:
            self._cancel_waiting()
        if first or cancel_futures:  # cancelling has taken the marks of the end, too
            for _thread in self._threads:
                self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel_waiting(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            if task is not None:
                task.future.cancel()

    # --- on the thread of a session

    def _work(self, machine: str, remote: Remote | None) -> None:
        try:
            for task in iter(self._tasks.get, None):
                if not task.future.set_running_or_notify_cancel():
                    continue
                try:
                    remote = remote or connect(machine, **self._options)
                    result = _call(remote, task)
                except BaseException as error:  # noqa: BLE001 - it is the future's
                    if isinstance(error, RemoteClosedError | LinkError | SessionError):
                        _close(remote)
                        remote = None
                    task.future.set_exception(error)
                else:
                    task.future.set_result(result)
        finally:
            _close(remote)


def _call(remote: Remote, task: Task) -> Any:
    called: Any = task.function
    args, kwargs = task.args, task.kwargs
    while isinstance(called, partial):
        called, args, kwargs = called.func, (*called.args, *args), {**called.keywords, **kwargs}
    name = getattr(called, "__qualname__", type(called).__name__)
    values: dict[str, Any] = {ARGUMENTS: (args, kwargs)}
    function = _reference(called)
    if not function:
        function = FUNCTION
        values[FUNCTION] = called
    call = f"{function}(*{ARGUMENTS}[0], **{ARGUMENTS}[1])"
    try:
        remote.push(**values)
        return remote.value(call)
    except ValueRefusedError as error:
        text = _POSITION.sub(lambda found: f"argument {int(found[1]) + 1}{found[2]} of {name}", str(error))
        text = _KEYWORD.sub(lambda found: f"argument {found[1]}{found[2]} of {name}", text)
        raise ValueRefusedError(text.replace(FUNCTION, name)) from None
    except TypeError as error:
        told = _RESULT.match(str(error).replace(call, "the value"))
        if told is None:  # it is the function's own
            raise
        raise ValueRefusedError(f"The result{told[1]} of {name} {told[2]}.") from None


def _reference(function: object) -> str:
    """Return an expression that finds a function of Python or of an installed package there, "" for any other."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return ""
    found: object = sys.modules.get(module)
    origin = getattr(found, "__file__", None) or ""
    for part in name.split("."):
        found = getattr(found, part, None)
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    installed = any(origin.startswith(folder + os.sep) for folder in packages)
    if found is not function or not (module.partition(".")[0] in sys.stdlib_module_names or installed):
        return ""
    return f"__import__('importlib').import_module({module!r}).{name}"


def _close(remote: Remote | None) -> None:
    if remote is not None:
        remote.close()


def pool(*machines: str, workers: int = 1, **options: Any) -> Pool:
    """Return an executor over sessions on other machines: ``with rpyc_kernel.pool("pi", "gpu") as pool: …``.

    Args:
        machines: Addresses or saved names.
        workers: The number of sessions on each of them; a session runs one function at a time.
        options: As `rpyc_kernel.connect` takes them: ``cwd``, ``env``, ``python``.

    Raises:
        ArgumentError: There is no machine, or no worker.
        RpycKernelError: One of the machines can't be reached. No session is left then.
    """
    return Pool(*machines, workers=workers, **options)
