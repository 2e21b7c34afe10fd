"""The connection against a peer that a test plays by hand, with RPyC's own brine and frames."""

import socket
import struct
import threading
import time
import zlib

import pytest
from rpyc.core import brine, consts, vinegar

from rpyc_kernel.errors import FrameTooLargeError, LinkLost, NoAnswerError, ProtocolError, RemoteError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.rpyc_wire import brine as own_brine
from rpyc_kernel.transport.rpyc_wire.brine import RPYC_5, RPYC_5_BOUND, RPYC_6, RPYC_6_BOUND
from rpyc_kernel.transport.rpyc_wire.connection import MAX_PING_BYTES, MAX_REQUESTS, Connection, RemoteRef
from rpyc_kernel.transport.rpyc_wire.stream import FrameStream

REF = RemoteRef("builtins.function", 11, 12)
ALL = [RPYC_6, RPYC_5, RPYC_6_BOUND, RPYC_5_BOUND]


class Peer:
    """The other end of a connection."""

    def __init__(self, spoken=RPYC_6, **limits):
        ours, self.socket = socket.socketpair()
        self.spoken = spoken
        self.connection = Connection(FrameStream(ours, Address.parse("board"), **limits), spoken)

    def send_frame(self, body, packed=False):
        body = zlib.compress(body) if packed else body
        self.socket.sendall(struct.pack("!LB", len(body), packed) + body + b"\n")

    def send(self, kind, seq, args, packed=False):
        body = bytes((kind,)) + brine.dump((seq, args)) if self.spoken.kind_first else brine.dump((kind, seq, args))
        self.send_frame((bytes(range(16)) if self.spoken.bound else b"") + body, packed)

    def reply(self, seq, value, packed=False):
        self.send(consts.MSG_REPLY, seq, (consts.LABEL_VALUE, value), packed)

    def read(self):
        """The next message: kind, seq, args."""
        size, packed = struct.unpack("!LB", self.read_exactly(5))
        body = self.read_exactly(size)
        assert not packed
        assert self.read_exactly(1) == b"\n"
        if self.spoken.bound:
            assert body[:16] == bytes(16)
            body = body[16:]
        if self.spoken.kind_first:
            return body[0], *brine.load(body[1:])
        return brine.load(body)

    def read_exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the connection was closed"
            data += more
        return data

    def closed(self):
        """Whether we hung up, after what is still on its way."""
        self.socket.settimeout(20)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True


@pytest.fixture
def make_peer():
    peers = []

    def make(*args, **limits):
        peers.append(Peer(*args, **limits))
        return peers[-1]

    yield make
    for peer in peers:
        peer.connection.close()
        peer.socket.close()


@pytest.fixture
def peer(make_peer):
    return make_peer()


# --- asking -------------------------------------------------------------------------------------------------------


def test_the_numbers_are_rpycs_own():
    names = [name for name in vars(own_brine) if name.startswith(("MSG_", "LABEL_", "HANDLE_", "EXC_"))]
    assert len(names) == 13
    assert {name: getattr(own_brine, name) for name in names} == {name: getattr(consts, name) for name in names}


@pytest.mark.parametrize("spoken", ALL, ids=lambda spoken: spoken.name)
def test_a_call_and_its_reply(make_peer, spoken):
    peer = make_peer(spoken)
    ticket = peer.connection.send_call(REF, "pull", b"\x00\xff" * 3000, 7, None)
    boxed_ref = (consts.LABEL_LOCAL_REF, ("builtins.function", 11, 12))
    args = (consts.LABEL_VALUE, ("pull", b"\x00\xff" * 3000, 7, None))
    expected = (consts.HANDLE_CALL, (consts.LABEL_TUPLE, (boxed_ref, args, (consts.LABEL_VALUE, ()))))
    assert peer.read() == (consts.MSG_REQUEST, ticket, expected)
    peer.reply(ticket, b"answer")
    assert peer.connection.receive(ticket, Deadline(5)) == b"answer"
    assert peer.connection.requests_sent == 1


def test_references_may_be_arguments(peer):
    peer.connection.send_call(REF, 1, REF)
    _, _, (_, (label, (_, args, _))) = peer.read()
    boxed_ref = (consts.LABEL_LOCAL_REF, ("builtins.function", 11, 12))
    assert label == consts.LABEL_TUPLE
    assert args == (consts.LABEL_TUPLE, ((consts.LABEL_VALUE, 1), boxed_ref))


def test_replies_with_references_in_tuples(peer):
    ticket = peer.connection.send_call(REF)
    ref = (consts.LABEL_REMOTE_REF, ("a.B", 1, 2))
    inner = (consts.LABEL_TUPLE, (ref, (consts.LABEL_VALUE, None)))
    peer.send(consts.MSG_REPLY, ticket, (consts.LABEL_TUPLE, ((consts.LABEL_VALUE, 5), inner)))
    assert peer.connection.receive(ticket, Deadline(5)) == (5, (RemoteRef("a.B", 1, 2), None))


def test_the_root_costs_one_request(peer):
    peer.send(consts.MSG_REPLY, 1, (consts.LABEL_REMOTE_REF, ("rpyc.core.service.SlaveService", 1, 2)))
    root = peer.connection.root(Deadline(5))
    assert root == RemoteRef("rpyc.core.service.SlaveService", 1, 2)
    assert peer.connection.root() is root
    assert peer.connection.requests_sent == 1
    assert peer.read() == (consts.MSG_REQUEST, 1, (consts.HANDLE_GETROOT, (consts.LABEL_VALUE, ())))


def test_several_under_way_and_answered_out_of_order(peer):
    tickets = [peer.connection.send_call(REF, number) for number in range(3)]
    for ticket in reversed(tickets):
        peer.reply(ticket, ticket * 10)
    assert [peer.connection.receive(ticket, Deadline(5)) for ticket in tickets] == [ticket * 10 for ticket in tickets]


def test_a_reply_is_received_once(peer):
    ticket = peer.connection.send_call(REF)
    peer.reply(ticket, 1)
    assert peer.connection.receive(ticket, Deadline(5)) == 1
    with pytest.raises(ValueError, match="ticket"):
        peer.connection.receive(ticket, Deadline(5))


@pytest.mark.parametrize("size", [0, 1, 3000, 65530, 65536, 70_000, 2**20 - 7, 2**20, 5 * 2**20])
@pytest.mark.parametrize("packed", [False, True])
def test_replies_of_any_size(peer, size, packed):
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    tickets = [peer.connection.send_call(REF), peer.connection.send_call(REF)]
    sender = threading.Thread(target=lambda: [peer.reply(ticket, data, packed) for ticket in tickets])
    sender.start()
    assert peer.connection.receive(tickets[0], Deadline(20)) == data
    assert peer.connection.receive(tickets[1], Deadline(20)) == data
    sender.join()


@pytest.mark.parametrize("size", [0, 4095, 4096, 65000, 2**20, 20 * 2**20])
def test_requests_of_any_size(peer, size):
    data = b"0123456789abcdef" * (size // 16)
    got = []
    reader = threading.Thread(target=lambda: got.append(peer.read()))
    reader.start()
    peer.connection.send_call(REF, data, "after")
    reader.join(20)
    assert got[0][2][1][1][1] == (consts.LABEL_VALUE, (data, "after"))


def test_a_reply_in_single_bytes_across_timeouts(peer):
    ticket = peer.connection.send_call(REF)
    body = bytes((consts.MSG_REPLY,)) + brine.dump((ticket, (consts.LABEL_VALUE, "whole")))
    for byte in struct.pack("!LB", len(body), 0) + body:
        peer.socket.sendall(bytes((byte,)))
        with pytest.raises(NoAnswerError, match="board"):
            peer.connection.receive(ticket, Deadline(0.001))
    peer.socket.sendall(b"\n")
    assert peer.connection.receive(ticket, Deadline(5)) == "whole"


# --- exceptions of the other side ---------------------------------------------------------------------------------


def exception_of(peer, dumped):
    ticket = peer.connection.send_call(REF)
    peer.send(consts.MSG_EXCEPTION, ticket, dumped)
    with pytest.raises(RemoteError) as caught:
        peer.connection.receive(ticket, Deadline(5))
    peer.reply(ticket := peer.connection.send_call(REF), "goes on")
    assert peer.connection.receive(ticket, Deadline(5)) == "goes on"
    return caught.value


def test_an_exception_as_vinegar_dumps_it(peer):
    try:
        int("x")
    except ValueError as error:
        dumped = vinegar.dump(
            ValueError, error, error.__traceback__, include_local_traceback=True, include_local_version=True
        )
    found = exception_of(peer, dumped)
    assert str(found) == "ValueError: invalid literal for int() with base 10: 'x'"
    assert (found.name, found.module) == ("ValueError", "builtins")
    assert "Traceback (most recent call last)" in found.remote_traceback


@pytest.mark.parametrize(
    ("dumped", "name", "message"),
    [
        (consts.EXC_STOP_ITERATION, "StopIteration", ""),
        ("an old string exception", "Exception", "an old string exception"),
        ((("os", "system"), ("touch /tmp/x",), (), ""), "system", "touch /tmp/x"),
        ((("subprocess", "Popen"), (), (("args", "ls"),), ""), "Popen", ""),
        ((("", ""), (1, 2), (), b"bytes"), "Exception", "1, 2"),
        (((5, None), ((),), (), None), "None", "()"),
        ((("a", "b"), ("x" * 100_050,), (), ""), "b", "x" * 100_000),
        ((("a", "b"), ("x", "y" * 100_050), (), "y" * 50), "b", "x, " + "y" * 100_000),
    ],
)
def test_other_exceptions_are_texts_too(peer, dumped, name, message):
    found = exception_of(peer, dumped)
    assert type(found) is RemoteError
    assert (found.name, found.message) == (name, message)
    assert len(found.remote_traceback) <= 50


@pytest.mark.parametrize("dumped", [2, True, None, (), ((),) * 4, (("a", "b"), "args", (), ""), (("a",), (), (), "")])
def test_what_is_no_exception_ends_the_connection(peer, dumped):
    ticket = peer.connection.send_call(REF)
    peer.send(consts.MSG_EXCEPTION, ticket, dumped)
    with pytest.raises(ProtocolError, match="board"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


# --- requests of the other side -----------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [0, *range(3, 21), 99, -1, None, "eval"])
def test_requests_to_us_are_refused(peer, handler):
    ticket = peer.connection.send_call(REF)
    peer.read()
    ref = (consts.LABEL_LOCAL_REF, ("builtins.object", 1, 2))
    peer.send(consts.MSG_REQUEST, 77, (handler, (consts.LABEL_TUPLE, (ref, (consts.LABEL_VALUE, "eval")))))
    peer.reply(ticket, 1)
    assert peer.connection.receive(ticket, Deadline(5)) == 1
    kind, seq, dumped = peer.read()
    assert (kind, seq) == (consts.MSG_EXCEPTION, 77)
    assert dumped[:2] == (("builtins", "PermissionError"), ("this client serves nothing",))


@pytest.mark.parametrize("args", [None, 5, (), (7,), (1, 2, 3), (1, ()), (1, (1,)), (1, (2, (1, 2))), (1, (3, (1, 2)))])
def test_malformed_requests_are_refused(peer, args):
    peer.send(consts.MSG_REQUEST, 77, args)
    peer.reply(ticket := peer.connection.send_call(REF), 1)
    peer.read()
    assert peer.connection.receive(ticket, Deadline(5)) == 1
    assert peer.read()[:2] == (consts.MSG_EXCEPTION, 77)


@pytest.mark.parametrize(
    ("size", "kind"), [(MAX_PING_BYTES, consts.MSG_REPLY), (MAX_PING_BYTES + 1, consts.MSG_EXCEPTION)]
)
def test_a_small_ping_is_echoed(peer, size, kind):
    peer.send(consts.MSG_REQUEST, 5, (consts.HANDLE_PING, (consts.LABEL_VALUE, (b"x" * size,))))
    peer.reply(ticket := peer.connection.send_call(REF), 1)
    peer.read()
    peer.connection.receive(ticket, Deadline(5))
    assert peer.read()[:2] == (kind, 5)


def test_a_goodbye_is_a_lost_link(peer):
    ticket = peer.connection.send_call(REF)
    peer.send(consts.MSG_REQUEST, 0, (consts.HANDLE_CLOSE, (consts.LABEL_VALUE, ())))
    with pytest.raises(LinkLost, match="goodbye"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


def test_too_many_requests_end_the_connection(peer):
    ticket = peer.connection.send_call(REF)
    for _ in range(MAX_REQUESTS + 1):
        peer.send(consts.MSG_REQUEST, 0, (consts.HANDLE_PING, (consts.LABEL_VALUE, ("x",))))
    with pytest.raises(ProtocolError, match="serve nothing"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


# --- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "boxed",
    [None, 5, (), (1,), (1, 2, 3), ("1", 2), (True, 2), (0, 1), (5, 1), (99, ()), (3, ("a", 1, 2)), (2, 5), (2, (1,)),
     (4, 5), (4, ()), (4, (1, 2, 3)), (4, ("a", "b", "c")), (4, ("a", 1)), (4, ("a", 1, 2, 3)), (4, ("a", True, 2)),
     (2, ((3, ("a", 1, 2)),))],
)  # fmt: skip
def test_a_wrong_box_ends_the_connection(peer, boxed):
    ticket = peer.connection.send_call(REF)
    peer.send(consts.MSG_REPLY, ticket, boxed)
    with pytest.raises(ProtocolError, match="board"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


@pytest.mark.parametrize("spoken", ALL, ids=lambda spoken: spoken.name)
@pytest.mark.parametrize(
    "body", [b"", b"\x02", b"\x00" * 16, b"\x12\x52\x51", b"\x04" + brine.dump((1, (1, 1))), b"GET /"]
)
def test_a_wrong_envelope_ends_the_connection(make_peer, spoken, body):
    peer = make_peer(spoken)
    ticket = peer.connection.send_call(REF)
    peer.send_frame(body)
    with pytest.raises(ProtocolError, match="board"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


@pytest.mark.parametrize("seq", [-1, 0, 2, 2**70])
def test_a_reply_that_nobody_asked_for_ends_the_connection(peer, seq):
    ticket = peer.connection.send_call(REF)
    assert ticket == 1
    peer.reply(seq, 1)
    with pytest.raises(ProtocolError, match="not asked"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


def test_a_second_reply_ends_the_connection(peer):
    first, second = peer.connection.send_call(REF), peer.connection.send_call(REF)
    peer.reply(first, 1)
    peer.reply(first, 1)
    with pytest.raises(ProtocolError, match="not asked"):
        peer.connection.receive(second, Deadline(5))


def test_a_root_must_be_an_object(peer):
    peer.reply(1, "root")
    with pytest.raises(ProtocolError, match="root"):
        peer.connection.root(Deadline(5))
    assert peer.closed()


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"\xff\xff\xff\xff\x00", FrameTooLargeError),
        (b"HTTP/1.1 400 Bad Request\r\n", FrameTooLargeError),
        (b"\x00\x00\x00\x02\x02ab\n", ProtocolError),  # neither packed nor not
        (b"\x00\x00\x00\x02\x00ab!", ProtocolError),  # the end is missing
        (b"\x00\x00\x00\x02\x01ab\n", ProtocolError),  # not what zlib packs
        (struct.pack("!LB", 20, 1) + zlib.compress(bytes(2**20))[:20] + b"\n", ProtocolError),  # cut off
        (struct.pack("!LB", 10, 1) + zlib.compress(b"\x00") + b"x\n", ProtocolError),  # and something behind it
    ],
)
def test_a_wrong_frame_ends_the_connection(make_peer, sent, error):
    peer = make_peer(limit=1000)
    ticket = peer.connection.send_call(REF)
    peer.socket.sendall(sent)
    with pytest.raises(error, match="board"):
        peer.connection.receive(ticket, Deadline(5))
    assert peer.closed()


def test_what_unpacks_without_end_ends_the_connection(make_peer):
    peer = make_peer(limit=100_000)
    ticket = peer.connection.send_call(REF)
    peer.reply(ticket, bytes(10_000_000), packed=True)
    with pytest.raises(FrameTooLargeError, match="100,000"):
        peer.connection.receive(ticket, Deadline(5))


def test_the_limit_itself_is_taken(make_peer):
    overhead = len(bytes((2,)) + brine.dump((1, (1, b"x" * 300)))) - 300
    peer = make_peer(limit=300 + overhead)
    ticket = peer.connection.send_call(REF)
    peer.reply(ticket, b"x" * 300)
    assert peer.connection.receive(ticket, Deadline(5)) == b"x" * 300
    peer.reply(ticket := peer.connection.send_call(REF), b"x" * 301)
    with pytest.raises(FrameTooLargeError):
        peer.connection.receive(ticket, Deadline(5))


# --- the end ------------------------------------------------------------------------------------------------------


def test_the_peer_goes(peer):
    ticket = peer.connection.send_call(REF)
    peer.socket.close()
    with pytest.raises(LinkLost, match="board"):
        peer.connection.receive(ticket, Deadline(5))
    with pytest.raises(LinkLost):
        peer.connection.send_call(REF)


def test_the_peer_goes_in_the_middle_of_a_frame(peer):
    ticket = peer.connection.send_call(REF)
    peer.read()
    peer.socket.sendall(struct.pack("!LB", 1000, 0) + b"begun")
    peer.socket.close()
    with pytest.raises(LinkLost, match="closed"):
        peer.connection.receive(ticket, Deadline(5))


def ends_at_once(peer, work):
    """Run `work` until it blocks, abort from here, and return how long it took and what it raised."""
    caught = []

    def run():
        try:
            work()
        except LinkLost as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    start = time.monotonic()
    peer.connection.abort("the user left")
    thread.join(20)
    assert "the user left" in str(caught[0])
    return time.monotonic() - start


def test_abort_ends_a_receive(peer):
    ticket = peer.connection.send_call(REF)
    assert ends_at_once(peer, lambda: peer.connection.receive(ticket)) < 5


def test_there_is_room_until_nothing_is_taken(peer):
    """While there is, a request of a few thousand bytes waits for nobody."""
    peer.connection.send_timeout = 0.1
    sent = 0
    while peer.connection.has_room:
        peer.connection.send_call(REF, bytes(4000))
        sent += 1
    assert sent
    thread = threading.Thread(target=lambda: [peer.read() for _ in range(sent)], daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert peer.connection.has_room
    peer.connection.close()
    assert not peer.connection.has_room


def test_abort_ends_a_send(peer):
    assert ends_at_once(peer, lambda: peer.connection.send_call(REF, bytes(50 * 2**20))) < 5


def test_abort_before_and_after_everything_does_no_harm(peer):
    ticket = peer.connection.send_call(REF)
    peer.connection.abort("first")
    with pytest.raises(LinkLost, match="first"):
        peer.connection.receive(ticket)
    peer.connection.close()
    peer.connection.abort("last")
    peer.connection.close()
    with pytest.raises(LinkLost, match="first"):
        peer.connection.send_call(REF)
    assert peer.connection.fileno() == -1


def test_a_peer_that_takes_nothing_is_lost(peer):
    peer.connection.send_timeout = 0.1
    start = time.monotonic()
    with pytest.raises(LinkLost, match="takes nothing"):
        peer.connection.send_call(REF, bytes(50 * 2**20))
    assert time.monotonic() - start < 10


def test_close_asks_nobody(peer):
    peer.connection.send_call(REF)
    start = time.monotonic()
    peer.connection.close()
    assert time.monotonic() - start < 5
    assert peer.closed()


def test_recognise_tells_the_dialects_apart():
    for spoken in ALL:
        goodbye = (consts.HANDLE_CLOSE, (consts.LABEL_VALUE, ()))
        body = b"".join(spoken.dump(consts.MSG_REQUEST, 0, goodbye))
        if spoken.bound:
            body = struct.pack("!QQ", 0x7F12_3456_7000, 0) + body[16:]
        assert own_brine.recognise(body) == spoken
    assert own_brine.recognise(b"SSH-2.0-OpenSSH_9.6\r\n") is None
    assert own_brine.recognise(b"") is None
