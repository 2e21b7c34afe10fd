"""The frames of live connections, as they travel in the messages of a session: the link is a double."""

import re
import threading
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import LinkLost, ProtocolError, RemoteClosedError
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live import channels as channels_module
from rpyc_kernel.live.channels import PIECE_BYTES, Channels
from rpyc_kernel.transport.deadline import Deadline

NOW = 0.0
DIED = {"text": "was killed by SIGSEGV"}


@pytest.fixture
def link():
    link = create_autospec(Link, instance=True)
    link.status, link.error = LinkStatus.UP, None
    return link


@pytest.fixture
def channels():
    channels = Channels()
    channels.python_began(100)
    return channels


@pytest.fixture
def channel(channels, link):
    return channels.open(link, "pi", 600.0)


def gives(channels, channel, *pieces):
    """Have a frame come in pieces."""
    for number, piece in enumerate(pieces, 1):
        content = {"connection": channel.id, "more": number < len(pieces)}
        channels.take(Message("rpyc_msg", content, buffers=[piece]))


def test_frames_come_whole_and_in_order(channels, channel):
    gives(channels, channel, b"one ", b"frame")
    gives(channels, channel, b"another")
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


def test_a_long_frame_goes_out_in_pieces(channel, link):
    link.submit.reset_mock()
    channel.send(b"x" * (2 * PIECE_BYTES + 1))
    sent = [call.args[0] for call in link.submit.call_args_list]
    assert [(message.type, len(message.buffers[0])) for message in sent] == [
        ("rpyc_msg", PIECE_BYTES), ("rpyc_msg", PIECE_BYTES), ("rpyc_msg", 1)
    ]  # fmt: skip
    assert [bool(message.content.get("more")) for message in sent] == [True, True, False]


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


def test_more_than_is_asked_for_ends_the_connection(channels, channel, monkeypatch):
    monkeypatch.setattr(channels_module, "MAX_FRAME_BYTES", 1000)
    gives(channels, channel, b"x" * 1001)
    with pytest.raises(ProtocolError, match=re.escape("ask for parts of it")):
        channel.poll(Deadline(NOW))
