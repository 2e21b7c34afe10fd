"""A cell that runs on several of the notebook's machines at once: what each of them gives out, and what failed."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rpyc_kernel.errors import (
    DialCancelledError,
    LinkLost,
    ParallelError,
    RpycKernelError,
    WaitingStoppedError,
    WithdrawnError,
)
from rpyc_kernel.kernel.cells import NOTHING
from rpyc_kernel.kernel.sessions.labels import LabelledOutput, NamedOutput
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.cells import Cell
    from rpyc_kernel.kernel.own_cluster import OwnCluster
    from rpyc_kernel.kernel.ports import CellOutput
    from rpyc_kernel.kernel.sessions.requests import Show
    from rpyc_kernel.kernel.sessions.session import RemoteSession

Grouping = Literal["", "type", "engine", "order"]

HERE = "here"  # what the local IPython is called among machines
LINK_PATIENCE_S = 3.0  # that a machine whose link is down when the cell begins has to come back
LINK_POLL_S = 0.05
PROGRESS_AFTER_S = 1.0
MAX_FAILURE_CHARACTERS = 300
AT_ONCE = threading.Event()  # that is set: whoever publishes so waits for no slow front end
AT_ONCE.set()
STOPPED = (DialCancelledError, WaitingStoppedError, WithdrawnError)


class Runner(Protocol):
    """Runs code for a command. Each method returns the content of the reply, and may raise a RpycKernelError."""

    async def run_in(
        self, session: RemoteSession, code: str, cell: Cell, show: Show | None = None, *, beside: bool = False
    ) -> dict[str, Any]:
        """Run code in that session. *beside*: the cell doesn't wait for it, and a stop of a cell doesn't reach it."""

    async def run_local_code(self, code: str, cell: Cell) -> dict[str, Any]:
        """Run code in the local IPython."""

    def refuse_questions(self, msg_id: str, reason: str) -> None:
        """Answer each ``input()`` of a cell with an error that gives that *reason*; with "" no longer."""


class CollectedOutput(NamedOutput):
    """Keeps output instead of showing it."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> Iterable[Message]:
        """Keep the message, and show nothing."""
        if message.type == "clear_output":
            self.messages.clear()
        else:
            self.messages += super().__call__(message)
        return ()


@dataclass
class MachinePart:
    """What a cell is on one machine.

    Attributes:
        session: The session there, None for the local IPython.
        show: What becomes of the output.
        done: Whether it has ended.
        failure: What went wrong, "" for nothing.
        stopped: Whether the stop button ended it.
    """

    session: RemoteSession | None
    show: LabelledOutput | CollectedOutput
    done: bool = False
    failure: str = ""
    stopped: bool = False


class ParallelRun:
    """One cell on several machines.

    Args:
        code: The code.
        sessions: Where it runs.
        local: Whether it runs in the local IPython, too.
        grouping: How the output is put in order at the end; with "" it is shown as it comes.
        collected: Whether the output is kept until somebody asks for it.
    """

    def __init__(
        self,
        code: str,
        sessions: Sequence[RemoteSession],
        *,
        local: bool = False,
        grouping: Grouping = "",
        collected: bool = False,
    ) -> None:
        self._code = code
        self._grouping = grouping
        kind = CollectedOutput if grouping or collected else LabelledOutput
        self.parts = [MachinePart(session, kind(session.label)) for session in sessions]
        if local:
            self.parts.append(MachinePart(None, kind(HERE)))
        self.ended = asyncio.Event()

    async def run(self, runner: Runner, cell: Cell, output: CellOutput, *, beside: bool = False) -> None:
        """Run the cell everywhere, and wait for all of it. What fails is kept in the parts."""
        changed = asyncio.Event()
        tasks = [asyncio.create_task(self._run(part, runner, cell, output, changed, beside)) for part in self.parts]
        progress = None if beside else asyncio.create_task(self._tell_progress(cell, output, changed))
        try:
            await asyncio.gather(*tasks)
        finally:
            self.ended.set()
            changed.set()
            if progress is not None:
                await progress

    async def _run(
        self, part: MachinePart, runner: Runner, cell: Cell, output: CellOutput, changed: asyncio.Event, beside: bool
    ) -> None:
        try:
            if part.session is None:
                await asyncio.sleep(0)  # the machines have the cell before this one is busy with it
                reply = await runner.run_local_code(self._code, cell)
            else:
                await wait_up(part.session)
                reply = await runner.run_in(part.session, self._code, cell, part.show, beside=beside)
        except STOPPED as error:
            part.failure, part.stopped = str(error), True
        except RpycKernelError as error:
            part.failure = str(error)
        else:
            if reply.get("status") != "ok":
                text = f"{reply.get('ename')}: {reply.get('evalue') or ''}".removesuffix(": ")
                part.failure = plain(text, MAX_FAILURE_CHARACTERS)
                part.stopped = reply.get("ename") == "KeyboardInterrupt"
        part.done = True
        if isinstance(part.show, LabelledOutput):
            for message in part.show.rest():
                _publish(output, message, cell.msg_id)
        changed.set()

    async def _tell_progress(self, cell: Cell, output: CellOutput, changed: asyncio.Event) -> None:
        started, told = time.monotonic(), False
        while True:
            left = started + PROGRESS_AFTER_S - time.monotonic()
            try:
                async with asyncio.timeout(None if told else max(left, 0.0)):
                    await changed.wait()
            except TimeoutError:
                pass
            changed.clear()
            if told or time.monotonic() - started >= PROGRESS_AFTER_S:
                if told or not self.ended.is_set():
                    output.line(cell.msg_id, self._progress())
                told = told or not self.ended.is_set()
            if self.ended.is_set():
                return

    def _progress(self) -> str:
        busy = [part.show.label for part in self.parts if not part.done]
        line = f"{len(self.parts) - len(busy)} of {len(self.parts)} machines done"
        return f"{line}; {', '.join(busy[:5])}{'…' * (len(busy) > 5)} at work" if busy else line

    # --- the end

    def show(self, output: CellOutput, msg_id: str, grouping: Grouping = "") -> None:
        """Show what was kept, in the cell *msg_id*."""
        kept = [(part.show.label, part.show.messages) for part in self.parts if isinstance(part.show, CollectedOutput)]
        for message in grouped(kept, grouping or self._grouping or "engine"):
            _publish(output, message, msg_id)

    def outcome(self, output: CellOutput, msg_id: str) -> dict[str, Any]:
        """Return the content of the reply. Raises ParallelError where a machine has failed."""
        failures = {part.show.label: part.failure for part in self.parts if part.failure}
        if not failures:
            return dict(NOTHING)
        if all(part.stopped for part in self.parts if part.failure):
            return output.error("KeyboardInterrupt", f"stopped on {', '.join(failures)}", msg_id)
        raise ParallelError(failures, len(self.parts))


@dataclass
class ParallelRuns:
    """The notebook's cells on several machines.

    Attributes:
        last: The last of them.
        everywhere: The arguments of ``%%px`` with which each cell runs on several machines, None while it doesn't.
        tasks: Those that nobody waits for.
        cluster: The notebook's Dask cluster, None while there is none.
    """

    last: ParallelRun | None = None
    everywhere: dict[str, Any] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    cluster: OwnCluster | None = None


def grouped(kept: Sequence[tuple[str, Sequence[Message]]], grouping: Grouping) -> list[Message]:
    """Put the output of several machines in order.

    Args:
        kept: The output of each machine, by its name.
        grouping: ``engine``: machine by machine. ``type``: text first, then errors' text, then what was displayed.
            ``order``: text as by ``type``, then the first display of each machine, the second of each, and so on.

    Returns:
        The messages to show, with the names of the machines.
    """
    if grouping == "engine":
        return [each for label, messages in kept for each in _labelled(label, messages)]
    text = [each for label, messages in kept for each in _labelled(label, filter(_is_text, messages))]
    text.sort(key=lambda message: message.content.get("name") == "stderr")
    displays = [[_labelled(label, [each]) for each in messages if not _is_text(each)] for label, messages in kept]
    if grouping == "order":
        pieces = [piece for nth in zip_longest(*displays, fillvalue=[]) for piece in nth]
    else:
        pieces = [piece for each in displays for piece in each]
    return [*text, *(message for piece in pieces for message in piece)]


def _labelled(label: str, messages: Iterable[Message]) -> list[Message]:
    labelled = LabelledOutput(label)
    return [each for message in messages for each in labelled(message)] + labelled.rest()


def _is_text(message: Message) -> bool:
    return message.type in ("stream", "error")


async def wait_up(session: RemoteSession) -> None:
    """Give a machine whose link is down a moment to come back. Raises the error for which it doesn't."""
    deadline = time.monotonic() + LINK_PATIENCE_S
    session.hurry()
    while session.status is LinkStatus.LOST and time.monotonic() < deadline:  # noqa: ASYNC110 - told on another thread
        await asyncio.sleep(LINK_POLL_S)
    if session.closed or session.status is LinkStatus.LOST:
        raise session.error or LinkLost(session.address, session.failure)


def _publish(output: CellOutput, message: Message, msg_id: str) -> None:
    message.parent = msg_id
    output.publish(message, AT_ONCE)
