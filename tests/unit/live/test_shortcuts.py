"""When a shortcut is dialled: where frames had to go in messages, and not again at once where it was in vain."""

import socket
import threading
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.direct.live_frames import LiveFrames
from rpyc_kernel.errors import LinkLost
from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live import shortcuts
from rpyc_kernel.live.shortcuts import MISSED_FRAMES, Dialler

PATIENCE_S = 20.0


@pytest.fixture
def link():
    link = create_autospec(Link, instance=True)
    link.status, link.hello = LinkStatus.UP, {}
    return link


@pytest.fixture
def direct():
    """Direct connections, which can be dialled."""
    others = []

    def dial(_live, _cancel):
        near, far = socket.socketpair()
        others.append(far)
        return near, b""

    direct = create_autospec(DirectConnections, instance=True)
    direct.dial.side_effect = dial
    yield direct
    for each in others:
        each.close()


@pytest.fixture
def frames():
    frames = LiveFrames(lambda *_frame: None, lambda: None, PATIENCE_S, 1 << 20)
    yield frames
    frames.close()


@pytest.fixture
def dialler(link, direct, frames):
    return Dialler(link, direct, "connection", frames)


def miss(dialler, count=MISSED_FRAMES):
    """Have frames go in messages; wait for the thread that dials, if that begins one."""
    for _ in range(count):
        dialler.missed()
    for thread in threading.enumerate():
        if thread.name == "rpyc-kernel-shortcut":
            thread.join(PATIENCE_S)


def test_it_is_dialled_once_some_frames_had_to_go_in_messages(dialler, direct, frames):
    miss(dialler, MISSED_FRAMES - 1)
    assert not direct.dial.called
    miss(dialler, 1)
    assert direct.dial.call_args.args[0] == {"live": "connection"}
    assert frames.send(b"frame", short=True)


@pytest.mark.parametrize(
    ("status", "hello"), [(LinkStatus.LOST, {}), (LinkStatus.UP, {"pooled": True})], ids=["link lost", "few threads"]
)
def test_it_is_not_dialled_where_it_can_not_last(dialler, direct, link, status, hello):
    link.status, link.hello = status, hello
    miss(dialler)
    assert not direct.dial.called


def test_what_was_in_vain_is_tried_again_but_not_at_once(dialler, direct, monkeypatch):
    dials, direct.dial.side_effect = direct.dial.side_effect, LinkLost("pi", "nobody is there")
    miss(dialler, 3 * MISSED_FRAMES)
    assert direct.dial.call_count == 1
    direct.dial.side_effect = dials
    monkeypatch.setattr(shortcuts, "time", SimpleNamespace(monotonic=lambda: float("inf")))
    miss(dialler, 1)
    assert direct.dial.call_count == 2


def test_it_is_dialled_again_after_a_loss(dialler, direct):
    miss(dialler)
    dialler.lost()
    miss(dialler)
    assert direct.dial.call_count == 2


def test_it_is_closed_where_the_connection_was_closed_meanwhile(dialler, direct, frames):
    dialler.close()
    miss(dialler)
    assert direct.dial.call_args.args[1].is_set(), "the dialling ends at once"
    assert frames._shortcut.fileno() == -1
