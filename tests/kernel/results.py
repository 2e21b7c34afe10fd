"""What comes back from a kernel, in the shapes that tests ask about."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(text: str) -> str:
    """Text without its colours."""
    return ANSI.sub("", text)


class Message:
    """One message as it came, and when."""

    def __init__(self, raw: dict[str, Any], at: float) -> None:
        self.raw = raw
        self.at = at
        self.kind: str = raw["header"]["msg_type"]
        self.parent: str = raw["parent_header"].get("msg_id", "")
        self.content: dict[str, Any] = raw["content"]
        self.metadata: dict[str, Any] = raw["metadata"]
        self.buffers = [bytes(each) for each in raw["buffers"]]

    def __repr__(self) -> str:
        return f"<{self.kind} {str(self.content)[:300]}>"


@dataclass
class Comm:
    """The front end's end of a comm that the kernel opened: `state` as a widget's page would hold it."""

    id: str
    target: str
    state: dict[str, Any]
    received: list[Message] = field(default_factory=list)
    open: bool = True

    @classmethod
    def follow(cls, comms: dict[str, Comm], message: Message) -> None:
        """Keep `comms` as the messages say."""
        content = message.content
        if message.kind == "comm_open":
            state = dict(content["data"].get("state", content["data"]))
            comms[content["comm_id"]] = cls(content["comm_id"], content["target_name"], state, [message])
        elif message.kind in ("comm_msg", "comm_close") and content["comm_id"] in comms:
            comm = comms[content["comm_id"]]
            comm.received.append(message)
            comm.open = message.kind != "comm_close"
            if content["data"].get("method") == "update":
                comm.state.update(content["data"]["state"])


@dataclass
class Request:
    """One request, and everything that came back under its header. It goes on filling after `idle`."""

    id: str
    kind: str
    code: str
    sent_at: float
    reply: dict[str, Any] | None = None
    reply_metadata: dict[str, Any] = field(default_factory=dict)
    replied_at: float | None = None
    idle_at: float | None = None
    input: Message | None = None
    messages: list[Message] = field(default_factory=list)
    at_idle: int | None = None
    inputs: list[Message] = field(default_factory=list)
    answers: list[str | Callable[[str], str | None]] | None = None

    def take(self, message: Message) -> None:
        """File one iopub message."""
        if message.kind == "status":
            if message.content["execution_state"] == "idle":
                self.idle_at = message.at
                self.at_idle = len(self.messages)
        elif message.kind == "execute_input":
            self.input = message
        else:
            self.messages.append(message)

    @property
    def done(self) -> bool:
        return self.reply is not None and self.idle_at is not None

    @property
    def status(self) -> str | None:
        return self.reply["status"] if self.reply is not None else None

    def of(self, kind: str) -> list[Message]:
        """The iopub messages of one kind."""
        return [message for message in self.messages if message.kind == kind]

    def _stream(self, name: str) -> str:
        return "".join(m.content["text"] for m in self.of("stream") if m.content["name"] == name)

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def data(self) -> dict[str, Any] | None:
        """The MIME bundle of the last value."""
        results = self.of("execute_result")
        assert len(results) < 2, results
        return results[0].content["data"] if results else None

    @property
    def text(self) -> str | None:
        """The last value as text."""
        return self.data["text/plain"] if self.data is not None else None

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The MIME bundles of what was displayed."""
        return [message.content["data"] for message in self.of("display_data")]

    @property
    def error(self) -> dict[str, Any] | None:
        errors = self.of("error")
        assert len(errors) < 2, errors
        return errors[0].content if errors else None

    @property
    def traceback(self) -> str:
        """The traceback of the `error` message, without its colours."""
        assert self.error is not None, f"no error message: {self}"
        return plain("\n".join(self.error["traceback"]))

    @property
    def script(self) -> list[tuple[str, str]]:
        """What a page shows, in order: adjacent text of one stream counts as one."""
        shown: list[tuple[str, str]] = []
        for message in self.messages:
            content = message.content
            if message.kind == "stream":
                if shown and shown[-1][0] == content["name"]:
                    shown[-1] = (content["name"], shown[-1][1] + content["text"])
                else:
                    shown.append((content["name"], content["text"]))
            elif message.kind in ("display_data", "execute_result", "update_display_data"):
                shown.append((message.kind, content["data"].get("text/plain", "")))
            elif message.kind == "error":
                shown.append(("error", content["ename"]))
            elif message.kind == "clear_output":
                shown.append(("clear_output", str(content["wait"])))
        return shown

    def __repr__(self) -> str:
        shown = [repr(message)[:400] for message in self.messages[:6]]
        reply = str({k: v for k, v in (self.reply or {}).items() if k != "traceback"}) if self.reply else "no reply"
        return f"<{self.kind} {self.code[:80]!r} -> {reply[:400]}, idle: {self.idle_at is not None}, {shown}>"


def refused(cell: Request, *words: str) -> str:
    """A cell must have been refused with a sentence that has these words, before anything of it ran."""
    assert cell.status == "error", cell
    assert cell.error is not None
    sentence = str(cell.error["evalue"])
    for word in words:
        assert word in sentence
    assert "\n" not in sentence.strip()
    assert "Traceback" not in cell.traceback
    assert cell.stdout == cell.stderr == ""
    assert cell.data is None
    assert not cell.displays
    return sentence
