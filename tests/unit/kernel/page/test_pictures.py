"""Which pictures go to which pages, what the document gets, and when a session rests: without a kernel, by a clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.jupyter.pictures import Placed
from rpyc_kernel.kernel.page.pictures import DOCUMENT_INTERVAL_S, FREE_S, MAX_PLACES, PATIENCE_S, PagePictures


class PictureBench:
    """A kernel's pictures with pages.

    Attributes:
        now: The time.
        sent: What pages were sent: page, number of the picture or names of displays, and whether an answer is awaited.
        document: The pictures that were put into the document in the end of a cell, or of a while.
        rests: What sessions were asked.
        later: What waits in the event loop.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[tuple[str, Any, bool]] = []
        self.document: list[bytes] = []
        self.rests: list[tuple[str, bool]] = []
        self.later: list[Any] = []
        self.of_page = True
        loop = SimpleNamespace(
            call_soon_threadsafe=lambda call, *args: call(*args),
            call_later=lambda _seconds, call, *args: self.later.append(lambda: call(*args)),
        )
        self.pictures = PagePictures(
            SimpleNamespace(loop=loop),
            self,
            lambda message: self.document.append(bytes(message.image)),
            lambda display, rests: self.rests.append((display, rests)),
            lambda _cell: self.of_page,
            lambda: self.now,
        )

    def send(self, page: str, data: dict[str, Any], buffers: Any = ()) -> None:
        if data["event"] == "picture":
            assert len(buffers) == 1
        self.sent.append((page, data.get("number") or data["displays"], data.get("asks", False)))

    def picture(self, data: bytes = b"x", display: str = "show-1", *, first: bool = False) -> bool:
        """A picture comes; whether the document needn't have it."""
        message = Message("display_data" if first else "update_display_data", {}, "cell")
        message.image = data
        return self.pictures.take(message, Placed(display, "image/jpeg"))

    def begin(self, *pages: str) -> None:
        """A first picture, and pages that show it."""
        for page in pages:
            self.pictures.opened(page)
        assert not self.picture(first=True)
        self.pictures.begun("show-1")
        for page in pages:
            self.say(page, "shown", visible=True)
        self.sent.clear()

    def say(self, page: str, do: str, **more: Any) -> None:
        assert self.pictures.asked(page, {"do": do, "displays": ["show-1"], **more})

    def numbers(self, page: str = "one") -> list[int]:
        return [what for to, what, _asks in self.sent if to == page and isinstance(what, int)]


@pytest.fixture
def bench() -> PictureBench:
    return PictureBench()


def test_without_a_page_that_shows_it_the_document_gets_each_picture(bench: PictureBench) -> None:
    bench.pictures.opened("one")
    assert not bench.picture(first=True)
    bench.pictures.begun("show-1")
    assert bench.sent == [("one", ["show-1"], False)]
    assert not any(bench.picture() for _ in range(10))
    assert not bench.numbers()
    assert not bench.pictures.asked("one", {"do": "sessions"})


def test_pictures_flow_while_a_page_answers_and_the_document_gets_few(bench: PictureBench) -> None:
    bench.begin("one")
    for _ in range(600):  # ten seconds of 60
        bench.now += 1 / 60
        bench.picture()
        page, number, asks = bench.sent[-1]
        if asks:
            bench.say(page, "painted", number=number)
    assert bench.numbers() == list(range(1, 601)), "each has come"
    asked = sum(asks for _page, _number, asks in bench.sent)
    assert asked <= 10 / FREE_S + 1, "answers cost the page and the kernel something"
    assert not bench.document
    given = 0
    for _ in range(600):
        bench.now += 1 / 60
        given += not bench.picture()
    assert given == pytest.approx(10 / DOCUMENT_INTERVAL_S, abs=1)


def test_a_page_that_does_not_paint_gets_few_and_then_the_newest(bench: PictureBench) -> None:
    bench.begin("one", "two")
    for _ in range(100):
        bench.now += 1 / 60
        bench.picture()
    assert bench.numbers() == [1], "the first one has to be painted before others follow"
    bench.say("one", "painted", number=99)  # which isn't the one
    assert bench.numbers() == [1]
    bench.say("one", "painted", number=1)
    assert bench.numbers() == [1, 100], "the newest that had been waiting"
    bench.say("one", "painted", number=100)  # at once: from now on they flow
    for _ in range(100):
        bench.now += 1 / 60
        bench.picture()
    assert len(bench.numbers()) <= 2 + 2 * FREE_S * 60 + 2, "until the page doesn't answer any more"
    assert bench.numbers("two") == [1]


def test_a_page_that_is_gone_is_forgotten_and_one_that_comes_back_says_so(bench: PictureBench) -> None:
    bench.begin("one")
    assert bench.picture()
    bench.now += PATIENCE_S + 1
    bench.sent.clear()
    bench.picture()
    assert bench.sent == [("one", ["show-1"], False)]
    assert not bench.picture(), "the document gets each again"
    bench.say("one", "shown", visible=True)
    assert bench.picture()
    bench.say("one", "gone")
    assert not bench.picture()
    bench.say("one", "shown", visible=True)
    assert bench.picture()
    bench.pictures.closed("one")
    assert not bench.picture()
    bench.say("one", "shown", visible=True)
    assert not bench.picture(), "a page that was closed says nothing"


def test_the_document_gets_the_last_picture(bench: PictureBench) -> None:
    bench.begin("one")
    assert bench.picture(b"1")
    assert bench.picture(b"2")
    bench.pictures.ended("another cell")
    assert bench.document == []
    bench.pictures.ended("cell")
    assert bench.document == [b"2"]
    assert bench.picture(b"3")  # of a thread
    for call in bench.later:
        call()
    assert bench.document == [b"2", b"3"]
    bench.pictures.ended("cell")
    assert bench.document == [b"2", b"3"]


def test_a_session_rests_while_all_its_pages_are_hidden(bench: PictureBench) -> None:
    bench.begin("one", "two")
    bench.say("one", "shown", visible=False)
    bench.picture()
    assert bench.rests == []
    bench.say("two", "shown", visible=False)
    assert bench.rests == [], "nothing comes, so there is nothing to be asked for"
    bench.picture()
    assert bench.rests == [("show-1", True)]
    bench.picture()
    assert bench.rests == [("show-1", True)]
    bench.sent.clear()
    bench.say("one", "shown", visible=True)
    assert bench.rests == [("show-1", True), ("show-1", False)]
    assert bench.numbers() == [3], "the newest comes at once"
    bench.say("one", "shown", visible=False)
    bench.picture()
    bench.pictures.closed("one")
    bench.pictures.closed("two")
    assert bench.rests[2:] == [("show-1", True), ("show-1", False)], "whoever may look now, we don't know"


def test_a_cell_of_somebody_else_does_not_rest(bench: PictureBench) -> None:
    bench.begin("one")
    bench.of_page = False
    bench.say("one", "shown", visible=False)
    bench.picture()
    assert bench.rests == []


def test_a_page_that_opens_is_told_of_places_of_which_there_are_not_too_many(bench: PictureBench) -> None:
    for number in range(MAX_PLACES + 5):
        bench.picture(display=f"show-{number}")
    bench.pictures.opened("one")
    assert len(bench.sent[0][1]) == MAX_PLACES
    assert bench.pictures.asked("one", {"do": "shown", "displays": ["show-0", 5, "show-9"], "visible": True})
    assert bench.pictures.asked("one", {"do": "shown", "displays": "all"})
    assert not bench.picture(display="show-0")
    assert bench.picture(display="show-9")


def test_a_page_whose_answer_was_lost_goes_on_as_soon_as_it_is_back(bench: PictureBench) -> None:
    bench.begin("one")
    bench.picture()
    bench.picture()
    assert bench.numbers() == [1], "it is to say that it has painted the first"
    bench.now += FREE_S
    bench.say("one", "shown", visible=True)
    assert bench.numbers() == [1, 2], "it isn't waited for any more"
    bench.say("one", "painted", number=1)  # it had come late
    bench.picture()
    assert bench.numbers() == [1, 2]
    bench.say("one", "painted", number=2)
    assert bench.numbers() == [1, 2, 3]
