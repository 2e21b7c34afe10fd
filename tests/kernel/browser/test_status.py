"""The page's extension: what it shows of the machine of the notebook in front, and what clicks on it do."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.browser.pages import SLOW, TOKEN, JupyterServer
from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]

TOPS = """() => {
    const cards = document.querySelector('.rk-Sidebar-cards'), look = () => tops.add(cards.getBoundingClientRect().top);
    const tops = window.tops = new Set();
    look();
    new MutationObserver(look).observe(cards.parentElement, {subtree: true, childList: true, attributes: true});
}"""


class Item:
    """The status item of a page, and what a click on it opens."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.state = page.locator(".rk-Status-state")
        self.machine = page.locator(".rk-Status-machine")
        self.figures = page.locator(".rk-Status-figures")
        self.popup = page.locator(".rk-Popup")

    def shows(self, state: str, machine: str = "") -> None:
        from tests.kernel.browser.pages import expect

        expect(self.state).to_have_text(state, timeout=SLOW)
        if machine:
            expect(self.machine).to_have_text(machine, timeout=SLOW)

    def open(self) -> None:
        self.page.locator(".rk-Status").click()

    def press(self, text: str) -> None:
        self.popup.get_by_role("button", name=text, exact=True).first.click()


@pytest.mark.timeout(400)  # two notebooks, a cut, a death and a takeover: 40 s, and longer where others compute
def test_the_status_item_through_a_cut_a_death_and_a_takeover(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import expect, new_notebook

    with JupyterServer("jupyterlab") as server, Proxy(remote.port) as proxy:
        notebook = new_notebook(page, server)
        item = Item(page)
        item.shows("not connected")
        machine = f"walk ({proxy.address})"
        notebook.run(f"%connect {proxy.address} --name walk\n6 * 7")
        item.shows("connected", machine)
        expect(item.figures).to_contain_text(re.compile(r"ms · .*memory \d+ %"), timeout=SLOW)

        cell = notebook.start("import time; print('runs', flush=True); time.sleep(600)")
        expect(notebook.output(cell).first).to_contain_text("runs", timeout=SLOW)
        item.open()
        expect(item.popup.locator(".rk-Row[data-session]")).to_have_text("walkbusy, this notebook has it", timeout=SLOW)
        proxy.refuse(3600)
        item.shows("reconnecting", machine)
        item.press("Reconnect now")
        expect(item.popup.locator(".rk-Popup-said")).to_have_text("Connecting…")
        proxy.refuse(0)
        item.shows("connected", machine)
        item.press("Interrupt")
        expect(notebook.output(cell).last).to_contain_text("KeyboardInterrupt", timeout=SLOW)
        page.keyboard.press("Escape")
        expect(item.popup).to_have_count(0)

        notebook.run("import os; os._exit(3)")
        item.shows("worker died", machine)
        notebook.run("kept = 'kept'")
        item.shows("connected", machine)
        item.open()
        item.press("Restart the Python there")
        notebook.accept()
        expect(item.popup.locator(".rk-Popup-said")).to_have_text("", timeout=SLOW)
        page.keyboard.press("Escape")
        cell = notebook.run("'kept' in globals()")
        expect(notebook.output(cell).last).to_have_text("False")

        other = page.context.new_page()
        new_notebook(other, server).run(f"%attach walk {proxy.address}")
        item.shows("taken over", machine)
        other.close()
        page.bring_to_front()
        item.open()
        item.press("Take over")
        item.shows("connected", machine)
        expect(notebook.cells.nth(notebook.cells.count() - 2)).to_contain_text("%attach walk")
        cell = notebook.run("6 * 7")
        expect(notebook.output(cell).last).to_have_text("42")
        server.process.terminate()
        item.shows("no connection to the kernel", machine)
        expect(item.figures).to_have_text("")


def test_the_sidebar_has_a_card_for_each_saved_machine_and_begins_notebooks_there(page: Page) -> None:
    from tests.kernel.browser.pages import expect, new_notebook

    server = JupyterServer("jupyterlab")
    with Remote("bare") as remote, server:
        server.save_host("pi", remote.address)
        server.save_host("gone", "127.0.0.1:1")
        notebook = new_notebook(page, server)
        asking = page.locator(".rk-Ask")
        expect(asking.get_by_role("button")).to_have_text(["pi", "gone", "Later"], timeout=SLOW)
        asking.get_by_role("button", name="pi").click()
        item = Item(page)
        item.shows("connected", f"pi ({remote.address})")
        expect(asking).to_have_count(0)
        cell = notebook.run("import os; os.environ['RK_WHERE']")
        expect(notebook.output(cell).last).to_have_text("'there'")

        page.locator('.jp-SideBar [data-id="rpyc-kernel-machines"]').click()
        card = page.locator('.rk-Card[data-machine="pi"]')
        expect(card.locator(".rk-Card-state")).to_contain_text(re.compile(r"ready, .* ms, Python 3"), timeout=SLOW)
        expect(card.locator(".rk-Row")).to_contain_text("this notebook has it")
        expect(page.locator('.rk-Card[data-machine="gone"]')).to_contain_text("No server is listening")

        notebook.run("%disconnect")
        item.shows("not connected")
        page.locator(".rk-Sidebar-head button").click()
        expect(card.locator(".rk-Row")).to_contain_text("ready, held by nobody", timeout=SLOW)
        notebook.run("%connect pi --new\n%disconnect")  # two of one name
        page.locator(".rk-Sidebar-head button").click()
        expect(card.locator(".rk-Row")).to_have_count(2, timeout=SLOW)
        card.get_by_role("button", name="Take over").first.click()
        item.shows("connected", f"pi ({remote.address})")
        expect(item.figures).to_contain_text("memory", timeout=SLOW)
        page.set_viewport_size({"width": 900, "height": 700})
        bar = page.locator("#jp-main-statusbar")
        assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth"), "something is pushed out of the window"
        expect(card).to_contain_text("this notebook has it", timeout=SLOW)
        refresh = page.locator(".rk-Sidebar-head button")
        expect(refresh).to_be_enabled(timeout=SLOW)
        kept = card.element_handle()
        page.evaluate(TOPS)
        refresh.click()
        expect(refresh).to_be_enabled(timeout=SLOW)
        assert page.evaluate("window.tops.size") == 1, "the cards have moved while the machines were asked"
        assert kept.is_visible(), "another card, and a press on the first one's button would have been lost"
        notebook.run("%disconnect")
        item.shows("not connected")
        page.set_viewport_size({"width": 1200, "height": 1400})
        card.get_by_role("button", name="New notebook").click()
        item.shows("connected", f"pi ({remote.address})")
        expect(page.locator(".jp-Notebook:visible .jp-CodeCell")).to_have_count(1)
        expect(card.locator(".rk-Row")).to_have_count(3, timeout=SLOW)

        url = f"{server.url}/rpyc-kernel/hosts"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(url, timeout=10)
        with urllib.request.urlopen(f"{url}?token={TOKEN}", timeout=30) as answer:
            hosts = json.load(answer)["hosts"]
        assert [(each["name"], each["reachable"], len(each["sessions"])) for each in hosts] == [
            ("pi", True, 3),
            ("gone", False, 0),
        ]
