"""Publishes messages of another machine on IOPub, each under the header of the request to which it belongs.

Only the message types pass that a worker may send, and none is lost on its way: the `Publisher` waits for front ends
that read slowly (`IOPubBackpressure`), and publishes what had been waiting for the link no faster than a Jupyter server
passes it on (`IOPubRateLimit`). It reaches into ipykernel's ``IOPubThread``; ``tests/unit/ipykernel_places.py`` names
each place.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Protocol

import zmq

from rpyc_kernel.kernel.jupyter.documents import DocumentCells
from rpyc_kernel.kernel.jupyter.pictures import Pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipykernel.iostream import BackgroundSocket, IOPubThread
    from jupyter_client.session import Session

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.jupyter.pictures import Placed

DISPLAYS = frozenset({"display_data", "update_display_data"})
SHOWN = DISPLAYS | {"stream", "execute_result", "error", "clear_output"}
OUTPUTS = SHOWN | {"comm_open", "comm_msg", "comm_close"}
MAX_REQUESTS = 4096  # whose headers are kept after their end: what they have started may print for long

HUNG_AFTER_S = 120.0  # without taking a message: then a front end counts as one that hangs
RETRY_AFTER_S = 10.0  # since messages are dropped: then the thread tries to wait again
SEND_TIMEOUT_MS = 200  # of one attempt; between two the thread looks whether it has to end
MAX_QUEUED_BYTES = 4 << 20  # that may wait for the thread, if all messages have the size of the one that comes
MAX_QUEUED_MESSAGES = 64
POLL_INTERVAL_S = 0.002  # between two looks at the queue
ALONE_S = 5.0  # since the last front end has gone: so long nothing is published; an orphan ends in that time

WINDOW_S = 3.0  # the server's default
SERVER_BUSY_S = 1.5  # that the server may be busy with something else
MAX_MESSAGES = 2900  # in a window; the server drops messages above 3,000
MAX_BYTES = 2_900_000  # in a window; the server drops messages above 3,000,000
MAX_BURST_MESSAGES = 500  # in a short window; ZeroMQ queues 1,000 for a slow reader, and drops the rest without a word
BURST_WINDOW_S = 0.5

OVERHEAD_BYTES = 700  # of a message beside its text; 470 with the headers of JupyterLab
GRAIN_S = 0.02  # messages that were published within it are remembered as one entry
UNCOUNTED = frozenset({"status", "execute_input", "comm_open"})

log = logging.getLogger(__name__)


class AroundDocument(Protocol):
    """Takes pictures of ``show`` to pages without the notebook's document. Any thread may call it."""

    def take(self, message: Message, placed: Placed) -> bool:
        """Send a picture to the pages that show it. Return whether the document needn't have it now."""

    def begun(self, display: str) -> None:
        """Take note of a place that the document has got."""

    def ended(self, cell: str) -> None:
        """Give the document the last pictures of a cell that has ended."""


class Publisher:
    """Sends messages to IOPub: the kernel's `CellOutput`.

    Any thread may call it: a local cell that waits for a link blocks the event loop.

    Args:
        session: The kernel's, which signs messages.
        iopub_socket: The kernel's.
        topic: Gives ZeroMQ's topic for a message type.
        backpressure: Waits for front ends that read slowly.
        paced: Whether a backlog is published no faster than a Jupyter server passes it on.

    Attributes:
        around: Takes pictures to pages without the document; None where no page can have them.
    """

    def __init__(
        self,
        session: Session,
        iopub_socket: BackgroundSocket | zmq.Socket[bytes],
        topic: Callable[[str], bytes],
        *,
        backpressure: IOPubBackpressure | None = None,
        paced: bool = True,
    ) -> None:
        self._session = session
        self._iopub = iopub_socket
        self._topic = topic
        self._parents: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lines: dict[str, str] = {}  # the display_id of each line, which no code there can guess, by cell
        self._lines_lock = threading.Lock()  # also of the order in which a line changes
        self._pictures = Pictures()
        self._documents = DocumentCells()
        self._in_documents: set[str] = set()  # the cells that it knows
        self.around: AroundDocument | None = None
        self._pictured: set[str] = set()  # the running cells that have shown one
        self._backpressure = backpressure
        self._rate_limit = IOPubRateLimit() if paced else None
        self._rate_limit_lock = threading.Lock()

    def remember(self, parent: dict[str, Any]) -> str:
        """Keep the header of a request. Return its ``msg_id``."""
        msg_id = str(parent.get("header", {}).get("msg_id", ""))
        self._parents[msg_id] = {"header": parent.get("header", {})}
        self._parents.move_to_end(msg_id)
        while len(self._parents) > MAX_REQUESTS:
            self._parents.popitem(last=False)
        return msg_id

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Send a message of another machine to IOPub, if a worker may send one of its type.

        It waits for a front end that reads slowly.

        Args:
            message: The message; its ``parent`` is the ``msg_id`` of the request to which it belongs.
            until: Ends the wait when it is set; the message is sent all the same.
            backlog: Whether it comes late, so that a Jupyter server might drop it among many.
        """
        if message.type not in OUTPUTS:
            log.warning("a %r message came from the other machine and was dropped", message.type[:100])
            return
        picture = self._pictures.place(message) if message.type in DISPLAYS else None
        if message.parent in self._in_documents and message.type in SHOWN:
            for each in self._documents.admit(message, picture.display if picture else ""):
                self._publish(each, until, backlog=backlog)
            return
        if picture is not None and self.around is not None:
            self._pictured.add(message.parent)
            if self.around.take(message, picture):
                return
        self._publish(message, until, backlog=backlog)
        if picture is not None and self.around is not None and message.type == "display_data":
            self.around.begun(picture.display)

    def _publish(self, message: Message, until: threading.Event, *, backlog: bool) -> None:
        if self._backpressure is not None:
            self._backpressure.wait_for_room(_size(message), until)
        if self._rate_limit is not None:
            self._pace(self._rate_limit, message, until, backlog=backlog)
        self.show(message)

    def _pace(self, rate_limit: IOPubRateLimit, message: Message, until: threading.Event, *, backlog: bool) -> None:
        while True:
            with self._rate_limit_lock:
                now = time.monotonic()
                delay = rate_limit.delay(now, message.type, message.content) if backlog else 0.0
                if delay <= 0 or until.is_set():
                    rate_limit.published(now, message.type, message.content, live=not backlog)
                    return
            until.wait(delay)

    def show(self, message: Message) -> None:
        """Send a message of another machine to IOPub at once."""
        self.send(message.type, message.content, message.parent, message.metadata, message.buffers)

    def client_of(self, msg_id: str) -> str:
        """Return the ``session`` of the client that has sent that request, "" where it isn't known."""
        return str(self._parents.get(msg_id, {}).get("header", {}).get("session", ""))

    def send(
        self, msg_type: str, content: dict[str, Any], parent: str, metadata: Any = None, buffers: Any = None
    ) -> None:
        """Send a message to IOPub for the request with that ``msg_id``."""
        self._session.send(
            self._iopub,
            msg_type,
            content,
            parent=self._parents.get(parent, {}),
            ident=self._topic(msg_type),
            metadata=metadata or {},
            buffers=buffers or None,
        )

    def say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a line of ours on the stream of that *name*."""
        self.write(text + "\n", msg_id, name)

    def write(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a text of ours, as it is, on the stream of that *name*."""
        self.send("stream", {"name": name, "text": text}, msg_id)

    def error(self, ename: str, evalue: str, msg_id: str) -> dict[str, Any]:
        """Publish an error of ours, a sentence without a traceback; return the content of the reply to go with it."""
        content = {"ename": ename, "evalue": evalue, "traceback": [f"\x1b[31m{ename}\x1b[0m: {evalue}"]}
        self.send("error", content, msg_id)
        return {"status": "error", **content}

    # --- how a link is

    def line(self, msg_id: str, text: str) -> None:
        """Say how a link is, in the cell's one quiet line, which is updated in place."""
        with self._lines_lock:
            new = msg_id not in self._lines or msg_id in self._in_documents
            msg_type = "display_data" if new else "update_display_data"
            display = self._lines.setdefault(msg_id, f"link-{uuid.uuid4().hex}")
            content = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display}}
            self.send(msg_type, content, msg_id)

    def has_line(self, msg_id: str) -> bool:
        """Tell whether the cell has such a line."""
        return msg_id in self._lines

    def begin_in_document(self, msg_id: str) -> None:
        """Take note of a cell that a Jupyter server runs, and keeps the output of in the notebook's document."""
        self._documents.begin(msg_id)
        self._in_documents.add(msg_id)

    def end(self, msg_id: str) -> None:
        """Show the last picture of a cell that has ended, and forget its line."""
        if msg_id in self._in_documents:
            self._in_documents.discard(msg_id)
            for each in self._documents.end(msg_id):
                self.show(each)
        if msg_id in self._pictured and self.around is not None:
            self._pictured.discard(msg_id)
            self.around.ended(msg_id)
        with self._lines_lock:
            self._lines.pop(msg_id, None)


def _size(message: Message) -> int:
    """Return about how many bytes a message has."""
    data = message.content.get("data")
    texts = [message.content.get("text"), *(data.values() if isinstance(data, dict) else ())]
    return sum(len(text) for text in texts if isinstance(text, str)) + sum(map(len, message.buffers or ()))


# --- front ends that read slowly


class IOPubBackpressure:
    """Stands between ipykernel's IOPub thread and its socket, and waits where the socket would drop a message.

    ZeroMQ has a queue for each front end, of 1,000 messages on either side. ipykernel's socket drops messages without a
    word when a queue is full: a page that is slow, or a Jupyter server that is stopped for a while, would lose lines.
    This one waits, and so the other machine's Python is held back at last. A front end that takes nothing for
    `HUNG_AFTER_S` loses messages again, so that one that hangs doesn't stop the others.

    When the last front end has gone, nothing is taken from the other machine for a moment: a kernel whose Jupyter was
    killed lives for a second or two, and messages that came then would be shown to nobody.

    Args:
        thread: ipykernel's ``IOPubThread``, with an XPUB socket.
    """

    def __init__(self, thread: IOPubThread) -> None:
        self._thread = thread
        self._dropping_until: float | None = None
        self._topics: set[bytes] = set()  # of all front ends' subscriptions
        self._alone_since: float | None = None  # the time when the last front end went
        for name in ("_really_send", "_send_welcome_message"):
            setattr(thread, name, self._patiently(getattr(thread, name)))
        thread.schedule(self._set_up)

    def wait_for_room(self, size: int, until: threading.Event) -> None:
        """Wait while too much is queued, or nobody would get a message. On any thread but ipykernel's.

        Args:
            size: The size of the message that is to be published, in bytes.
            until: Ends the wait when it is set.
        """
        most = min(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES // max(size, 1))
        while (len(self._thread._events) > most or self._is_alone()) and not until.wait(POLL_INTERVAL_S):
            pass

    def _is_alone(self) -> bool:
        since = self._alone_since
        return since is not None and time.monotonic() - since < ALONE_S

    # --- on the IOPub thread

    def _set_up(self) -> None:
        self._thread.socket.setsockopt(zmq.SNDTIMEO, SEND_TIMEOUT_MS)
        self._drop(False)
        self._thread._xpub_stream.on_recv(self._on_subscription)

    def _on_subscription(self, frames: list[bytes]) -> None:
        for frame in frames:
            if frame[:1] == b"\x01":
                self._topics.add(frame[1:])
                self._alone_since = None
            elif frame[:1] == b"\x00":
                self._topics.discard(frame[1:])
                self._alone_since = None if self._topics else time.monotonic()
        self._thread._handle_subscription(frames)

    def _drop(self, dropping: bool) -> None:
        self._thread.socket.setsockopt(zmq.XPUB_NODROP, int(not dropping))
        self._dropping_until = time.monotonic() + RETRY_AFTER_S if dropping else None

    def _patiently(self, send: Callable[..., None]) -> Callable[..., None]:
        def send_patiently(*args: Any, **kwargs: Any) -> None:
            if not self._thread._is_master_process():  # forked: ipykernel has a pipe, or ZeroMQ sends nothing
                send(*args, **kwargs)
                return
            patience = HUNG_AFTER_S
            if self._dropping_until is not None and time.monotonic() > self._dropping_until:
                self._drop(False)
                patience = 0.0  # one attempt is enough
            give_up = time.monotonic() + patience
            while True:
                try:
                    send(*args, **kwargs)
                except zmq.Again:
                    if self._thread._stopped:
                        return
                    if time.monotonic() > give_up:
                        self._drop(True)
                else:
                    break
            if self._thread.socket.get(zmq.EVENTS) & zmq.POLLIN:  # sending has taken the stream's wake-up from it
                self._thread._xpub_stream.flush(zmq.POLLIN)

        return send_patiently


# --- servers that drop what comes too fast


def stream_bytes(text: str) -> int:
    """Return the bytes that a server counts for a ``stream`` message: the text in JSON, and the headers."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) + OVERHEAD_BYTES


def estimate_stream_bytes(text: str) -> int:
    """Estimate `stream_bytes` without a look for what JSON escapes, a hundred times as fast: enough for live output."""
    return len(text.encode("utf-8", "replace")) * 21 // 20 + OVERHEAD_BYTES


class IOPubRateLimit:
    """Counts what was published lately, and hence knows when the next message of a backlog may be. No I/O.

    A Jupyter server drops what comes too fast, for good: by default what is above 1,000 messages or 1 MB of ``stream``
    text a second (``iopub_msg_rate_limit`` and ``iopub_data_rate_limit``, counted over the ``rate_limit_window`` of
    3 s; ``_limit_rate`` in ``jupyter_server.services.kernels.connection.channels``). Of ``stream`` messages it counts
    every byte of header, parent, metadata and content as JSON; any other message is one message and no bytes, so that a
    picture of 8 MB waits for nothing. ``status``, ``execute_input`` and ``comm_open`` aren't counted.

    It counts in the window before the moment at which *it* handles a message. A server that was busy for a while
    handles what we sent in a longer time within a shorter one, so that ours is longer than its window by as long as it
    may be busy. We use up the window at once and then wait until it has passed: a hundred thousand lines take one pause
    of 4.5 s, and what was missed in a short outage takes none. A steady pace (a token bucket) that leaves a busy server
    the same time would need 6.6 s for those lines, and would slow down the short ones too.

    Times are seconds of any clock that only goes forward. Several threads need a lock around it.
    """

    def __init__(self) -> None:
        self._lately: deque[tuple[float, int, int]] = deque()  # time, messages, bytes; the oldest first

    def published(self, now: float, msg_type: str, content: dict[str, Any], *, live: bool = False) -> None:
        """Count a message that goes out now, of a backlog or *live*: the server can't tell the two apart."""
        if msg_type in UNCOUNTED:
            return
        count = estimate_stream_bytes if live else stream_bytes
        size = count(str(content.get("text", ""))) if msg_type == "stream" else 0
        messages = 1
        if self._lately and now - self._lately[-1][0] < GRAIN_S:
            # An entry has the time of its first message; the last one is at most GRAIN_S younger, and waited for too.
            at, earlier, bytes_before = self._lately.pop()
            self._lately.append((at, messages + earlier, size + bytes_before))
        else:
            self._lately.append((now, messages, size))
        while now - self._lately[0][0] > WINDOW_S + SERVER_BUSY_S + GRAIN_S:
            self._lately.popleft()

    def delay(self, now: float, msg_type: str, content: dict[str, Any]) -> float:
        """Return the seconds until that message of a backlog may go out; 0 for at once. Ask again when they are over.

        A message of more than a window's bytes waits for an empty window.
        """
        if msg_type in UNCOUNTED or not self._lately:
            return 0.0
        room = max(0, MAX_BYTES - stream_bytes(str(content.get("text", "")))) if msg_type == "stream" else None
        return max(
            self._until_room(now, BURST_WINDOW_S, MAX_BURST_MESSAGES - 1, None),
            self._until_room(now, WINDOW_S + SERVER_BUSY_S, MAX_MESSAGES - 1, room),
        )

    def _until_room(self, now: float, span: float, messages: int, room: int | None) -> float:
        """Return the seconds until at most *messages* and *room* bytes have gone out in the last *span* seconds."""
        for at, sent, size in self._newest_first(now - span - GRAIN_S):
            if sent > messages or (room is not None and size > room):
                return at + span + GRAIN_S - now
        return 0.0

    def _newest_first(self, since: float) -> Iterator[tuple[float, int, int]]:
        """Yield for each entry since then its time, and the messages and bytes that have gone out from it on."""
        messages = size = 0
        for at, more_messages, more_size in reversed(self._lately):
            if at <= since:
                return
            messages, size = messages + more_messages, size + more_size
            yield at, messages, size
