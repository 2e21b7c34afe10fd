"""Whether a cell under a fault showed exactly what it shows without one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rpyc_kernel.kernel.sessions.labels import METADATA
from tests.kernel.results import Request

LINK_LINE = "link-"  # what the display_id of our own line about the link begins with
OURS = ("display_data", "update_display_data")


@dataclass
class Shown:
    """What a page shows of a cell. Text of a stream counts as one, however it was cut into messages.

    :ivar order: everything in the order in which it came, adjacent text of one stream as one item
    """

    stdout: str = ""
    stderr: str = ""
    order: list[tuple[str, str]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Shown:
        """Without our line about the link, and without the cell's number."""
        shown, order = cls(), []
        for message in request.messages:
            content = message.content
            if message.kind in OURS and is_link_line(content):
                continue
            if message.kind == "stream":
                if order and order[-1][0] == content["name"]:
                    order[-1][1].append(content["text"])
                else:
                    order.append((content["name"], [content["text"]]))
            else:
                without = {name: value for name, value in content.items() if name != "execution_count"}
                shown_on = without.get("metadata", {})  # without the machine, which is another address under the fault
                without["metadata"] = {name: value for name, value in shown_on.items() if name != METADATA}
                order.append((message.kind, [json.dumps(without, sort_keys=True)]))
        shown.order = [(kind, "".join(parts)) for kind, parts in order]
        shown.stdout = "".join(text for kind, text in shown.order if kind == "stdout")
        shown.stderr = "".join(text for kind, text in shown.order if kind == "stderr")
        reply = request.reply or {}
        shown.reply = {name: reply.get(name) for name in ("status", "ename", "evalue", "user_expressions")}
        return shown

    @property
    def rest(self) -> list[tuple[str, str]]:
        """Displays, results and errors, in order."""
        return [each for each in self.order if each[0] not in ("stdout", "stderr")]


def is_link_line(content: dict[str, Any]) -> bool:
    return str(content.get("transient", {}).get("display_id", "")).startswith(LINK_LINE)


def link_lines(request: Request) -> list[tuple[str, str]]:
    """What our line about the link said, one after the other: (message type, text)."""
    ours = [each for each in request.messages if each.kind in OURS and is_link_line(each.content)]
    return [(each.kind, each.content["data"]["text/plain"]) for each in ours]


def assert_same(undisturbed: Request, disturbed: Request) -> None:
    """The text of each stream, the order of all displays and results, their order with the text, and the reply."""
    before, after = Shown.of(undisturbed), Shown.of(disturbed)
    for name in ("stdout", "stderr"):
        difference = first_difference(getattr(before, name), getattr(after, name))
        assert not difference, f"{name}: {difference}"
    assert before.rest == after.rest
    for number, (one, other) in enumerate(zip(before.order, after.order, strict=False)):
        assert one[0] == other[0], f"item {number} is {one[0]}, and was {other[0]} under the fault"
        difference = first_difference(one[1], other[1])
        assert not difference, f"item {number}, {one[0]}: {difference}"
    assert len(before.order) == len(after.order)
    assert before.reply == after.reply


def first_difference(one: str, other: str) -> str:
    """Where two texts part, with a little of what is there; pytest's own comparison of long ones takes minutes."""
    if one == other:
        return ""
    place = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    part = slice(max(0, place - 40), place + 80)
    return f"{len(one)} characters, {len(other)} under the fault; at {place}: {one[part]!r} and {other[part]!r}"
