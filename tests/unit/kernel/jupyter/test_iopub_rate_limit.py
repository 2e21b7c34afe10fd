"""A backlog is published so that Jupyter's own rate limit, fed by its own clock, lets all of it pass."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection import channels

from rpyc_kernel.kernel.jupyter import iopub
from rpyc_kernel.kernel.jupyter.iopub import (
    MAX_BYTES,
    MAX_MESSAGES,
    SERVER_BUSY_S,
    WINDOW_S,
    IOPubRateLimit,
    estimate_stream_bytes,
    stream_bytes,
)

LINES = "%-39d\n"
PARENT = Session(username="somebody").msg("execute_request", {})


class Server:
    """The limiter of a Jupyter server with its default settings; it handles messages when a test says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.session = Session()
        self.errors = []
        monkeypatch.setattr(channels, "IOLoop", SimpleNamespace(current=lambda: SimpleNamespace(time=lambda: self.now)))
        traits = channels.ZMQChannelsWebsocketConnection.class_traits()
        names = ("limit_rate", "iopub_msg_rate_limit", "iopub_data_rate_limit", "rate_limit_window")
        state = {name: traits[name].default_value for name in names}
        state.update(_iopub_window_msg_count=0, _iopub_window_byte_count=0, _iopub_window_byte_queue=[])
        state.update(_iopub_msgs_exceeded=False, _iopub_data_exceeded=False, log=SimpleNamespace(warning=print))
        self.state = SimpleNamespace(**state, get_part=None, write_stderr=lambda text, parent: self.errors.append(text))

    def drops(self, now, msg_type, content):
        """Whether a message that it handles at that time is dropped."""
        self.now = now
        message = self.session.msg(msg_type, content, parent=PARENT)
        parts = [self.session.pack(message[part]) for part in ("header", "parent_header", "metadata", "content")]
        self.state.get_part = lambda field, value, _parts: message[field]
        return channels.ZMQChannelsWebsocketConnection._limit_rate(
            self.state, "iopub", {"header": None, "parent_header": None, "content": None}, parts
        )


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


def stream(text):
    return "stream", {"name": "stdout", "text": text}


def replay(messages, busy=lambda now: 0.0, start=0.0):
    """Publish a backlog; returns each message with the time at which the server handles it, and when all was out."""
    paced, now, handled, published = IOPubRateLimit(), start, start, []
    for message in messages:
        while (delay := paced.delay(now, *message)) > 0:
            now += delay
        paced.published(now, *message)
        handled = max(handled, now + busy(now))
        published.append((handled, message))
        now += 1e-5
    return published, now - start


def thousands(count):
    """That many lines of 40 bytes, as they come from a keeper."""
    text = "".join(LINES % number for number in range(count))
    return [stream(text[at : at + 65536]) for at in range(0, len(text), 65536)]


def test_a_hundred_thousand_lines_take_less_than_six_seconds(server):
    published, seconds = replay(thousands(100_000))
    assert not any(server.drops(at, *message) for at, message in published)
    assert seconds < 5.0


def test_the_server_does_drop_what_comes_faster(server):
    """Else the other tests show nothing."""
    assert any(server.drops(0.0, *message) for message in thousands(80_000))
    assert "IOPub data rate exceeded" in server.errors[0]


def test_what_a_short_outage_held_up_is_there_at_once():
    assert replay(thousands(50_000))[1] < 0.1


@pytest.mark.parametrize("offset", [0.0, 0.3, 1.49])
def test_a_server_that_was_busy_and_then_handles_all_at_once(server, offset):
    """The first of it late, the rest when it comes."""
    published, _seconds = replay(thousands(100_000), lambda now: SERVER_BUSY_S if now < offset + 0.1 else 0.0)
    assert not any(server.drops(at, *message) for at, message in published)


def test_many_small_messages(server):
    published, seconds = replay([stream("line\n")] * 6000)
    assert not any(server.drops(at, *message) for at, message in published)
    assert seconds < 9.5
    burst = [at for at, _message in published if at < 0.4]
    assert len(burst) <= iopub.MAX_BURST_MESSAGES


def test_a_large_picture_waits_for_nothing(server):
    picture = "display_data", {"data": {"image/png": "x" * 8_000_000}, "metadata": {}}
    published, seconds = replay([*thousands(30_000), picture, picture, *thousands(30_000)])
    assert not any(server.drops(at, *message) for at, message in published)
    assert seconds < 0.1


def test_what_is_not_counted_waits_for_nothing():
    paced = IOPubRateLimit()
    for _ in range(10 * MAX_MESSAGES):
        paced.published(0.0, "stream", {"text": ""})
    assert paced.delay(0.0, "display_data", {}) > WINDOW_S
    assert paced.delay(0.0, "status", {}) == paced.delay(0.0, "comm_open", {}) == 0.0


def test_live_output_leaves_less_room():
    paced = IOPubRateLimit()
    paced.published(0.0, *stream("x" * (MAX_BYTES - 100_000)), live=True)
    assert paced.delay(0.1, *stream("x" * 65536)) == pytest.approx(WINDOW_S + SERVER_BUSY_S - 0.1, abs=0.1)


def test_text_of_more_than_a_window_waits_for_an_empty_one():
    paced = IOPubRateLimit()
    assert paced.delay(0.0, *stream("x" * 2 * MAX_BYTES)) == 0.0
    paced.published(0.0, *stream("x"))
    assert 0 < paced.delay(0.0, *stream("x" * 2 * MAX_BYTES)) < WINDOW_S + SERVER_BUSY_S + 0.1
    assert paced.delay(WINDOW_S + SERVER_BUSY_S + 0.1, *stream("x" * 2 * MAX_BYTES)) == 0.0


def test_nothing_is_remembered_for_long():
    paced = IOPubRateLimit()
    for number in range(100_000):
        paced.published(number * 0.001, "stream", {"text": ""}, live=True)
    assert len(paced._lately) < 250


@given(st.text(st.characters(exclude_categories=[])))
def test_the_size_of_a_text_is_what_jupyter_makes_of_it(text):
    session = Session()
    content = {"name": "stderr", "text": text.encode("utf-8", "replace").decode()}
    message = session.msg("stream", content, parent=PARENT)
    parts = [session.pack(message[part]) for part in ("header", "parent_header", "metadata", "content")]
    assert sum(map(len, parts)) <= stream_bytes(text) <= sum(map(len, parts)) + iopub.OVERHEAD_BYTES
    assert estimate_stream_bytes(text) >= len(text)
    json.loads(parts[-1])


TEXTS = st.sampled_from(["x" * 65536, "\x1b" * 65536, "é" * 30000, "line\n", "", '"' * 5000])
SOME = st.one_of(TEXTS.map(stream), st.just(("display_data", {})), st.just(("status", {"execution_state": "busy"})))


@settings(max_examples=15, deadline=None)
@given(
    runs=st.lists(st.tuples(SOME, st.integers(1, 700)), max_size=6),
    busy=st.lists(st.floats(0.0, SERVER_BUSY_S), min_size=1, max_size=20),
)
def test_whatever_is_replayed_nothing_is_dropped(runs, busy):
    with pytest.MonkeyPatch.context() as patch:
        server = Server(patch)
        messages = [message for message, count in runs for _ in range(count)]
        published, seconds = replay(messages, lambda now: busy[int(now * 10) % len(busy)])
        assert not any(server.drops(at, *message) for at, message in published)
        size = sum(stream_bytes(content["text"]) for kind, content in messages if kind == "stream")
        windows = max(size / (MAX_BYTES - 400_000), len(messages) / (MAX_MESSAGES - 10))
        assert seconds <= (windows + 1) * (WINDOW_S + SERVER_BUSY_S + 0.1)
