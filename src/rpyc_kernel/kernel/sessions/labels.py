"""The machine that output is from: in its metadata, and in front of its lines where several machines share a cell."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.transport.plain import WholeLines

if TYPE_CHECKING:
    from collections.abc import Iterable

METADATA = "rpyc_kernel"  # the key of ours in the metadata of messages and outputs
# the outputs whose metadata a notebook keeps
IN_NOTEBOOKS = frozenset({"display_data", "update_display_data", "execute_result"})
MAX_LINE_CHARACTERS = 1 << 20  # of an unfinished line that is held until its end


class NamedOutput:
    """Has output name its machine in its metadata, and changes nothing else.

    Args:
        label: What the notebook calls the machine.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self._metadata = {METADATA: {"machine": label}}

    def __call__(self, message: Message) -> Iterable[Message]:
        """Return the message with the machine's name."""
        message.metadata = {**message.metadata, **self._metadata}
        shown = message.content.get("metadata")
        if message.type in IN_NOTEBOOKS and isinstance(shown, dict):
            ours = shown.get(METADATA)  # `show` names its pictures there
            ours = {**(ours if isinstance(ours, dict) else {}), **self._metadata[METADATA]}
            message.content = {**message.content, "metadata": {**shown, METADATA: ours}}
        return (message,)


class LabelledOutput(NamedOutput):
    """Puts the machine's name in front of each line, and of what is displayed: other machines write into the same cell.

    A line is shown when it is complete. Errors become text on stderr, since the cell itself has one at its end.
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._lines: dict[str, WholeLines] = {}  # by the name of the stream
        self._cell = ""
        self._lock = threading.RLock()  # the link's thread shows messages, the event loop the rest

    def __call__(self, message: Message) -> Iterable[Message]:
        """Return what is shown for a message."""
        with self._lock:
            return self._shown(message)

    def _shown(self, message: Message) -> Iterable[Message]:
        self._cell = message.parent
        content = message.content
        if message.type == "stream":
            return self._text(str(content.get("name", "stdout")), str(content.get("text", "")))
        if message.type == "error":
            traceback = content.get("traceback")
            lines = [*map(str, traceback)] if isinstance(traceback, list) else []
            text = "\n".join(lines) or f"{content.get('ename')}: {content.get('evalue')}"
            return [*self.rest(), *self._text("stderr", text + "\n")]
        if message.type == "clear_output":
            return ()  # it would clear what other machines have shown
        if message.type == "execute_result":
            return [*self.rest(), *self._result(message)]
        if message.type == "display_data":
            return [*self.rest(), self._stream("stdout", f"[{self.label}]\n"), *super().__call__(message)]
        return super().__call__(message)

    def rest(self) -> list[Message]:
        """Return what is shown of lines that have not ended."""
        with self._lock:
            return [each for name, lines in self._lines.items() for each in self._shown_lines(name, lines.end())]

    def _text(self, name: str, text: str) -> list[Message]:
        return self._shown_lines(name, self._lines.setdefault(name, WholeLines(MAX_LINE_CHARACTERS)).feed(text))

    def _shown_lines(self, name: str, lines: list[str]) -> list[Message]:
        return [self._stream(name, "".join(f"[{self.label}] {line}\n" for line in lines))] if lines else []

    def _result(self, message: Message) -> Iterable[Message]:
        content = message.content
        data = content.get("data")
        text = data.get("text/plain") if isinstance(data, dict) else None
        head = f"Out[{self.label}:{content.get('execution_count')}]: "
        if isinstance(data, dict) and set(data) == {"text/plain"} and isinstance(text, str):
            gap = "\n" if "\n" in text else ""
            data = {"text/plain": head + gap + text}
            head = ""
        shown: dict[str, Any] = {"data": data, "metadata": content.get("metadata") or {}}
        named = super().__call__(Message("display_data", shown, message.parent, message.metadata, message.buffers))
        return [self._stream("stdout", head.rstrip() + "\n"), *named] if head else named

    def _stream(self, name: str, text: str) -> Message:
        return Message("stream", {"name": name, "text": text}, self._cell, dict(self._metadata))
