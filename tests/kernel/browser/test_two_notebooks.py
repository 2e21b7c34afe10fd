"""Two notebooks in one JupyterLab, each on a machine of its own: what runs where, and what the status item shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]

SMALL, LARGE = r"there: .*, (\d\.\d|\d\d) MB", r"there: .*, [34]\d\d MB"  # what the notebook's Python there takes


@pytest.mark.timeout(300)
def test_the_notebook_in_front_shows_its_own_machine(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook
    from tests.kernel.browser.test_status import Item

    with Remote("bare") as second, Proxy(second.port) as proxy, JupyterServer("jupyterlab") as server:
        server.save_host("left", remote.address)
        server.save_host("right", proxy.address)
        notebook = new_notebook(page, server)
        item, status = Item(page), page.locator(".rk-Status")

        def front(title: str) -> None:
            page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=re.compile(rf"^{title}\.ipynb$")).click()

        def where() -> str:
            return notebook.output(notebook.run("import os; os.environ['RK_REMOTE']")).last.inner_text().strip("'")

        notebook.run("%connect left")
        item.shows("connected", f"left ({remote.address})")
        page.evaluate("jupyterapp.commands.execute('notebook:create-new', {kernelName: 'rpyc', kernelId: ''})")
        expect(page.locator(".lm-TabBar-tab", has_text="Untitled1.ipynb")).to_be_visible()
        item.shows("not connected")
        notebook.wait_for_kernel()
        notebook.run("%connect right\nkept = b'.' * (300 << 20)")
        item.shows("connected", f"right ({proxy.address})")
        assert where() == second.folder.name
        expect(status).to_have_attribute("title", re.compile(re.escape(str(second.work))))
        expect(status).to_have_attribute("title", re.compile(LARGE))
        expect(item.figures).to_contain_text("memory")

        front("Untitled")
        item.shows("connected", f"left ({remote.address})")
        assert where() == remote.folder.name
        expect(status).to_have_attribute("title", re.compile(re.escape(str(remote.work))))
        expect(status).to_have_attribute("title", re.compile(SMALL))

        proxy.refuse(3600)
        front("Untitled1")
        item.shows("reconnecting", f"right ({proxy.address})")
        front("Untitled")
        item.shows("connected", f"left ({remote.address})")
        assert where() == remote.folder.name, "the other notebook's link is none of this one's"
        front("Untitled1")
        item.open()
        expect(item.popup.locator(".rk-Popup-sessions")).to_contain_text("No server is listening", timeout=SLOW)
        proxy.refuse(0)
        item.shows("connected", f"right ({proxy.address})")
        expect(item.popup.locator(".rk-Row[data-session]")).to_contain_text("this notebook has it", timeout=SLOW)
        page.keyboard.press("Escape")
        assert where() == second.folder.name

        notebook.run("%connect left")  # one notebook may have both
        item.shows("connected", f"left ({remote.address})")
        item.open()
        expect(item.popup.locator(".rk-Row[data-label]")).to_have_text("rightconnectedUse", timeout=SLOW)
        item.press("Use")
        item.shows("connected", f"right ({proxy.address})")
        expect(item.popup.locator(".rk-Row[data-label]")).to_have_text("leftconnectedUse", timeout=SLOW)
        page.keyboard.press("Escape")
        assert where() == second.folder.name
