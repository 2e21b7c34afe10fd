"""Ways that lead through a program: ssh, docker and the like, or simply another Python.

The program runs a gateway (``agent/serve/gateway.py``), to which its stdin and stdout lead. One program carries all
connections of this process to an address, and ends some time after the last one, or with this process. What begins the
gateway is in `remote_python`.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rpyc_kernel.agent.boot import digest_of
from rpyc_kernel.agent.serve.mux import READ_BYTES, Mux, MuxError
from rpyc_kernel.errors import DialCancelledError, DialError, DialTimeoutError, ProgramError, ProgramMissingError
from rpyc_kernel.transport import remote_python
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from rpyc_kernel.transport.deadline import Deadline

MAX_STARTS = 3  # of a program that ends as soon as it has become a gateway
LINGER_S = 15.0  # after its last connection a program stays, for the next cell's
FRESH_S = 5.0  # a program that was heard so short a time ago is alive
PROBE_TIMEOUT_S = 5.0  # for any other to show that it is
END_TIMEOUT_S = 5.0  # for a program whose stdin was closed
MAX_NOISE_BYTES = 16 << 20  # that a login prints before the gateway begins
KEPT_BYTES = 8 << 10  # of what a program says, for the sentence about its end
SHOWN_CHARS = 300

log = logging.getLogger(__name__)


class ProgramEnd(NamedTuple):
    """How a program has failed to become a gateway.

    Attributes:
        code: Its exit code; None where it runs and nothing came of it.
        output: The end of what it has printed.
        errors: The end of its stderr.
    """

    code: int | None
    output: str
    errors: str

    @property
    def told(self) -> str:
        """Its errors or else its output, on one line."""
        return plain(self.errors.strip() or self.output.strip(), SHOWN_CHARS)


class ProgramTransport(Transport):
    """A way through a program. A subclass says which one, and what its errors mean."""

    takes_python = True
    stock = False
    patience = 3.0  # a login, and a Python that starts, take longer than a connection

    environment: ClassVar[dict[str, str]] = {}  # what is added to the program's

    def command(self, address: Address) -> Sequence[str]:
        """Return the program and its arguments, which run `remote_python.SHELL` at *address*."""
        raise NotImplementedError

    def install_hint(self) -> str:
        """Return what to do where the program isn't installed here."""
        raise NotImplementedError

    def explain(self, address: Address, outcome: ProgramEnd) -> DialError | None:
        """Return the error for what the program itself has said; None for what isn't known."""
        raise NotImplementedError

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Open a connection through the program, which is started if none runs. Raises a DialError."""
        for _ in range(MAX_STARTS):
            program = self._running(address)
            try:
                return program.connect(deadline)
            except ConnectionError:
                _forget(program)
                if not program.began:
                    raise self._why_not(address, program.outcome) from None
            except TimeoutError:
                _forget(program)
                raise self._too_slow(address, program.outcome, deadline) from None
        raise ProgramError(address, f"{self.command(address)[0]} ends again and again, just after it has got there.")

    def _running(self, address: Address) -> _Program:
        """Return the program for an address, which is started if none runs."""
        with _lock:
            program = _programs.get(address)
            if program is not None and not program.ended.is_set():
                return program
            command = self.command(address)
            found = shutil.which(command[0])
            if not found:
                raise ProgramMissingError(address, command[0], self.install_hint())
            try:
                program = _Program(address, [found, *command[1:]], self.environment)
            except OSError as error:
                raise ProgramError(address, f"{found} can't be started here: {error.strerror}.") from None
            _programs[address] = program
            return program

    def _why_not(self, address: Address, outcome: ProgramEnd) -> DialError:
        if error := remote_python.explain(address, outcome.code, outcome.errors) or self.explain(address, outcome):
            return error
        said = f'; it said: "{outcome.told}"' if outcome.told else ""
        status = "sent something that is no answer" if outcome.code is None else f"ended with status {outcome.code}"
        return ProgramError(
            address,
            f"{self.command(address)[0]} {status} before a Python there could begin{said}.",
            "Does that login run commands, as `true`?",
        )

    def _too_slow(self, address: Address, outcome: ProgramEnd, deadline: Deadline) -> DialError:
        if error := self.explain(address, outcome):
            return error
        if not outcome.told:
            return DialTimeoutError(address, deadline.timeout or 0.0)
        return ProgramError(
            address,
            f'no Python began there within {deadline.timeout or 0.0:g} s; what came was: "{outcome.told}".',
        )


class _Program:
    """A program, which becomes a gateway.

    Attributes:
        began: Whether it has become one.
        ready: Set once connections can be opened, or never will be.
        ended: Set once it is of no use any more.
    """

    def __init__(self, address: Address, command: list[str], environment: dict[str, str]) -> None:
        self.address = address
        self.began = False
        self.ready = threading.Event()
        self.ended = threading.Event()
        self._mux: Mux | None = None
        self._output = self._errors = b""
        self._waiting = 0  # how many want a connection
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,  # no terminal to ask at, and no Ctrl-C from there
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
            | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._threads = {
            name: threading.Thread(target=work, name=f"{address} {name}", daemon=True)
            for name, work in (("stdout", self._read), ("stdin", self._write), ("stderr", self._listen))
        }
        self._threads["stderr"].start()  # the other thread joins it
        self._threads["stdout"].start()

    @property
    def outcome(self) -> ProgramEnd:
        """How it has ended, if it has."""
        return ProgramEnd(
            self._process.poll(), self._output.decode("utf-8", "replace"), self._errors.decode("utf-8", "replace")
        )

    def connect(self, deadline: Deadline) -> socket.socket:
        """Open a connection.

        Raises:
            ConnectionError: The program has ended.
            TimeoutError: It isn't ready at the deadline.
            DialCancelledError: The deadline's event was set.
        """
        with self._lock:
            self._waiting += 1
        try:
            while not self.ready.wait(deadline.slice()):
                self._check(deadline)
            self._probe(deadline)
            if self._mux is None or self.ended.is_set():
                raise ConnectionResetError
            return self._mux.open()
        except (TimeoutError, DialCancelledError):
            with self._lock:
                alone = self._waiting == 1
            if alone and not self.ready.is_set():  # nobody else waits for it to be ready
                self.kill()
            raise
        finally:
            with self._lock:
                self._waiting -= 1

    def _check(self, deadline: Deadline) -> None:
        if deadline.cancelled:
            raise DialCancelledError(self.address)
        if deadline.expired:
            raise TimeoutError

    def _probe(self, deadline: Deadline) -> None:
        """See that the gateway lives, where that isn't known. Raises ConnectionError if it doesn't."""
        mux = self._mux
        if mux is None or time.monotonic() - mux.heard < FRESH_S:
            return
        asked, limit = time.monotonic(), deadline.part(PROBE_TIMEOUT_S)
        mux.ping()
        while mux.heard < asked and not self.ended.is_set():
            if limit.cancelled:
                raise DialCancelledError(self.address)
            if limit.expired:
                self.kill()
                raise ConnectionResetError
            self.ended.wait(POLL_INTERVAL_S)

    def kill(self) -> None:
        """End it at once. From any thread."""
        self.ended.set()
        self._process.kill()
        if self._mux:
            self._mux.end()

    # --- its threads

    def _read(self) -> None:
        """Make a gateway of it, and read what comes of that."""
        try:
            self._begin()
        except (OSError, EOFError, MuxError) as error:
            log.info("%s: %s", self.address, error)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_TIMEOUT_S)
            # The end of stderr isn't waited for: the master of an ssh that shares connections has it open for ever.
            self._threads["stderr"].join(0.5)
            self.kill()
            self._process.wait()
            self.ready.set()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()

    def _begin(self) -> None:
        mark = secrets.token_hex(16)
        answer = digest_of(mark.encode()).encode() + b" "
        self._send(remote_python.opening_words(mark, self.address.python))
        word, rest = self._await(answer, b"")
        if word == b"agent":
            self._send(remote_python.agent_words())
            word, rest = self._await(answer, rest)
        first = [rest] if rest else []
        self._mux = Mux(lambda: first.pop() if first else self._receive(), self._send, linger=LINGER_S)
        self._threads["stdin"].start()
        self.began = True
        self.ready.set()
        self._mux.read()

    def _await(self, answer: bytes, data: bytes) -> tuple[bytes, bytes]:
        """Read up to the line with *answer*. Returns what the line says, and what has come behind it."""
        noise = 0
        while True:
            _noise, found, behind = data.partition(answer)
            if found and b"\n" in behind:
                word, _end, rest = behind.partition(b"\n")
                return word.strip(), rest
            more = self._receive()
            noise += len(more)
            if not more or noise > MAX_NOISE_BYTES:
                raise EOFError("no gateway has answered")
            self._output = (self._output + more)[-KEPT_BYTES:]
            data = (data if found else data[-len(answer) :]) + more

    def _receive(self) -> bytes:
        assert self._process.stdout is not None
        return os.read(self._process.stdout.fileno(), READ_BYTES)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) or 0 :]

    def _write(self) -> None:
        """Send what is to be sent, and close stdin at the end, which ends the gateway."""
        assert self._mux is not None
        try:
            self._mux.write()
        except (OSError, ValueError) as error:
            log.info("%s: %s", self.address, error)
        self.ended.set()
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while data := stream.read(READ_BYTES):
                self._errors = (self._errors + data)[-KEPT_BYTES:]


_programs: dict[Address, _Program] = {}
_lock = threading.Lock()


def _forget(program: _Program) -> None:
    with _lock:
        if _programs.get(program.address) is program:
            del _programs[program.address]


@atexit.register
def _end_all() -> None:
    for program in list(_programs.values()):
        program.kill()
