"""Runs programs for cells: their output appears at once, and an interrupt ends them.

A program gets no stdin (nobody could type there) and a process group of its own: an interrupt goes to the whole group
of this program and to nothing that an earlier cell has started. `subprocess.run` gives output only when the program has
ended, and at an interrupt kills the program alone.
"""

from __future__ import annotations

import codecs
import errno
import os
import subprocess
import sys
import time

from ...own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

    Sink = Callable[[str], None]

_CHUNK_BYTES = 1 << 16
_TERMINAL_SIZE = (24, 80)  #: lines and columns
_POLL_INTERVAL_S = 0.1  #: seconds between looks whether a program has ended whose children keep its pipes
_GRACE_S = 0.25  #: seconds that a program has to end after an interrupt, before it is killed


_POSIX = hasattr(os, "killpg")  # else (Windows) there are no process groups, and select knows sockets alone


class Lines(list):  # type: ignore[type-arg]
    """The lines that a command has written: a list, ``.n`` and ``.s`` are one text, joined by line breaks or blanks."""

    @property
    def n(self) -> str:
        return "\n".join(self)

    @property
    def s(self) -> str:
        return " ".join(self)


def system(command: str) -> int:
    """Run a command in the system's shell, what it writes goes to `sys.stdout`. Returns its exit status."""
    return run(command, [to_stdout])


def getoutput(command: str) -> Tuple[Lines, int]:
    """The lines that a command writes to stdout and stderr, and its exit status."""
    parts: List[str] = []
    status = run(command, [parts.append])
    return Lines("".join(parts).splitlines()), status


def to_stdout(text: str) -> None:
    """Write so that it is seen now."""
    sys.stdout.write(text)
    sys.stdout.flush()


def to_stderr(text: str) -> None:
    """Write so that it is seen now."""
    sys.stderr.write(text)
    sys.stderr.flush()


def run(
    command: Union[str, Sequence[str]], sinks: List[Sink], text: Optional[str] = None, terminal: bool = False
) -> int:
    """Run a program.

    Args:
        command: A line for the system's shell, or a list of arguments.
        sinks: Take the output: one takes all, of two the second takes stderr.
        text: Becomes its stdin.
        terminal: Whether its output, but not its stdin, is a terminal, where there are terminals (POSIX).

    Returns:
        The exit status, negative for a signal.

    Raises:
        OSError: It can't be started.
        KeyboardInterrupt: It was interrupted, and has ended.
    """
    screen = _open_terminal() if terminal and _POSIX else None
    try:
        child = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=screen[1] if screen else subprocess.PIPE,
            stderr=subprocess.PIPE if len(sinks) > 1 else subprocess.STDOUT,
            **own_group(),
        )
    except BaseException:
        if screen:
            screen[0].close()
        raise
    finally:
        if screen:
            os.close(screen[1])
    pipes = (screen[0] if screen else child.stdout, child.stderr)
    readers = [_PipeReader(pipe, sink) for pipe, sink in zip(pipes, sinks)]
    try:
        if text is not None:
            _feed(child, _encoded(command, text))
        _read(child, readers)
        return child.wait()
    except BaseException:
        _end(child, readers)
        raise
    finally:
        for reader in readers:
            reader.finish()


class _PipeReader:
    """One pipe, decoded as it comes."""

    def __init__(self, pipe: Any, sink: Sink) -> None:
        import locale

        self.pipe = pipe
        self.sink = sink
        encoding = locale.getpreferredencoding(False)
        if os.name == "nt":
            from ....windows import console_encoding

            encoding = console_encoding()
        elif encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968"):
            encoding = "utf-8"  # the C locale says nothing about what programs write
        self.decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.left = False

    def read(self) -> bool:
        """Pass on the bytes that are there; False at the end."""
        try:
            return self.give(os.read(self.pipe.fileno(), _CHUNK_BYTES))
        except OSError as error:
            if error.errno != errno.EIO:  # so a terminal ends
                raise
            return self.give(b"")

    def give(self, chunk: bytes) -> bool:
        """Pass bytes on as text; False at the end."""
        text = self.decoder.decode(chunk, not chunk)
        if os.name == "nt":
            text = text.replace("\r\n", "\n")
        if text:
            self.sink(text)
        return bool(chunk)

    def finish(self) -> None:
        if not self.left:
            self.pipe.close()

    def leave(self) -> None:
        """Go on reading in a thread: a program in the background has the pipe, and would die without a reader."""
        self.left = True
        OwnThread(self._drain, "output of a background program").start()

    def _drain(self) -> None:
        with self.pipe:
            while self.read():
                pass


def _open_terminal() -> Tuple[Any, int]:
    """A new terminal, which nobody types at: what is written to it can be read from the first."""
    import fcntl
    import struct
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *_TERMINAL_SIZE, 0, 0))
    return os.fdopen(master, "rb", 0), slave


def own_group() -> Dict[str, Any]:
    """The options by which `subprocess.Popen` gives a program a process group of its own."""
    if not _POSIX:
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.version_info >= (3, 11):
        return {"process_group": 0}
    # not start_new_session: who ends the session's processes by session id has to find them
    return {"preexec_fn": os.setpgrp}


def _encoded(command: Union[str, Sequence[str]], text: str) -> bytes:
    """A program's stdin: UTF-8, for Windows' own shell the console's."""
    if os.name == "nt" and command[0].lower() in ("cmd", "cmd.exe"):
        from ....windows import console_encoding

        return text.replace("\n", "\r\n").encode(console_encoding(), "replace")
    return text.encode("utf-8", "surrogateescape")


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    """Write stdin from a thread: the program may write before it has read all of it."""

    def write() -> None:
        assert child.stdin is not None
        try:
            with child.stdin as pipe:
                pipe.write(data)
        except OSError:
            pass  # it ended without reading

    OwnThread(write, "input of a program").start()


def _read(child: subprocess.Popen[bytes], readers: List[_PipeReader]) -> None:
    if not _POSIX:
        _read_by_threads(child, readers)
        return
    import selectors

    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.pipe, selectors.EVENT_READ, reader)
        while selector.get_map():
            ended = child.poll() is not None
            ready = selector.select(0 if ended else _POLL_INTERVAL_S)
            for key, _ in ready:
                if not key.data.read():
                    selector.unregister(key.fileobj)
            if ended and not ready:
                for key in list(selector.get_map().values()):
                    key.data.leave()
                return


def _read_by_threads(child: subprocess.Popen[bytes], readers: List[_PipeReader]) -> None:
    """Read as `_read` does, with a thread for each pipe; this thread looks now and then, and so can be interrupted."""
    import queue

    chunks: queue.SimpleQueue[Tuple[_PipeReader, bytes]] = queue.SimpleQueue()
    left = len(readers)

    def fill(reader: _PipeReader) -> None:
        with reader.pipe:
            chunk = b"?"
            while chunk:
                chunk = os.read(reader.pipe.fileno(), _CHUNK_BYTES)
                chunks.put((reader, chunk))

    def empty() -> None:
        nonlocal left
        reader, chunk = chunks.get(timeout=_POLL_INTERVAL_S)
        left -= not reader.give(chunk)

    def drain() -> None:
        while left:
            try:
                empty()
            except queue.Empty:
                continue

    for reader in readers:
        reader.left = True  # its thread closes it
        OwnThread(fill, "output of a program", (reader,)).start()
    while left:
        ended = child.poll() is not None
        try:
            empty()
        except queue.Empty:
            if ended:
                OwnThread(drain, "output of a background program").start()
                return


def _end(child: subprocess.Popen[bytes], readers: List[_PipeReader]) -> None:
    """End a program and its children: first as Ctrl-C would, soon for certain."""
    if not _POSIX:
        if os.name == "nt":
            from ....windows import kill_tree

            kill_tree(child.pid)
        child.kill()
        child.wait()
        return
    import signal

    _signal_group(child, signal.SIGINT)
    deadline = time.monotonic() + _GRACE_S
    try:
        import select

        while time.monotonic() < deadline:
            ready = select.select([reader.pipe for reader in readers], [], [], 0.02)[0]
            more = [reader.read() for reader in readers if reader.pipe in ready]
            if child.poll() is not None and not any(more):
                break
            if ready and not any(more):
                time.sleep(0.01)
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except OSError:
        pass  # it has ended
