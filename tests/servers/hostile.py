"""A server that means harm, as a program: ``python hostile.py BEHAVIOUR PHASE FOLDER``.

It serves one connection after another on a port that it writes to FOLDER/port. PHASE says when it misbehaves: "root",
instead of the answer to the first request, or "call", after a proper root, instead of the answer to the next one.
What it got in return for its own requests it writes to FOLDER/replies. Nothing of ours is imported here.
"""

import json
import os
import random
import socket
import struct
import sys
import time
import zlib
from pathlib import Path

from rpyc.core import brine, consts

FOLDER = Path(sys.argv[3])
CANARY = FOLDER / "canary"  # whatever of its code runs in the client makes this file
TOUCH = f"open({str(CANARY)!r}, 'w')"
VALUE, TUPLE, LOCAL, REMOTE = 1, 2, 3, 4
REPLY, EXCEPTION = 2, 3


class Hung(Exception):
    """The client hung up, which is what it should do."""


class Line:
    def __init__(self, sock):
        self.sock = sock
        self.old = False

    def read(self):
        size, _ = struct.unpack("!LB", self.exactly(5))
        body = self.exactly(size)
        self.exactly(1)
        self.old = body[0] == 0x12
        return brine.load(body) if self.old else (body[0], *brine.load(body[1:]))

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise Hung
            data += more
        return data

    def raw(self, data):
        self.sock.sendall(data)

    def frame(self, body, packed=0):
        self.raw(struct.pack("!LB", len(body), packed) + body + b"\n")

    def envelope(self, kind, seq, inner):
        """The body of a message around `inner`, which is brine already."""
        if self.old:
            return b"\x12" + brine.dump(kind) + brine.dump(seq) + inner
        return bytes((kind,)) + b"\x11" + brine.dump(seq) + inner

    def send(self, kind, seq, args):
        self.frame(self.envelope(kind, seq, brine.dump(args)))

    def request(self, handler, *boxes):
        self.send(1, 4711, (handler, (TUPLE, boxes)))

    def root(self, seq):
        self.send(REPLY, seq, (VALUE, None) if seq is None else (REMOTE, ("rpyc.core.service.SlaveService", 1, 2)))


def value(data):
    return VALUE, data


# What it holds against the client as an object of the client's: its root, and guesses.
REFS = [
    (LOCAL, ("rpyc.core.service.SlaveService", 1, 2)),
    (LOCAL, ("rpyc_kernel.transport.rpyc_wire.connection.Connection", id(object), id(type))),
    (LOCAL, ("builtins", 0, 0)),
    (REMOTE, ("builtins.object", 1, 2)),
    value("builtins"),
]


def asks(line, seq, good):
    """Everything that a client of RPyC may be asked, in rounds below the bound on requests; then answers properly."""
    plans = [
        (consts.HANDLE_GETROOT, ()),
        (consts.HANDLE_GETATTR, (value("__class__"),)),
        (consts.HANDLE_CALLATTR, (value("eval"), value((TOUCH,)), value(()))),
        (consts.HANDLE_CALLATTR, (value("exposed_eval"), value((TOUCH,)), value(()))),
        (consts.HANDLE_CALLATTR, (value("getmodule"), value(("os",)), value(()))),
        (consts.HANDLE_CALL, (value((TOUCH,)), value(()))),
        (consts.HANDLE_SETATTR, (value("close"), value(None))),
        (consts.HANDLE_DELATTR, (value("close"),)),
        (consts.HANDLE_PICKLE, (value(4),)),
        (consts.HANDLE_CTXEXIT, (value("boom"),)),
        (consts.HANDLE_INSTANCECHECK, (value(("builtins.type", 1, 0)),)),
        (consts.HANDLE_INSPECT, (value(("builtins.type", 1, 0)),)),
        (consts.HANDLE_DIR, ()),
        (consts.HANDLE_REPR, ()),
        (consts.HANDLE_BUFFITER, (value(10**9),)),
    ]
    ref = random.Random(os.getpid() + seq).choice(REFS)
    replies = []
    for handler, boxes in plans:
        line.request(handler, *([ref] if handler != consts.HANDLE_GETROOT else []), *boxes)
        while (message := line.read())[0] == 1:
            pass  # a request that the client had under way
        replies.append([handler, message[0], repr(message[2])])
    with (FOLDER / "replies").open("a") as file:
        file.write(json.dumps(replies) + "\n")
    good(seq)


def asks_forever(line, seq, good):
    while True:
        line.request(consts.HANDLE_PING, value("x"))


def asks_forever_and_never_reads(line, seq, good):
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    while True:
        line.request(consts.HANDLE_PING, value("x" * 1000))


def four_gigabytes(line, seq, good):
    line.raw(b"\xff\xff\xff\xff\x00")
    while True:
        line.raw(bytes(2**20))


def never_complete(line, seq, good):
    """A frame of a size that would be taken, and its end never comes."""
    line.raw(struct.pack("!LB", 60_000, 0) + bytes(30_000))
    while True:
        line.raw(b"\x00")
        time.sleep(0.05)


def big_and_never_complete(line, seq, good):
    line.raw(struct.pack("!LB", 60 * 2**20, 0) + bytes(10 * 2**20))
    time.sleep(60)  # what this server does


def packed_zeros(size):
    packer = zlib.compressobj(9)
    return b"".join([packer.compress(bytes(2**20)) for _ in range(size // 2**20)] + [packer.flush()])


def bomb(line, seq, good):
    line.frame(BOMB[:60_000] if seq == 1 else BOMB, packed=1)


def bomb_of_a_value(line, seq, good):
    """One that is a proper reply, had it all been unpacked."""
    line.frame(zlib.compress(line.envelope(REPLY, seq, brine.dump((VALUE, bytes(100 * 2**20)))), 1), packed=1)


def deep(line, seq, good):
    line.frame(line.envelope(REPLY, seq, b"\x11\x51" + b"\x10" * 50_000 + b"\x00"))


def deep_boxes(line, seq, good):
    line.frame(line.envelope(REPLY, seq, b"\x11\x52\x10" * 15_000 + b"\x11\x51\x00"))


def many_items(line, seq, good):
    count = 50_000 if seq == 1 else 1_500_000
    inner = b"\x15" + struct.pack("!L", count) + b"\x11\x02\x02" * (count // 3) + bytes(count)
    line.frame(line.envelope(REPLY, seq, b"\x11\x51" + inner))


def long_number(line, seq, good):
    line.frame(line.envelope(REPLY, seq, b"\x11\x51\x17" + struct.pack("!L", 50_000) + b"9" * 50_000))


def short_string(line, seq, good):
    line.frame(line.envelope(REPLY, seq, b"\x11\x51\x0f" + struct.pack("!L", 2**32 - 1) + b"x"))


def garbage(line, seq, good):
    line.raw(random.Random(seq).randbytes(100_000))


def garbage_in_a_frame(line, seq, good):
    line.frame(random.Random(seq).randbytes(1000))


def unknown_reply(line, seq, good):
    line.send(REPLY, seq + 1000, (VALUE, 1))


def replies_forever(line, seq, good):
    while True:
        line.send(REPLY, seq + 1000, (VALUE, 1))


def replies_twice(line, seq, good):
    line.send(REPLY, seq, (VALUE, 1))
    line.send(REPLY, seq, (VALUE, 1))


def our_object(line, seq, good):
    """As if the client had given it an object, which it passes back."""
    line.send(REPLY, seq, (LOCAL, ("builtins.object", 1, 2)))


def pickled(line, seq, good):
    import pickle

    class Evil:
        def __reduce__(self):
            return eval, (TOUCH,)

    line.send(REPLY, seq, (VALUE, pickle.dumps(Evil())))


def reference_with_a_bad_name(line, seq, good):
    line.send(REPLY, seq, (REMOTE, ("os.system\x00\x1b[2J" + "x" * 50_000, 2**200, -1)))


def _exception(line, seq, module, name, args, attributes):
    line.send(EXCEPTION, seq, ((module, name), args, attributes, "Traceback: \x1b[31mevil"))


def exception_of_os(line, seq, good):
    _exception(line, seq, "os", "system", (f"touch {CANARY}",), ())


def exception_to_import(line, seq, good):
    """A module that makes the canary when it is imported; the test puts it into sys.path."""
    _exception(line, seq, "evil_module", "Evil", ("x",), (("__class__", "x"),))


def exception_of_subprocess(line, seq, good):
    _exception(line, seq, "subprocess", "CalledProcessError", (1, f"touch {CANARY}"), (("args", "x"),))


def exception_system_exit(line, seq, good):
    _exception(line, seq, "builtins", "SystemExit", (3,), ())


def exception_keyboard_interrupt(line, seq, good):
    _exception(line, seq, "builtins", "KeyboardInterrupt", (), ())


def exception_stop_iteration(line, seq, good):
    line.send(EXCEPTION, seq, consts.EXC_STOP_ITERATION)


def exception_of_nothing(line, seq, good):
    line.send(EXCEPTION, seq, None)


def exception_that_is_long(line, seq, good):
    _exception(line, seq, "m" * 10_000, "n" * 10_000, tuple(range(1000)), ((("a",), "b"),) * 1000)


def goodbye(line, seq, good):
    line.request(consts.HANDLE_CLOSE)


def hangs_up(line, seq, good):
    pass


def resets(line, seq, good):
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


BOMB = packed_zeros(100 * 2**20) if sys.argv[1] == "bomb" else b""


def serve(sock, behaviour, phase):
    line = Line(sock)
    try:
        _, seq, _ = line.read()
        if phase == "call":
            line.root(seq)
            _, seq, _ = line.read()
            behaviour(line, seq, lambda seq: line.send(REPLY, seq, (VALUE, "proper")))
        else:
            behaviour(line, seq, line.root)
        while behaviour not in (hangs_up, resets):
            _, seq, _ = line.read()
            line.send(REPLY, seq, (VALUE, "proper"))
    except (Hung, OSError):
        pass
    finally:
        sock.close()


def main():
    behaviour, phase = globals()[sys.argv[1]], sys.argv[2]
    listener = socket.create_server(("127.0.0.1", 0))
    (FOLDER / "port-").write_text(str(listener.getsockname()[1]))
    (FOLDER / "port-").rename(FOLDER / "port")
    while True:
        serve(listener.accept()[0], behaviour, phase)


if __name__ == "__main__":
    main()
