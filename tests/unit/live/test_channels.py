"""The frames of live connections, as they travel in the messages of a session: the link is a double."""

import socket
import threading
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.direct.shortcut import Shortcut
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import LinkLost, ProtocolError, RemoteClosedError
from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live import channels as channels_module
from rpyc_kernel.live.channels import Channels
from rpyc_kernel.live.shortcuts import MISSED_FRAMES
from rpyc_kernel.transport.deadline import Deadline

NOW = 0.0
DIED = {"text": "was killed by SIGSEGV"}


@pytest.fixture
def link():
    link = create_autospec(Link, instance=True)
    link.status, link.error, link.hello = LinkStatus.UP, None, {}
    return link


@pytest.fixture
def direct():
    direct = create_autospec(DirectConnections, instance=True)
    direct.dial.side_effect = LinkLost("pi", "there is none")
    return direct


@pytest.fixture
def channels():
    channels = Channels()
    channels.python_began(100)
    return channels


@pytest.fixture
def channel(channels, link, direct):
    channel = channels.open(link, direct, "pi", 600.0)
    yield channel
    channel.close()


@pytest.fixture
def worker(channel):
    """The other end of a shortcut."""
    near, far = socket.socketpair()
    channel._frames.open(near, b"", speaks=True)
    shortcut = Shortcut(far)
    yield shortcut
    shortcut.close()


def gives(channels, channel, frame, number=1, received=0):
    """Have a frame come in a message."""
    content = {"connection": channel.id, "number": number, "received": received}
    channels.take(Message("rpyc_msg", content, buffers=[frame]))


def messages(link):
    """What was sent in messages, by their types and the cells that they belong to."""
    return [(call.args[0].type, call.args[0].parent) for call in link.submit.call_args_list]


def test_frames_come_whole_and_in_order(channels, channel):
    gives(channels, channel, b"one frame")
    gives(channels, channel, b"another", number=2)
    for frame in (b"one frame", b"another"):
        assert channel.poll(Deadline(NOW))
        assert channel.recv() == frame
    assert not channel.poll(Deadline(NOW))


def test_a_wait_ends_at_its_deadline(channel):
    assert not channel.poll(Deadline(0.01))
    assert not channel.waiting


def test_whoever_waits_gets_a_frame_that_comes_then(channels, channel):
    found = []
    waiting = threading.Thread(target=lambda: found.append(channel.poll(Deadline(10)) and channel.recv()))
    waiting.start()
    while not channels.waiting:
        assert waiting.is_alive()
    gives(channels, channel, b"late")
    waiting.join(10)
    assert found == [b"late"]


def test_a_wait_has_a_lost_link_dialled_at_once(channel, link):
    link.status = LinkStatus.LOST
    assert not channel.poll(Deadline(NOW))
    link.hurry.assert_called_once_with()


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda channels: channels.python_ended(DIED), "was killed by SIGSEGV"),
        (lambda channels: channels.python_ended({}), "has ended"),
        (lambda channels: channels.python_began(200), "was restarted"),
        (lambda channels: channels.restarted(100), "was restarted"),
    ],
)
def test_a_connection_ends_with_the_python_there(channels, channel, happens, said):
    happens(channels)
    for use in (lambda: channel.poll(Deadline(NOW)), lambda: channel.send(b"frame")):
        with pytest.raises(RemoteClosedError, match=said):
            use()


def test_a_connection_goes_on_while_the_python_there_is_the_same(channels, channel):
    channels.python_began(100)
    channels.restarted(99)
    gives(channels, channel, b"frame")
    assert channel.poll(Deadline(NOW))


def test_the_end_of_the_session_is_told_to_each_who_asks(channels, channel):
    channels.fail(LinkLost("pi", "it was closed"))
    for _ in range(2):
        with pytest.raises(LinkLost, match="it was closed"):
            channel.poll(Deadline(NOW))


def test_a_closed_connection_says_so_there_and_here(channels, channel, link):
    channel.close()
    assert link.submit.call_args.args[0].type == "rpyc_close"
    gives(channels, channel, b"late")
    with pytest.raises(RemoteClosedError, match="closed here"):
        channel.poll(Deadline(NOW))


def test_more_than_is_asked_for_ends_the_connection(channels, channel, monkeypatch, link, direct):
    monkeypatch.setattr(channels_module, "MAX_FRAME_BYTES", 1 << 20)
    channel = channels.open(link, direct, "pi", 600.0)
    for number in (1, 2):
        gives(channels, channel, bytes(1 << 20), number)
    assert channel.poll(Deadline(NOW))
    channel.recv()
    with pytest.raises(ProtocolError, match="more than 1 MiB that nobody has asked for, or waits for"):
        channel.poll(Deadline(NOW))


@pytest.mark.parametrize("numbers", [{"number": None}, {"number": "1"}, {"number": True}, {"received": 7}])
def test_a_frame_with_wrong_numbers_ends_the_connection(channels, channel, numbers):
    gives(channels, channel, b"frame", **numbers)
    with pytest.raises(ProtocolError):
        channel.poll(Deadline(NOW))


def test_the_first_frame_of_a_cell_tells_whose_output_is_to_come(channel, link, worker):
    link.submit.reset_mock()
    for cell in ("a", "b"):
        channel.parent = cell
        for _ in range(3):
            channel.send(b"frame")
    assert messages(link) == [("rpyc_msg", "a"), ("rpyc_msg", "b")]
    assert [number for number, _received, _frame in worker.receive()] == [2, 3, 5, 6]


def test_a_shortcut_is_dialled_where_there_is_none(channel, direct):
    for cell in range(MISSED_FRAMES):
        channel.parent = str(cell)
        channel.send(b"frame")
    for thread in threading.enumerate():
        if thread.name == "rpyc-kernel-shortcut":
            thread.join(10)
    assert direct.dial.called


@pytest.mark.usefixtures("worker")
def test_no_shortcut_is_dialled_while_there_is_one(channel, direct):
    for cell in range(2 * MISSED_FRAMES):
        channel.parent = str(cell)
        channel.send(b"frame")
    assert not direct.dial.called


def test_no_request_overtakes_what_gives_up_the_one_before(channel, link, worker):
    channel.send(b"first")
    link.submit.reset_mock()
    channel.abandon(3)
    channel.send(b"second")
    assert messages(link) == [("rpyc_abandon", ""), ("rpyc_msg", "")]
    assert not list(worker.receive())


def test_with_the_link_the_shortcut_is_given_up_and_what_was_on_it_sent_again(channel, link, worker):
    channel.send(b"first")
    channel.send(b"second")
    link.submit.reset_mock()
    link.status = LinkStatus.LOST
    assert not channel.poll(Deadline(NOW))
    assert messages(link) == [("rpyc_msg", ""), ("rpyc_lost", "")]
    assert link.submit.call_args_list[0].args[0].content["number"] == 2
    assert [each[2] for each in worker._frames()] == []
    with pytest.raises(OSError, match="gone"):
        [*worker.receive(), *worker.receive()]


def test_a_frame_by_the_shortcut_that_is_none_ends_the_connection(channel, worker):
    worker._socket.sendall(b"\xff" * 20)
    with pytest.raises(ProtocolError, match="a frame of"):
        channel.poll(Deadline(10))
