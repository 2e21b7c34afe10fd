"""A link's own threads: who is called from where, what ends a dialling, and what is given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import NotTakenError
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport import dial
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import BrokerClient
from tests.faults.proxy import Proxy
from tests.kernel.remotes import Remote, wait_until
from tests.servers.sessions import Session

HEARTBEAT = 1.5  # seconds


class Watched(Session):
    """A session whose callbacks look whether anybody may use the link meanwhile."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy.address)
        self.held: list[str] = []
        self.refused: list[tuple[str, Exception]] = []
        self.link = Link(
            Address.parse(proxy.address),
            self.on_message,
            self.on_status,
            heartbeat=HEARTBEAT,
            on_refused=self.on_refused,
        )

    def on_message(self, message: Message, _backlog: bool) -> None:
        self.look(f"on_message, {message.type}")
        self.messages.put(message)

    def on_status(self, status: LinkStatus, error: Any) -> None:
        self.look(f"on_status, {status}")
        self.statuses.append(status)

    def on_refused(self, msg_id: str, error: Exception) -> None:
        self.look("on_refused")
        self.refused.append((msg_id, error))

    def look(self, where: str) -> None:
        thread = threading.Thread(target=self.link.was_tried, args=["a request"], daemon=True)
        thread.start()
        thread.join(5)
        if thread.is_alive():
            self.held.append(where)

    def wait(self, status: LinkStatus) -> None:
        assert wait_until(lambda: self.link.status is status, 30), status

    def come_back(self, times: int) -> None:
        """Wait until the link has come back so often since it began; being lost may take a millisecond only."""
        assert wait_until(lambda: self.statuses.count(LinkStatus.UP) == 1 + times, 30), self.statuses


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def session(proxy: Proxy) -> Iterator[Watched]:
    with Watched(proxy) as each:
        yield each
        assert each.run("1 + 1")[0] == "2", "the session goes on"
    assert not each.held, "a callback ran with the link's lock held"
    assert wait_until(lambda: each.statuses[-1] is LinkStatus.CLOSED)


def test_no_callback_is_called_with_the_lock_held(session: Watched, proxy: Proxy) -> None:
    session.run("print('text')")
    proxy.cut()
    session.come_back(times=1)
    session.link.move(Address.parse(proxy.address))
    session.come_back(times=2)
    assert session.statuses == [LinkStatus.UP, *[LinkStatus.LOST, LinkStatus.UP] * 2], "told once each, and in order"


def test_a_small_request_is_sent_by_whoever_makes_it_and_a_large_one_is_not(
    session: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop never waits for a socket."""
    senders: list[tuple[str, str]] = []
    send = BrokerClient.send

    def noting(broker: BrokerClient, op: str, header: dict[str, Any], buffers: Any = ()) -> int:
        senders.append((op, threading.current_thread().name))
        return send(broker, op, header, buffers)

    monkeypatch.setattr(BrokerClient, "send", noting)
    session.run("2")  # the sender has a connection now
    here = threading.current_thread().name

    def sent_here() -> bool:
        senders.clear()
        session.run("3")
        return ("submit", here) in senders

    assert wait_until(sent_here, 10), "the sender rests between two cells"
    senders.clear()
    session.run(f"'{'x' * 100_000}'")
    assert [name for op, name in senders if op == "submit"] == ["rpyc-kernel-sender"]


def test_a_link_that_is_lost_while_the_sender_dials(session: Watched, proxy: Proxy) -> None:
    """Its dialling ends with the link; it would wait a minute for what the other side says first."""
    proxy.delay = 0.1
    proxy.cut()
    session.come_back(times=1)
    before = proxy.up
    assert wait_until(lambda: proxy.up > before + 5000, 10), "the sender asks for its broker"
    proxy.blackhole()
    session.wait(LinkStatus.LOST)
    proxy.delay = 0.0
    proxy.heal()
    session.until("execute_reply", session.start("2"), timeout=20)


def test_a_request_that_is_answered_by_an_error_is_given_up(session: Watched) -> None:
    type_that_is_no_text: Any = ["execute_request"]
    session.link.submit(Message(type_that_is_no_text, {}, "poison"))
    msg_id = session.start("'after'")
    session.until("execute_reply", msg_id)
    ((refused, error),) = session.refused
    assert refused == "poison"
    assert isinstance(error, NotTakenError)
    assert "the session goes on" in str(error)


def test_a_message_that_can_not_be_taken_is_given_up(
    session: Watched, monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    """It isn't asked for again and again; what follows it comes."""
    monkeypatch.setattr(dial, "MAX_FRAME_BYTES", 600_000)
    proxy.cut()
    session.come_back(times=1)
    msg_id = session.start("display({'text/html': 'x' * 1_000_000}, raw=True)\nprint('after')")
    messages = session.until("execute_reply", msg_id, timeout=60)
    text = "".join(each.content["text"] for each in messages if each.type == "stream")
    assert text.startswith("[nothing is shown here: a message could not be taken")
    assert text.endswith("]\nafter\n")
    assert not [each for each in messages if each.type == "display_data"]
    assert [msg_id for msg_id, _error in session.refused] == [""]
