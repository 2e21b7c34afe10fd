"""Completion, inspection and whether code is complete, answered beside the cells.

To answer a question, code of the user's may run that takes long (``__dir__``, ``__repr__``). One thread answers the
questions. A second thread watches the first: when a question takes too long, it answers that nothing was found, leaves
the first thread to the question, and starts another thread for the questions that follow. As long as a thread is left
behind, the shell is in a hurry. jedi takes long by itself when it begins: where no code of cells runs, a question has
more time, until somebody asks again. What the user's code prints meanwhile belongs to no cell.
"""

from __future__ import annotations

import queue
import sys
import threading
import time

from .. import wire
from .own_thread import OwnThread
from .request_context import NOBODY, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from ..wire import Json, Message
    from .frontend import Frontend
    from .shells.protocol import Shell

POLL_INTERVAL_S = 0.05  #: seconds between two looks whether another question waits
LIMIT_S = 1.2  #: seconds for one question
LONE_LIMIT_S = 8.0  #: seconds while no code of cells runs for it, and no other question waits
DEBUGGER_LIMIT_S = 5.0  #: seconds for a look at all variables, for which a front end waits
HURRIED_LIMIT_S = 0.4  #: seconds for a question that is tried again
MAX_LEFT_THREADS = 16  #: that may be left behind; with more, each answer is that nothing was found


class IntrospectionQuestion:
    """A request that waits for its answer."""

    def __init__(self, number: int, message: Message, limit: float = LIMIT_S) -> None:
        self.number = number
        self.message = message
        self.limit = limit
        self.due = 0.0  # when it takes too long, once it has begun
        self.done = False  # its thread has finished
        self.answered = False


class Introspection:
    """Answers questions; its threads begin with the first one.

    Args:
        frontend: Takes the answers.
        shell: Finds them.

    Attributes:
        look_for_debugger: Answers a ``debug_request`` about the variables; set by the debugger.
    """

    def __init__(self, frontend: Frontend, shell: Shell) -> None:
        self.frontend = frontend
        self.shell = shell
        self.look_for_debugger: Optional[Callable[[Message], Json]] = None
        self._questions: queue.SimpleQueue[IntrospectionQuestion] = queue.SimpleQueue()
        self._current: Optional[IntrospectionQuestion] = None
        self._watch_waits = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # rung when a question begins and the watch waits
        self._answering = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._left: List[threading.Thread] = []

    def ask(self, number: int, message: Message) -> None:
        """Answer a question soon: by its type, of the shell or of the debugger."""
        limit = DEBUGGER_LIMIT_S if message.type == "debug_request" else LIMIT_S
        self._questions.put(IntrospectionQuestion(number, message, limit))
        if self._thread is None:
            self._start(None)
            OwnThread(self._watch, "rpyc-kernel-introspection-watch").start()

    def _start(self, first: Optional[IntrospectionQuestion]) -> None:
        self._thread = OwnThread(self._work, "rpyc-kernel-introspection", (first,))
        self._thread.start()

    def _work(self, question: Optional[IntrospectionQuestion]) -> None:
        """Answer one question after the other, until one has taken too long."""
        current.set(NOBODY)
        while True:
            question = question or self._questions.get()
            self.frontend.parents[question.number] = question.message.parent
            self._left = [thread for thread in self._left if thread.is_alive()]
            self.shell.in_a_hurry = bool(self._left)
            question.due = time.monotonic() + question.limit
            self._current = question
            if self._watch_waits:
                self._bell.put(None)
            content = _nothing(question.message)
            if len(self._left) < MAX_LEFT_THREADS:
                try:
                    content = self._look_up(question.message)
                except BaseException:  # whatever the user's code raises
                    pass
            question.done = True
            if not self._answer(question, content):
                return
            question = None

    def _watch(self) -> None:
        """Look at the running question when it is due. No question wakes this thread but the first after a pause."""
        while True:
            self._watch_waits = True
            if self._current is None or self._current.done:
                self._bell.get()
            self._watch_waits = False
            while self._current is not None and not self._current.done:
                self._look_at(self._current)

    def _look_at(self, question: IntrospectionQuestion) -> None:
        now = time.monotonic()
        if now < question.due:
            time.sleep(question.due - now)
        elif (
            now > question.due - question.limit + LONE_LIMIT_S
            or not self._questions.empty()
            or _runs_cells(self._thread)
        ):
            self._give_up(question)
        else:
            time.sleep(POLL_INTERVAL_S)

    def _give_up(self, question: IntrospectionQuestion) -> None:
        """Leave the thread to the question. A completion is tried once more, in a hurry."""
        assert self._thread is not None
        again: Optional[IntrospectionQuestion] = None
        if question.message.type == "complete_request" and not self.shell.in_a_hurry:
            again = IntrospectionQuestion(question.number, question.message, HURRIED_LIMIT_S)
        if self._claim(question) if again else self._answer(question, _nothing(question.message)):
            self._left.append(self._thread)
            self._current = None
            self._start(again)

    def _answer(self, question: IntrospectionQuestion, content: Json) -> bool:
        """Answer a question unless it was answered already; returns whether this was the answer."""
        if not self._claim(question):
            return False
        try:
            self.frontend.reply(question.number, wire.reply_type(question.message.type), content)
        finally:
            self.frontend.parents.pop(question.number, None)
        return True

    def _claim(self, question: IntrospectionQuestion) -> bool:
        with self._answering:
            first, question.answered = not question.answered, True
        return first

    def _look_up(self, message: Message) -> Json:
        content = message.content
        if message.type == "debug_request" and self.look_for_debugger is not None:
            return self.look_for_debugger(message)
        if message.type == "is_complete_request":
            return dict(self.shell.is_complete(content["code"]))
        code, cursor = content["code"], content["cursor_pos"]
        if message.type == "complete_request":
            return dict(self.shell.complete(code, cursor))
        sections = set(content.get("omit_sections") or ())
        return dict(self.shell.inspect(code, cursor, content.get("detail_level", 0), sections))


def _runs_cells(thread: Optional[threading.Thread]) -> bool:
    """Whether a thread runs code of a cell, or what such code has called."""
    frame = sys._current_frames().get(thread.ident or 0) if thread else None
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back
    return frame is not None


def _nothing(message: Message) -> Json:
    if message.type == "inspect_request":
        return {"status": "ok", "found": False, "data": {}, "metadata": {}}
    if message.type == "is_complete_request":
        return {"status": "unknown"}
    if message.type == "debug_request":
        from .debugger.dap import failure

        return failure(message.content["request"], "It takes too long, or can't be shown.")
    cursor = message.content.get("cursor_pos", 0)
    return {"status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor, "metadata": {}}
