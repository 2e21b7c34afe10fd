"""RPyC's protocol from the server's side, as far as a kernel needs it, for where there is no RPyC.

A kernel asks for the service, has it evaluate the boot text, and calls the one function which that has given
(``transport/broker_client.py``). Nothing else can be asked for. The dialect is that of RPyC 6: a frame is ``!LB``
(length of the body, whether zlib has packed it), the body, and a newline; a body is the kind of message, and the brine
of ``(number, content)``.
"""

from __future__ import annotations

import itertools
import socket
import struct

from .. import wire
from . import brine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

MAX_FRAME_BYTES = wire.MAX_MESSAGE + (1 << 20)  #: the body of one request
FIRST_BYTES = 1 << 20  #: memory for a body before more of it has come
SERVICE = "rpyc.core.service.SlaveService"  #: by which a kernel knows that code can be run here

# rpyc.core.consts
_REQUEST, _REPLY, _EXCEPTION = 1, 2, 3
_VALUE, _TUPLE, _THEIRS, _OURS = 1, 2, 3, 4  # an object is "theirs" for whom it reaches
_PING, _CLOSE, _GETROOT, _CALL, _CALLATTR, _DEL = 1, 2, 3, 7, 8, 15
_HEADER = struct.Struct("!LB")
_ROOT = 1  # the number of the service


class RequestError(ValueError):
    """The peer has sent something else than a kernel sends."""


class ServerConnection:
    """The connection to one kernel, served by one thread.

    Args:
        sock: A connected stream socket, of TLS or not, which belongs to the connection from now on.
        server: The name by which the server is known to the kernel.
    """

    def __init__(self, sock: socket.socket, server: str = "") -> None:
        self.sock = sock
        self.server = server
        self._functions: Dict[int, Callable[..., Any]] = {}  # that the kernel may call, by their numbers
        self._numbers = itertools.count(_ROOT + 1)
        self._at_end: List[Callable[[], None]] = []

    def call_at_end(self, function: Callable[[], None]) -> None:
        """Have a function called when the connection has ended."""
        self._at_end.append(function)

    def serve(self) -> None:
        """Answer requests until the connection ends.

        Raises:
            RequestError: What came is no request, or too long. The connection is closed then, as always.
        """
        try:
            while self._answer(self._read_frame()):
                pass
        except (OSError, EOFError):
            pass  # the kernel has gone, or dials again
        except brine.BrineError as error:
            raise RequestError(str(error)) from None
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection. From any thread: the one that serves it then ends."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        while self._at_end:
            self._at_end.pop()()

    def _read_frame(self) -> bytearray:
        size, packed = _HEADER.unpack(self._read(_HEADER.size))
        if size > MAX_FRAME_BYTES or packed:
            raise RequestError("a frame of %d bytes%s" % (size, ", packed" if packed else ""))
        body = self._read(size + 1)
        if body.pop() != ord("\n"):
            raise RequestError("a frame without its end")
        return body

    def _read(self, size: int) -> bytearray:
        """Read so many bytes. Memory is taken as they come, whatever was announced."""
        data = bytearray(min(size, FIRST_BYTES))
        filled = 0
        while filled < size:
            if filled == len(data):
                data += bytes(min(filled, size - filled))
            with memoryview(data) as view:
                count = self.sock.recv_into(view[filled:])
            if not count:
                raise EOFError
            filled += count
        return data

    def _send(self, kind: int, number: int, content: Any) -> None:
        body = [bytes([kind]), *brine.dump((number, content))]
        pieces = [_HEADER.pack(sum(map(len, body)), 0), *body, b"\n"]
        self.sock.sendall(b"".join(pieces))

    def _answer(self, body: bytearray) -> bool:
        """Answer one message. Returns whether more may come."""
        kind, content = body[0] if body else 0, brine.load(bytes(memoryview(body)[1:]))
        number, request = _of(content, int, tuple)
        if kind != _REQUEST:
            raise RequestError("a message of the kind %d, where only requests come" % kind)
        handler, args = _of(request, int, tuple)
        args = _unbox(args)
        if type(args) is not tuple:
            raise RequestError("arguments that are none")
        if handler == _CLOSE:
            return False
        try:
            found = self._box(self._do(handler, args))
        except BaseException as error:  # SystemExit too: it is the code's, not ours
            name = type(error)
            self._send(_EXCEPTION, number, ((name.__module__, name.__name__), (str(error),), (), ""))
        else:
            self._send(_REPLY, number, found)
        return True

    def _do(self, handler: int, args: Tuple[Any, ...]) -> Any:
        if handler == _PING and len(args) == 1:
            return args[0]
        if handler == _GETROOT:
            return _Ref(_ROOT)
        number = args[0].number if args and isinstance(args[0], _Ref) else None
        rest = args[1:]
        if handler == _DEL and number is not None:
            self._functions.pop(number, None)
            return None
        if handler == _CALLATTR and number == _ROOT and rest[:1] == ("eval",) and len(rest) == 3:
            (text,) = _of(rest[1], str)
            return eval(text, {})
        if handler == _CALL and number in self._functions and len(rest) == 2 and isinstance(rest[0], tuple):
            return self._functions[number](*rest[0])
        raise PermissionError("this server does nothing else than to serve a notebook's kernel")

    def _box(self, value: Any) -> Tuple[int, Any]:
        if isinstance(value, tuple):
            return _TUPLE, tuple(map(self._box, value))
        if isinstance(value, _Ref):
            return _OURS, (SERVICE, 0, value.number)
        if callable(value):
            number = next(self._numbers)
            self._functions[number] = value
            return _OURS, ("builtins.function", 0, number)
        return _VALUE, value


class _Ref:
    """An object of this server that a request names."""

    def __init__(self, number: int) -> None:
        self.number = number


def _of(value: Any, *kinds: type) -> Tuple[Any, ...]:
    """Return the items of a tuple that must be of these classes."""
    if type(value) is not tuple or [type(item) for item in value] != list(kinds):
        raise RequestError("a request of another form")
    return value


def _unbox(boxed: Any) -> Any:
    if type(boxed) is not tuple or len(boxed) != 2:
        raise RequestError("an argument without a label")
    label, value = boxed
    if label == _VALUE:
        return value
    if label == _TUPLE and type(value) is tuple:
        return tuple(map(_unbox, value))
    if label == _THEIRS and type(value) is tuple and len(value) == 3 and type(value[2]) is int:
        return _Ref(value[2])
    raise RequestError("an argument of another form")


def serve_connection(sock: socket.socket, server: str = "") -> None:
    """Serve a kernel on a connected socket until it goes, in the calling thread. Raises RequestError."""
    ServerConnection(sock, server).serve()
