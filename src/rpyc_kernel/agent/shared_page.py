"""One page of memory that the keeper shares with a worker that it has forked; how much is in a pipe. Linux only.

Elsewhere ``FIONREAD`` at the write end of a pipe says 0, whatever is in it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

_INT = struct.Struct("=i")


def _fionread() -> int:
    """The number of FIONREAD; where it is the usual one, without `termios`, which takes 0.1 MiB of a session."""
    if os.uname().machine.startswith(("aarch64", "arm", "i686", "riscv", "x86_64")):
        return 0x541B
    import termios

    return termios.FIONREAD


FIONREAD = _fionread()


class Page:
    """Memory that the keeper and its worker share: counters of the pipes, the last interrupt, an unfinished line."""

    # native, so that each number is written at once
    _TURN = struct.Struct("@Q")  # odd while the keeper reads a pipe
    _COUNTERS = struct.Struct("@QQQ")  # turn, and bytes read from either pipe
    _INTERRUPT = struct.Struct("@II")
    _CARRIES = struct.Struct("@Q")
    _PRESS = struct.Struct("@I")
    _PARTIAL = struct.Struct("=BII")
    _INTERRUPT_AT = 24
    _CARRIES_AT = 32
    _PRESS_AT = 40
    _PARTIAL_AT = 48
    _TEXT_AT = _PARTIAL_AT + _PARTIAL.size
    PARTIAL_MAX = 2048

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)
        self._unread = memoryview(bytearray(4)).cast("i")  # the module array would be loaded for nothing else

    @property
    def counters(self) -> Tuple[int, int]:
        """How many bytes the keeper has read from each pipe so far; only the keeper changes them, and asks."""
        _turn, out, err = self._COUNTERS.unpack_from(self._memory)
        return out, err

    def read_pipe(self, index: int, fd: int, count: int) -> bytes:
        """Read from a pipe, and count the bytes. The worker sees that this is under way, and waits for its end.

        Raises:
            BlockingIOError: The pipe is empty.
        """
        turn, *counters = self._COUNTERS.unpack_from(self._memory)
        self._TURN.pack_into(self._memory, 0, turn + 1)
        try:
            data = os.read(fd, count)
            counters[index] += len(data)
            return data
        finally:
            self._COUNTERS.pack_into(self._memory, 0, turn + 1, *counters)
            self._TURN.pack_into(self._memory, 0, turn + 2)

    def watch(self, pipes: Tuple[int, int]) -> None:
        """Before the fork: let the worker see whether something is in these pipes; it has no read ends of them.

        The worker asks for each line that it prints. ``FIONREAD`` of each pipe would take three times as long, since
        Python tells audit hooks of it, and a worker has one.
        """
        self._filled = select.epoll(2)
        for fd in pipes:
            self._filled.register(fd, select.EPOLLIN)

    def watch_no_more(self) -> None:
        """Close that look into the pipes: in the keeper, after the fork."""
        self._filled.close()

    def stamps(self, pipes: Tuple[int, int]) -> Tuple[int, int]:
        """How many bytes others have ever written to each of two pipes; ``pipes``: the write ends."""
        memory, counters, unread, ioctl = self._memory, self._COUNTERS, self._unread, fcntl.ioctl
        while True:
            turn, out, err = counters.unpack_from(memory)
            if self._filled.poll(0, 2):
                ioctl(pipes[0], FIONREAD, unread)
                out += unread[0]
                ioctl(pipes[1], FIONREAD, unread)
                err += unread[0]
            if not turn & 1 and turn == self._TURN.unpack_from(memory)[0]:
                return out, err
            time.sleep(0)  # the keeper is reading just now

    @property
    def interrupt(self) -> Tuple[int, int]:
        """The serial number of the last interrupt, and the number of its request."""
        serial, request = self._INTERRUPT.unpack_from(self._memory, self._INTERRUPT_AT)
        return serial, request

    @interrupt.setter
    def interrupt(self, value: Tuple[int, int]) -> None:
        self._INTERRUPT.pack_into(self._memory, self._INTERRUPT_AT, *value)

    def take_press(self) -> bool:
        """Take the last interrupt's press of the stop button; returns whether nobody has.

        The functions of `on_interrupt` run where it is taken. Worker and keeper may both take it in one moment, which
        does no harm: what stops a motor may run twice.
        """
        serial = self.interrupt[0]
        if self._PRESS.unpack_from(self._memory, self._PRESS_AT)[0] == serial:
            return False
        self._PRESS.pack_into(self._memory, self._PRESS_AT, serial)
        return True

    def note_interrupt(self, _number: int) -> bool:
        """The keeper has set `interrupt` and sent the signal. Returns whether the worker has to send it: no."""
        return False

    @property
    def carries(self) -> int:
        """How many bytes a second the link to the kernel carries; 0 while that isn't known."""
        return self._CARRIES.unpack_from(self._memory, self._CARRIES_AT)[0]  # type: ignore[no-any-return]

    @carries.setter
    def carries(self, value: int) -> None:
        self._CARRIES.pack_into(self._memory, self._CARRIES_AT, value)

    def hold_partial(self, kind: int, request: int, text: bytes) -> None:
        """Keep an unfinished line where a crash of the worker can't take it; `PARTIAL_MAX` bytes at most."""
        self._memory[self._TEXT_AT : self._TEXT_AT + len(text)] = text
        self._PARTIAL.pack_into(self._memory, self._PARTIAL_AT, kind, request, len(text))

    def drop_partial(self) -> None:
        """Forget the unfinished line: it was sent."""
        self._memory[self._PARTIAL_AT] = 0

    @property
    def partial(self) -> Tuple[int, int, bytes]:
        """Kind, request and text of the unfinished line; kind 0 if there is none."""
        kind, request, length = self._PARTIAL.unpack_from(self._memory, self._PARTIAL_AT)
        return kind, request, bytes(self._memory[self._TEXT_AT : self._TEXT_AT + min(length, self.PARTIAL_MAX)])


def bytes_in_pipe(fd: int) -> int:
    """How many bytes wait in a pipe; ``fd``: either end of it."""
    return _INT.unpack(fcntl.ioctl(fd, FIONREAD, b"\0\0\0\0"))[0]  # type: ignore[no-any-return]
