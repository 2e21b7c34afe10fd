"""Completion and inspection beside the cells: which thread answers a question, and what becomes of a slow one."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.agent.worker import introspect

SECONDS = 10


class Frontend:
    """Takes the answers."""

    def __init__(self) -> None:
        self.parents: dict[int, str] = {}
        self.replies: queue.SimpleQueue[tuple[int, list[str]]] = queue.SimpleQueue()

    def reply(self, number: int, msg_type: str, content: dict[str, Any]) -> None:
        self.replies.put((number, content["matches"]))


class Shell:
    """Completes with the code itself; "slow" waits until it is let go, unless the shell is in a hurry."""

    def __init__(self) -> None:
        self.in_a_hurry = False
        self.let_go = threading.Event()
        self.asked: list[tuple[str, bool]] = []

    def complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        self.asked.append((code, self.in_a_hurry))
        if code == "slow" and not self.in_a_hurry:
            assert self.let_go.wait(SECONDS)
        return {"matches": [code]}


@pytest.fixture
def introspection(monkeypatch: pytest.MonkeyPatch) -> introspect.Introspection:
    monkeypatch.setattr(introspect, "LIMIT_S", 0.05)
    return introspect.Introspection(Frontend(), Shell())  # type: ignore[arg-type]


def question(number: int, code: str) -> introspect.IntrospectionQuestion:
    message = Message("complete_request", {"code": code, "cursor_pos": len(code)}, f"cell-{number}")
    return introspect.IntrospectionQuestion(number, message, 0.05)


def ask(introspection: introspect.Introspection, number: int, code: str) -> None:
    introspection.ask(number, question(number, code).message)


def answer(introspection: introspect.Introspection) -> tuple[int, list[str]]:
    return introspection.frontend.replies.get(timeout=SECONDS)  # type: ignore[attr-defined, no-any-return]


def test_one_thread_answers_all_that_is_quick(introspection: introspect.Introspection) -> None:
    for number in range(20):
        ask(introspection, number, "quick")
        assert answer(introspection) == (number, ["quick"])
    assert introspection._left == []
    assert introspection.frontend.parents == {}


def test_a_slow_one_is_tried_again_in_a_hurry_until_it_has_ended(introspection: introspect.Introspection) -> None:
    ask(introspection, 1, "slow")
    ask(introspection, 2, "quick")
    assert [answer(introspection), answer(introspection)] == [(1, ["slow"]), (2, ["quick"])]
    assert introspection.shell.asked == [("slow", False), ("slow", True), ("quick", True)]
    [left] = introspection._left
    introspection.shell.let_go.set()
    left.join(SECONDS)
    ask(introspection, 3, "quick")
    assert answer(introspection) == (3, ["quick"])  # and nothing more for the first
    assert introspection.shell.asked[-1] == ("quick", False)


def test_where_the_answer_comes_just_before_it_is_given_up_its_thread_goes_on(
    introspection: introspect.Introspection,
) -> None:
    ask(introspection, 1, "quick")
    answer(introspection)
    thread = introspection._thread
    late = question(2, "late")
    introspection._answer(late, {"matches": []})
    introspection._give_up(late)
    assert introspection._thread is thread
    assert introspection._left == []
