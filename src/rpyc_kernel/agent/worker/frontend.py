"""The front end as the worker's code sees it: publish a message, print, reply, and ask for a line."""

from __future__ import annotations

import queue
import signal
import sys

from .. import frames, wire
from .request_context import NOBODY, current, started_by
from .stopped_question import StoppedQuestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any, Dict, List, Optional, Protocol, Sequence, Tuple

    from ..wire import Bytes, Json
    from .interrupts import Interrupts
    from .io.keeper_channel import FrameWriter
    from .io.user_streams import UserStreams
    from .page_hints import PageHints

    class ShownPictures(Protocol):
        """The pictures that ``show`` has shown: `show.screen.Screen`."""

        def clear(self, number: int) -> None:
            """Begin anew with the next picture: the outputs of that cell were cleared."""

        def flush(self, number: int) -> None:
            """Show the last picture of each place: the code of that cell has ended."""

        def rest(self, display_id: str, rests: bool) -> None:
            """Make no pictures of a display, which nobody sees, or make them again; "" is all displays."""


MAX_REMEMBERED = 4096  #: requests
#: messages that come after all that was printed before, whatever printed it
FOLLOWS = ("display_data", "update_display_data", "clear_output", "execute_result", "error", "input_request")


ANSWER_POLL_INTERVAL_S = 0.1  #: seconds between two looks for an answer where no signal ends the waiting

NO_HEADER = {"msg_id": "", "msg_type": "", "session": "", "username": "", "version": "5.3"}

#: messages that the code of a cell may publish, and those of the worker to the kernel
PUBLISHED = frozenset(
    [
        "stream",
        "display_data",
        "update_display_data",
        "execute_result",
        "error",
        "clear_output",
        "comm_open",
        "comm_msg",
        "comm_close",
        "input_request",
        "session_info",
    ]
)


class StdinNotImplementedError(RuntimeError):
    """``input()`` was called, and the front end that runs the cell has no way to ask."""


class Frontend:
    """Sends to the front end, each message with its request. Callable from any thread.

    Args:
        writer: Takes the frames.
        interrupts: Says when an error is nobody's, and is told of questions that were stopped.

    Attributes:
        parents: The msg_id of each request by its number.
        origin: By channel, ``header`` and ``identities`` of the request that came last; a cell brings both.
        allow_stdin: Whether the front end of the running cell can be asked.
        screen: Shows pictures; made when ``show`` is first called.
        page_host: The name of the machine that Jupyter runs on.
        forwarded: The ports of this machine that are forwarded, each with the port of the kernel's machine.
    """

    def __init__(self, writer: FrameWriter, interrupts: Interrupts) -> None:
        self.writer = writer
        self._interrupts = interrupts
        self.stopped = StoppedQuestion(interrupts)
        self.parents: Dict[int, str] = {}
        self.origin: Dict[str, Json] = {}
        self.allow_stdin = False
        self.screen: Optional[ShownPictures] = None
        self.page_host = ""
        self.forwarded: Dict[int, int] = {}
        self._page_hints: Optional[PageHints] = None
        self.user_streams: Optional[UserStreams] = None
        self._running: Dict[int, wire.Message] = {}  # by number
        self._asked = 0
        self._answers: Dict[int, queue.SimpleQueue[Json]] = {}
        self._open: Dict[int, Tuple[int, wire.Message]] = {}  # questions, with the number of their request

    @property
    def request(self) -> int:
        """The number of the request that the running code belongs to."""
        return self.writer.request

    def remember(self, number: int, parent: str, request: Optional[wire.Message] = None) -> None:
        """Note that a request begins. Its msg_id stays known after its end: what it started may print for long."""
        parents = self.parents
        parents[number] = parent
        if request is not None:
            self._running[number] = request
            self.origin = request.content.pop("origin", self.origin)
        if len(parents) > MAX_REMEMBERED:
            try:
                parents.pop(next(iter(parents)), None)
            except RuntimeError:  # another thread was adding one: the next call makes up for it
                pass

    def parent(self, settle: bool = True) -> Json:
        """The request that the running code belongs to, as a Jupyter message; after its end, the header alone.

        A thread that asks belongs to the request whose code has started it from then on, unless told not to `settle`.
        """
        starter = started_by() if settle else 0
        if starter:
            current.set(starter)  # or an `Output` widget would catch nothing of what the thread prints then
        number = self.request
        msg_id = self.parents.get(number, "")
        request = self._running.get(number)
        msg_type = request.type if request else "execute_request"
        told = self._told("shell").get("header", {}) if request else {}
        header = dict(NO_HEADER, **dict(told, msg_id=msg_id, msg_type=msg_type))
        return _message(header, dict(request.content) if request else {}, dict(request.metadata) if request else {})

    def control_parent(self) -> Json:
        """The last request on the control channel when the running cell was sent, its header alone; {} before one."""
        header = self._told("control").get("header")
        return _message(dict(NO_HEADER, **header), {}, {}) if header else {}

    def identities(self, channel: str) -> List[bytes]:
        """The ZeroMQ identities of the front end whose request came last on that channel, as ipykernel keeps them."""
        return [str(each).encode("latin-1", "replace") for each in self._told(channel).get("identities", ())]

    def _told(self, channel: str) -> Json:
        return self.origin.get(channel, {})

    def claim(self, parent: Any) -> Token[int]:
        """Let the running thread or task belong to another request from now on, if that is known.

        Args:
            parent: The request as a message, or its header.

        Returns:
            What `request_context.current` is reset by.
        """
        wanted = header_of(parent).get("msg_id")
        number = self.request
        if wanted and self.parents.get(number) != wanted:
            number = next((each for each, known in reversed(list(self.parents.items())) if known == wanted), number)
        return current.set(number)

    def publish(
        self,
        msg_type: str,
        content: Json,
        metadata: Optional[Json] = None,
        buffers: Optional[Sequence[Bytes]] = None,
        kind: int = frames.MESSAGE,
    ) -> None:
        """Send a message to whoever started the running code, after all that was printed before.

        A message of a type that is not for a front end is dropped: the user's code may try to send any.

        Args:
            msg_type: A type of the Jupyter protocol, or ``rpyc_…``.
            content: Its content.
            metadata: Its metadata.
            buffers: Its binary buffers.
            kind: `frames.MESSAGE`, or `frames.URGENT` for a message that somebody waits for.

        Raises:
            MessageTooLong: It is longer than a message may be; an error is then published with that as its text.
        """
        if not (msg_type in PUBLISHED or msg_type.startswith("rpyc_")):
            return
        number = self.request
        if number == NOBODY or (self._interrupts.mute and msg_type == "error"):
            return
        if msg_type in FOLLOWS:
            self.flush()
        if msg_type == "clear_output" and self.screen is not None:
            self.screen.clear(number)
        shown: Any = content.get("data") if msg_type in ("display_data", "execute_result") else None
        named = isinstance(shown, dict) and "text/html" in shown
        if named:
            content = dict(content, data=self._embed(shown))
        message = wire.Message(msg_type, content, self.parents.get(number, ""), metadata, buffers or ())
        try:
            self.writer.send_message(kind, number, message)
        except wire.MessageTooLong as error:
            if msg_type != "error":
                raise
            message.content = {"ename": str(content.get("ename")), "evalue": str(error), "traceback": [str(error)]}
            self.writer.send_message(kind, number, message)
        if named:
            self._hint(content["data"]["text/html"])

    def _embed(self, data: Json) -> Json:
        """Put files into what is shown that the page could not load."""
        return dict(data, **{"text/html": self._hints().embed(data["text/html"])})

    def _hints(self) -> PageHints:
        if self._page_hints is None:
            from .page_hints import PageHints  # late: not every session shows HTML

            self._page_hints = PageHints(self.page_host, self.forwarded)
        return self._page_hints

    def _hint(self, html: Any) -> None:
        """Say what of this HTML the page can't load, if it is the first such thing."""
        hint = self._hints().look(html)
        if hint:
            self.stream("stderr", hint + "\n")

    def flush(self) -> None:
        """Show what waits in the buffers of streams that the user's code has made."""
        streams = self.user_streams
        if streams is None or self.writer.forked:
            return
        if streams.opened or streams.found or sys.stdout is not streams.stdout or sys.stderr is not streams.stderr:
            streams.flush()

    def failed(self) -> None:
        """The shell begins to report an error of the code that was running."""
        self._interrupts.end_forced()

    def reply(self, number: int, msg_type: str, content: Json) -> None:
        """Answer a request, with an error if the answer can't be sent; nothing follows for it on this thread."""
        self._running.pop(number, None)
        message = wire.Message(msg_type, content, self.parents.get(number, ""))
        try:
            self.writer.send_message(frames.ENDED, number, message)
        except Exception as error:
            failed = {"ename": type(error).__name__, "evalue": str(error), "traceback": [str(error)]}
            if content.get("status") == "error":  # which was told
                failed["ename"] = str(content.get("ename"))
            elif msg_type == "execute_reply":
                self.writer.send_message(frames.MESSAGE, number, wire.Message("error", failed, message.parent))
            message.content = dict(failed, status="error")
            self.writer.send_message(frames.ENDED, number, message)

    def stream(self, name: str, text: str) -> None:
        """Print to ``stdout`` or ``stderr``, whatever ``sys.stdout`` is now."""
        self.writer.write(frames.STDOUT if name == "stdout" else frames.STDERR, text)

    def input(self, prompt: object = "", password: bool = False) -> str:
        """Ask the front end that runs the cell for a line.

        Raises:
            StdinNotImplementedError: It can't be asked.
            EOFError: It has no more lines.
            KeyboardInterrupt: The user pressed stop instead.
        """
        if not self.allow_stdin or current.get() == NOBODY:
            raise StdinNotImplementedError("input() was called, but this front end can't be asked for input.")
        asker = sys._getframe(1)
        self.stopped.ask(asker)
        self._asked += 1
        serial = self._asked
        answers = self._answers[serial] = queue.SimpleQueue()
        try:
            content: Dict[str, Any] = {"prompt": str(prompt), "password": password, "serial": serial}
            number = self.request
            self._open[serial] = number, wire.Message("input_request", content, self.parents.get(number, ""))
            self.publish("input_request", content, kind=frames.URGENT)
            answer = _wait(answers)
            if "eof" in answer:
                raise EOFError("EOF when reading a line")
            if "error" in answer:
                raise StdinNotImplementedError("input() was called, but %s." % answer["error"])
            return str(answer.get("value", ""))
        except KeyboardInterrupt:
            self.stopped.stop(asker)
            raise
        finally:
            self._open.pop(serial, None)
            del self._answers[serial]

    def ask_again(self) -> None:
        """Send open questions again, to a kernel that has taken the session over (on the sorter's thread)."""
        for number, message in list(self._open.values()):
            self.writer.send_message(frames.URGENT, number, message)

    def answer(self, content: Json) -> None:
        """Take an ``input_reply`` (on the sorter's thread)."""
        answers = self._answers.get(content.get("serial", 0))
        if answers is not None:
            answers.put(content)


def _message(header: Json, content: Json, metadata: Json) -> Json:
    """A message in the form of jupyter_client's ``Session``."""
    return {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": header["msg_type"],
        "parent_header": {},
        "content": content,
        "metadata": metadata,
        "buffers": [],
    }


def header_of(parent: Any) -> Json:
    """The header of a message, which may itself be a header."""
    header = parent.get("header", parent) if isinstance(parent, dict) else {}
    return header if isinstance(header, dict) else {}


def _wait(answers: queue.SimpleQueue[Json]) -> Json:
    """Wait for the answer. On Windows no signal wakes a thread that waits: there it looks now and then."""
    seconds = None if hasattr(signal, "pthread_kill") else ANSWER_POLL_INTERVAL_S
    while True:
        try:
            return answers.get(timeout=seconds)
        except queue.Empty:
            continue
