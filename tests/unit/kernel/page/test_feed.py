"""What pages are told and when: without a kernel."""

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.page import feed as feed_module
from rpyc_kernel.kernel.page.feed import MAX_PAGES, StatusFeed


class Pages:
    """The pages of one notebook, and what they were sent.

    Attributes:
        status: What is told of the connection.
        asked: How often the machine was asked for its figures.
    """

    def __init__(self):
        self.sent, self.closed, self.status, self.asked = [], [], {"state": "connected"}, 0
        owner = SimpleNamespace(loop=asyncio.get_running_loop())
        self.pictures = Mock()
        self.pictures.asked.side_effect = lambda _page, data: data["do"] == "painted"
        self.feed = StatusFeed(owner, self, lambda: dict(self.status), self._figures, self._do, self.pictures)

    def send(self, page, data):
        self.sent.append((page, data))

    def close(self, page):
        self.closed.append(page)

    async def _figures(self):
        self.asked += 1
        return {"round_trip": self.asked}

    async def _do(self, request):
        if request["do"] == "fail":
            raise CommandError("It can't be.")
        return 1 // request["by"]

    def of(self, event):
        return [(page, data.get(event, data)) for page, data in self.sent if data["event"] == event]

    async def until(self, condition):
        for _ in range(10_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to that within 10 s")


def test_changes_are_told_to_all_pages_and_only_real_ones():
    async def main():
        pages = Pages()
        pages.feed.changed()  # nobody looks
        pages.feed.opened("one")
        pages.feed.opened("two")
        assert [page for page, _status in pages.of("status")] == ["one", "two"]
        pages.status["state"] = "reconnecting"
        await asyncio.to_thread(pages.feed.changed)
        pages.feed.changed()
        await pages.until(lambda: len(pages.of("status")) == 4)
        pages.feed.changed()
        await asyncio.sleep(2 * feed_module.COALESCE_S)
        assert pages.of("status")[2:] == [("one", {"state": "reconnecting"}), ("two", {"state": "reconnecting"})]

    asyncio.run(main())


def test_figures_are_told_while_somebody_looks(monkeypatch):
    monkeypatch.setattr(feed_module, "FIGURES_INTERVAL_S", 0.01)

    async def main():
        pages = Pages()
        pages.feed.opened("one")
        pages.feed.opened("two")
        await asyncio.sleep(0.05)
        assert pages.asked == 0
        pages.feed.asked("two", {"do": "watch", "watched": True})
        await pages.until(lambda: len(pages.of("figures")) > 3)
        assert {page for page, _figures in pages.of("figures")} == {"two"}
        pages.feed.asked("two", {"do": "watch", "watched": False})
        await pages.until(lambda: len(asyncio.all_tasks()) == 1)
        monkeypatch.setattr(feed_module, "WATCH_S", 0.02)
        pages.feed.asked("one", {"do": "watch", "watched": True})
        await pages.until(lambda: len(asyncio.all_tasks()) == 1)
        asked = pages.asked
        await asyncio.sleep(0.05)
        assert pages.asked == asked, "a page that says nothing any more is not looked at"

    asyncio.run(main())


def test_what_a_page_asks_for_is_answered_and_so_is_a_bug():
    async def main():
        pages = Pages()
        pages.feed.opened("one")
        pages.feed.asked("one", {"do": "divide", "by": 1, "id": 7})
        pages.feed.asked("one", {"do": "fail", "id": 8})
        pages.feed.asked("one", {"do": "divide", "by": 0, "id": 9})
        await pages.until(lambda: len(pages.of("answer")) == 3)
        answers = {data["id"]: (data["value"], data["error"]) for _page, data in pages.of("answer")}
        assert answers[7] == (1, "")
        assert answers[8] == (None, "It can't be.")
        assert "ZeroDivisionError" in answers[9][1]
        pages.feed.asked("one", {"do": "painted"})  # which needs no answer
        pages.feed.closed("one")
        assert [call[0] for call in pages.pictures.method_calls if call[0] != "asked"] == ["opened", "closed"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("goodbye", [True, False])
def test_pages_that_are_gone_are_forgotten(goodbye):
    async def main():
        pages = Pages()
        for number in range(MAX_PAGES + 3):
            pages.feed.opened(str(number))
            if goodbye:
                pages.feed.closed(str(number))
        assert len(pages.feed.pages) == (0 if goodbye else MAX_PAGES)
        assert pages.closed == ([] if goodbye else ["0", "1", "2"])

    asyncio.run(main())
