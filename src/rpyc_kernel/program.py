"""A program that runs on another machine with its output, its questions and its exit code here.

Its session is one of its own, over a link that is dialled again when it breaks.
"""

from __future__ import annotations

import contextlib
import getpass
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import DialCancelledError, RpycKernelError
from rpyc_kernel.link import listing
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import cause
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.hosts.target import Target
    from rpyc_kernel.transport.address import Address

KEEP_S = 3600.0  # that its session waits for a lost link once it has ended
SECOND_PRESS_S = 5.0  # between two Ctrl-C of somebody who wants it to end, whatever it does
CANCEL_POLL_INTERVAL_S = 0.2
END_TIMEOUT_S = 15.0  # for a session that was given up while it began: a board takes its time
MSG_ID = "program"
SIGNALLED_CODE = 128  # and the number of a signal, as shells have it


class Write(Protocol):
    """Takes what a program prints."""

    def __call__(self, text: str, *, error: bool = False) -> None:
        """Take a text of stdout or, with *error*, of stderr. On the link's thread."""


def write(text: str, *, error: bool = False) -> None:
    """Write a text to stdout or stderr at once, whatever their encoding."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def run(
    machine: Target,
    source: str,
    argv: list[str],
    name: str,
    write: Write = write,
    cancel: threading.Event | None = None,
    begun: Callable[[Address], object] | None = None,
    *,
    asks: bool = True,
) -> int:
    """Run a program there to its end.

    Ctrl-C interrupts it; a second one within `SECOND_PRESS_S` seconds ends its session.

    Args:
        machine: Where it runs.
        source: Its text.
        argv: Its ``sys.argv``.
        name: What its session is called.
        write: Takes what it prints, and what there is to say of it.
        cancel: Ends it and its session, once it is set.
        begun: Called with the server's address once its session has begun, before it runs.
        asks: Whether its ``input()`` asks here.

    Returns:
        Its exit code.

    Raises:
        RpycKernelError: It could not be started, its session was ended, or *cancel* was set.
    """
    where, cancel = machine.address, cancel or threading.Event()
    config = machine.config_without_kernel(name, KEEP_S, "plain")
    program = first_server(
        where, where.locate(cancel=cancel), lambda server, _seconds: Program(machine, server, config, write, cancel)
    )
    try:
        if begun is not None:
            begun(program.server)
        program.start(source, argv, asks=asks)
        return program.wait()
    finally:
        program.close()


class Program:
    """A session with one program in it.

    Messages come on the link's thread, which shows them; what concerns the program as a whole goes to the thread that
    waits for its end.

    Attributes:
        server: Its address.
    """

    def __init__(
        self, machine: Target, server: Address, config: dict[str, Any], write: Write, cancel: threading.Event
    ) -> None:
        """Begin a session. Raises a RpycKernelError."""
        self.server = server
        self._write = write
        self._cancel = cancel
        self._machine = machine
        self._events: queue.SimpleQueue[Message | Exception] = queue.SimpleQueue()
        self._lost = False
        self._link = Link(server, self._take, self._changed, title=config["name"], holder="rpyc-kernel exec")
        open_or_end(self._link, config, cancel)

    def start(self, source: str, argv: list[str], *, asks: bool = True) -> None:
        """Have the program run. Raises TooLongError."""
        content = {"code": source, "program": argv, "silent": False, "store_history": False, "allow_stdin": asks}
        self._link.submit(Message("execute_request", {**content, "deaths": 0}, MSG_ID))

    def wait(self) -> int:
        """Wait until the program has ended, and return its exit code. Raises a RpycKernelError."""
        pressed = -SECOND_PRESS_S
        while True:
            try:
                return self._serve()
            except KeyboardInterrupt:
                before, pressed = pressed, time.monotonic()
                if pressed - before < SECOND_PRESS_S:
                    raise
                self._link.interrupt(MSG_ID)

    def close(self) -> None:
        """End the session, if its machine can be reached."""
        if not self._link.close(end=True) and self._lost:
            where, line = self._machine, f"rpyc-kernel sessions {self._machine.address} --end {self._link.session[:8]}"
            self._write(
                f"{where.display} can't be reached, so the program may go on there: {line} ends it.\n", error=True
            )

    def _serve(self) -> int:
        while True:
            try:
                event = self._events.get(timeout=CANCEL_POLL_INTERVAL_S)
            except queue.Empty:
                if self._cancel.is_set():
                    raise DialCancelledError(self._machine.address) from None
                continue
            if isinstance(event, Exception):
                raise event
            if event.type == "input_request":
                self._link.submit(Message("input_reply", _answer(event), MSG_ID))
            else:
                return self._code(event)

    def _code(self, reply: Message) -> int:
        end = reply.content.get("end") if reply.sealed else None  # how its Python has ended, as the keeper says
        if not isinstance(end, dict):
            code = reply.content.get("exit_code", 1)
            stopped = reply.content.get("ename") == "KeyboardInterrupt"  # before it had begun
            return SIGNALLED_CODE + signal.SIGINT if stopped else int(code)
        if isinstance(code := end.get("code"), int) and reply.content.get("begun"):
            return code & 0xFF  # by os._exit, or what amounts to it
        self._write(death(self._machine, end) + "\n", error=True)
        number = getattr(signal, str(end.get("signal")), None)
        return SIGNALLED_CODE + number if isinstance(number, signal.Signals) else 1

    # --- what the link calls

    def _take(self, message: Message, _backlog: bool) -> None:
        content = message.content
        try:
            if message.type == "stream":
                self._write(str(content.get("text")), error=content.get("name") == "stderr")
            elif message.type in ("display_data", "execute_result"):
                data = content.get("data")
                self._write(f"{data.get('text/plain', '')}\n" if isinstance(data, dict) else "")
            elif message.type in ("input_request", "execute_reply"):
                self._events.put(message)
        except OSError as error:  # whoever reads our output has seen enough
            self._events.put(error)

    def _changed(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        where = self._machine.display
        if status is LinkStatus.LOST:
            self._lost = True
            self._write(f"The link to {where} is lost, and dialled until it is back. It goes on there.\n", error=True)
        elif status is LinkStatus.UP and self._lost:
            self._lost = False
            self._write(f"The link to {where} is back.\n", error=True)
        elif status is LinkStatus.CLOSED and error is not None:
            self._events.put(error)


def open_or_end(link: Link, config: dict[str, Any], cancel: threading.Event) -> None:
    """Begin the session of a link; where that is given up meanwhile, end what has begun. It blocks.

    Args:
        link: The link, which wasn't opened yet.
        config: How the session begins.
        cancel: Gives it up.

    Raises:
        RpycKernelError: It can't begin, or was given up.
    """
    server = link.address
    try:
        link.open(config, cancel)
    except BaseException as error:
        given_up = cancel.is_set() or not isinstance(error, RpycKernelError)  # by Ctrl-C, or a signal that ends us
        if given_up and link.hello:
            with contextlib.suppress(RpycKernelError):
                end_begun(server, link.session)
        raise


def end_begun(server: Address, session: str) -> None:
    """End a session that was given up while it began: it is there, or will be in a moment. Raises a RpycKernelError."""
    listing.terminate(server, session, END_TIMEOUT_S, hello=END_TIMEOUT_S, begins=True)


def death(machine: Target, end: dict[str, Any]) -> str:
    """Return the sentence for a Python that has ended there, as its keeper describes it."""
    when = ", before it could run anything" if end.get("stillborn") else ""
    return f"The Python on {machine.display} {cause(end)}{when}."


def _answer(question: Message) -> dict[str, Any]:
    """Ask here for the line that a question wants, and return the content of the answer."""
    content = question.content
    prompt = str(content.get("prompt", ""))
    answer: dict[str, Any] = {"serial": content.get("serial")}
    try:
        answer["value"] = getpass.getpass(prompt) if content.get("password") else input(prompt)
    except EOFError:
        answer["eof"] = True
    return answer
