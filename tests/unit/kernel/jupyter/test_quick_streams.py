"""The kernel's own streams: what was written is sent by a flush, and a flush of nothing waits for nobody."""

import threading
import time

import pytest
import zmq
from ipykernel.iostream import IOPubThread
from jupyter_client.session import Session

from rpyc_kernel.kernel.jupyter.quick_streams import QuickOutStream


@pytest.fixture
def thread():
    context = zmq.Context()
    each = IOPubThread(context.socket(zmq.PUB), session=Session(key=b""))
    each.start()
    yield each
    each.stop()
    each.close()
    context.destroy(0)


@pytest.fixture
def sent(thread, monkeypatch):
    texts = []
    monkeypatch.setattr(thread.session, "send", lambda _stream, message, **_: texts.append(message["content"]["text"]))
    return texts


@pytest.fixture
def stream(thread):
    return QuickOutStream(thread.session, thread, "stdout", watchfd=False)


def test_what_was_written_is_sent_when_flush_returns(stream, sent):
    for text in ("a", "b"):
        stream.write(text)
        stream.flush()
        assert sent.pop() == text
    stream.flush()
    assert not sent


def test_a_flush_of_nothing_does_not_wait_for_the_thread(stream, thread, sent):
    held, release = threading.Event(), threading.Event()
    thread.schedule(lambda: (held.set(), release.wait(20)))
    try:
        assert held.wait(10)
        stream.flush_timeout = 20
        began = time.monotonic()
        stream.flush()
        assert time.monotonic() - began < 10
    finally:
        release.set()
    stream.write("later")
    stream.flush()
    assert sent == ["later"]
