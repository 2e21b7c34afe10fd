"""Sessions of the agent without RPyC: a client that plays the link by hand, one call after the other.

So a test can lose an answer, or send again. The client's text also runs on every old Python, see test_boot.py.
"""

import contextlib
import functools
import os
import signal
import time
from importlib import resources
from pathlib import Path

from rpyc_kernel.agent import wire
from rpyc_kernel.agent.broker import Broker
from rpyc_kernel.transport.broker_client import agent_archive

BOOT = resources.files("rpyc_kernel.agent").joinpath("boot.py").read_bytes()
SOON = 20.0  # seconds in which anything here has happened, also on a busy machine


class Client:
    """One link to one session. Only what Python 3.7 has, and no import: this text is run there too."""

    def __init__(self, call, wire, session):
        self.call, self.wire, self.session = call, wire, session
        self.epoch = self.received = self.number = self.acked = 0
        self.acknowledging = True
        self.messages = []  # all that came
        self.ahead = []  # what came behind that for which `until` has waited

    def ask(self, op, buffers=(), **header):
        header.setdefault("session", self.session)
        answer, packets = self.wire.unpack(self.call(op, self.wire.pack(header, buffers)))
        return dict(answer, packets=packets)

    def attach(self, **header):
        answer = self.ask("attach", acked=self.received, **header)
        self.epoch, self.number = answer["epoch"], answer["accepted"]
        return answer

    def submit(self, parent, code="", number=None, msg_type="execute_request", **content):
        if code:
            content["code"] = code
        if msg_type == "execute_request":
            content.update(silent=False, store_history=True, user_expressions={}, allow_stdin=True)
        packet = self.wire.Message(msg_type, content, parent).encode()
        n = self.number + 1 if number is None else number
        answer = self.ask("submit", [packet], epoch=self.epoch, n=n, type=msg_type, parent=parent, cell=content)
        self.number = answer.get("accepted", self.number)
        return answer

    def pull(self, wait=10.0, max_bytes=1 << 20):
        if self.acknowledging:
            self.acked = self.received
        answer = self.ask("pull", epoch=self.epoch, acked=self.acked, rtt=0.0, max_bytes=max_bytes, wait=wait)
        assert "error" not in answer, answer
        messages = [self.wire.Message.decode(packet) for packet in answer["packets"]]
        if messages:
            assert answer["first"] == self.received + 1, "a message was left out or came again"
            self.received += len(messages)
        self.messages += messages
        return messages

    def until(self, parent, msg_type="execute_reply"):
        """All messages up to that one of that request. What came behind it is for the next call."""
        messages = []
        while True:
            if not self.ahead:
                self.ahead = self.pull()
                assert self.ahead, "nothing came for ten seconds"
            messages.append(self.ahead.pop(0))
            if (messages[-1].type, messages[-1].parent) == (msg_type, parent):
                return messages

    def run(self, parent, code):
        """What the cell printed, and the content of its reply."""
        self.submit(parent, code)
        messages = self.until(parent)
        return self.printed(messages), messages[-1].content

    def interrupt(self, parent):
        return self.ask("interrupt", epoch=self.epoch, parent=parent)["delivered"]

    def leave(self):
        """The link breaks."""
        self.call.__self__._close()

    @staticmethod
    def printed(messages, name="stdout"):
        return "".join(
            each.content["text"] for each in messages if each.type == "stream" and each.content["name"] == name
        )


@functools.cache
def _archive():
    """The agent as it travels, packed once: that takes longer than a session's start."""
    return agent_archive()


def wait_for(condition):
    give_up = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < give_up, "it didn't happen in time"
        time.sleep(0.005)


def runs(pid):
    """Whether a process is there and no zombie: process 1 of a container may reap nobody."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Sessions:
    """Starts sessions, and other links to them; what is left when the block ends is ended too."""

    def __init__(self):
        self._brokers = []
        self._keepers = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for broker in self._brokers:
            broker._close()
        for pid in self._keepers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not any(map(runs, self._keepers)))

    def link(self, session, agent=None):
        """A client that is not attached yet."""
        broker = Broker(*(agent or (*_archive(), BOOT)))
        self._brokers.append(broker)
        return Client(broker.call, wire, session)

    def start(self, session="one", agent=None, **config):
        """A client of a new session, whose worker is ready. Has ``keeper`` and ``worker``, pids, and ``record``."""
        client = self.link(session, agent)
        client.record = client.ask("spawn", shell="plain", **config)
        assert "error" not in client.record, client.record
        client.keeper = client.record["pid"]
        self._keepers.append(client.keeper)
        client.attach(record=client.record.get("record"))
        client.worker = client.until("", "session_info")[-1].content["pid"]
        return client
