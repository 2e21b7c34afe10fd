"""RPyC services that mean harm, in a thread: frames made by hand, in both dialects.

>>> with HostileService(lambda line, seq, args: line.reply(seq, (VALUE, 1))) as service:
...     rpyc_kernel.service(service.address).call(callback)

Whatever its root is asked for is a function; what that does is *behaviour*, called with each request.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque

from rpyc.core import brine, consts

VALUE, TUPLE, LOCAL, REMOTE = 1, 2, 3, 4
REQUEST, REPLY, EXCEPTION = 1, 2, 3
ROOT = ("hostile.Service", 1, 2)
METHOD = ("builtins.function", 3, 4)
TEXT = 'Traceback (most recent call last):\n  File "there.py", line 1, in there\n'


class Hung(Exception):
    """The client hung up."""


class Line:
    """One connection, from the service's side."""

    def __init__(self, service, sock, *, old):
        self.service = service
        self.sock = sock
        self.old = old
        self.waiting = deque()  # messages that came while something else was awaited
        self.asked = 1000
        self.answers = {}  # by the number of the request; what one within another waits for may come first

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise Hung
            data += more
        return data

    def _read(self):
        size, _packed = struct.unpack("!LB", self._exactly(5))
        body = self._exactly(size + 1)[:-1]
        if (body[0] == 0x12) is not self.old:
            raise Hung  # the other dialect, which such a server doesn't understand
        return brine.load(body) if self.old else (body[0], *brine.load(body[1:]))

    def read(self):
        return self.waiting.popleft() if self.waiting else self._read()

    def raw(self, data):
        self.sock.sendall(data)

    def frame(self, body, packed=0):
        self.raw(struct.pack("!LB", len(body), packed) + body + b"\n")

    def body(self, kind, seq, inner):
        """Of a message around what is brine already."""
        if self.old:
            return b"\x12" + brine.dump(kind) + brine.dump(seq) + inner
        return bytes((kind,)) + b"\x11" + brine.dump(seq) + inner

    def send(self, kind, seq, args):
        self.frame(self.body(kind, seq, brine.dump(args)))

    def reply(self, seq, box):
        self.send(REPLY, seq, box)

    def fail(self, seq, module, name, args=(), attributes=(), text=TEXT):
        self.send(EXCEPTION, seq, ((module, name), args, attributes, text))

    def request(self, handler, *boxes, plain=None):
        self.asked += 1
        self.send(REQUEST, self.asked, (handler, (TUPLE, boxes) if plain is None else (VALUE, plain)))
        return self.asked

    def ask(self, handler, *boxes, plain=None, answer=None):
        """Send a request and return what it was answered with: (kind, args). *answer*: for requests meanwhile."""
        number = self.request(handler, *boxes, plain=plain)
        while number not in self.answers:
            kind, seq, args = self._read()
            if kind != REQUEST:
                self.answers[seq] = kind, args
            elif answer is not None:
                answer(seq, args)
            elif not (seq < 0 and args[0] == consts.HANDLE_DEL):
                self.waiting.append((kind, seq, args))
        return self.answers.pop(number)


class HostileService:
    """Leaving the ``with`` block ends it, and raises what went wrong in it."""

    def __init__(self, behaviour, *, old=False):
        self.behaviour = behaviour
        self.old = old
        self.error = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_rest):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        if self.error is not None and kind is None:
            raise self.error

    def _run(self):
        while True:
            try:
                sock, _address = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            with sock:
                try:
                    self._serve(Line(self, sock, old=self.old))
                except (Hung, OSError):
                    pass
                except BaseException as error:
                    self.error = error

    def _serve(self, line):
        while True:
            kind, seq, args = line.read()
            if kind == REQUEST:
                self.answer(line, seq, args)

    def answer(self, line, seq, args):
        """Answer a request as a service does, up to where its behaviour begins."""
        handler = args[0]
        if handler == consts.HANDLE_GETROOT:
            line.reply(seq, (REMOTE, ROOT))
        elif handler == consts.HANDLE_INSPECT and args[1] == (VALUE, (ROOT,)):
            line.reply(seq, (VALUE, ()))
        elif handler == consts.HANDLE_GETATTR and args[1][1][0] == (LOCAL, ROOT):
            line.reply(seq, (REMOTE, METHOD))
        elif handler != consts.HANDLE_DEL:
            self.behaviour(line, seq, args)


def passed(args, index=0):
    """The box for an object that the client has passed with a call: the way to name it towards the client."""
    label, reference = args[1][1][1][1][index]
    assert label == REMOTE
    return LOCAL, reference
