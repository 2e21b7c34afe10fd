"""The dialects of RPyC's protocol, from 4.1 to 6: how a message is put into a frame, and nothing else.

Frames, brine, the ids of requests and the labels of boxed values are the same in all of them
(``tests/unit/transport/rpyc_wire/test_connection.py`` compares ours with RPyC's own, ``tests/servers`` with real
servers). What changed is the envelope:

=============  ======================================================================
RPyC 6         one byte *kind*, then brine of ``(seq, args)``
RPyC 4.1 to 5  brine of ``(kind, seq, args)``
"bound"        either of them behind sixteen bytes that name two threads: a server
               (5.3 or newer) whose environment says ``RPYC_BIND_THREADS=true``
=============  ======================================================================
"""

from __future__ import annotations

from typing import NamedTuple

from rpyc_kernel.transport.rpyc_wire import brine

# Kinds of messages, labels of boxed values, ids of requests: rpyc.core.consts
MSG_REQUEST, MSG_REPLY, MSG_EXCEPTION = 1, 2, 3
LABEL_VALUE, LABEL_TUPLE, LABEL_LOCAL_REF, LABEL_REMOTE_REF = 1, 2, 3, 4
HANDLE_PING, HANDLE_CLOSE, HANDLE_GETROOT, HANDLE_CALL, HANDLE_CALLATTR = 1, 2, 3, 7, 8
EXC_STOP_ITERATION = 1

_UNBOUND = bytes(16)  # no thread of ours, and none in particular of theirs


class Dialect(NamedTuple):
    """One way to write ``(kind, seq, args)``.

    Attributes:
        name: For messages to the user.
        kind_first: Whether the kind is a byte of its own before the brine.
        bound: Whether sixteen bytes that name two threads stand before all that.
    """

    name: str
    kind_first: bool
    bound: bool = False

    @property
    def head(self) -> bytes:
        """The bytes before the envelope."""
        return _UNBOUND if self.bound else b""

    def dump(self, kind: int, seq: int, args: brine.Value) -> list[bytes | bytearray | memoryview]:
        """Return the body of a frame, in pieces."""
        pieces = brine.dump((seq, args) if self.kind_first else (kind, seq, args))
        if self.kind_first:
            pieces.insert(0, bytes((kind,)))
        if self.bound:
            pieces.insert(0, _UNBOUND)
        return pieces

    def load(
        self,
        body: bytes | bytearray | memoryview,
        *,
        max_items: int = brine.MAX_ITEMS,
        frozensets: bool = False,
    ) -> tuple[int, int, brine.Value]:
        """Read the body of a frame into ``(kind, seq, args)``.

        Args:
            body: The body.
            max_items: As for `brine.load`.
            frozensets: As for `brine.load`.

        Raises:
            BrineError: It is none of this dialect.
        """
        view = memoryview(body)
        if self.bound:
            view = view[len(_UNBOUND) :]
        if len(view) < 2:
            raise brine.BrineError("an empty message")
        if self.kind_first:
            message = (view[0], *_tuple(brine.load(view[1:], max_items=max_items, frozensets=frozensets)))
        else:
            message = _tuple(brine.load(view, max_items=max_items, frozensets=frozensets))
        if len(message) != 3:
            raise brine.BrineError("an envelope that has not three parts")
        kind, seq, args = message
        if type(kind) is not int or type(seq) is not int:
            raise brine.BrineError("an envelope whose numbers are none")
        if kind not in (MSG_REQUEST, MSG_REPLY, MSG_EXCEPTION):
            raise brine.BrineError(f"a message of the unknown kind {kind}")
        return kind, seq, args


def _tuple(value: brine.Value) -> tuple[brine.Value, ...]:
    if not isinstance(value, tuple):
        raise brine.BrineError("an envelope that is no tuple")
    return value


RPYC_6 = Dialect("RPyC 6", kind_first=True)
RPYC_5 = Dialect("RPyC 4.1 to 5", kind_first=False)
RPYC_6_BOUND = Dialect("RPyC 6 with bound threads", kind_first=True, bound=True)
RPYC_5_BOUND = Dialect("RPyC 5.3 with bound threads", kind_first=False, bound=True)


def recognise(body: bytes | bytearray | memoryview) -> Dialect | None:
    """Return the dialect of a message, None for none. A server that was not understood says goodbye in its own."""
    for dialect in (RPYC_6, RPYC_5, RPYC_6_BOUND, RPYC_5_BOUND):
        try:
            dialect.load(body)
        except brine.BrineError:
            continue
        return dialect
    return None
