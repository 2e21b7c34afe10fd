"""The page's extension: what it shows of the machine of the notebook in front, and what a click on it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]


def test_the_status_item_in_jupyterlab(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    with JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        item = page.locator(".rk-Status")
        expect(item.locator(".rk-Status-state")).to_have_text("not connected", timeout=SLOW)
        notebook.run(f'$connect("{remote.address}")\n6 * 7')
        expect(item.locator(".rk-Status-state")).to_have_text("connected")
        expect(item.locator(".rk-Status-machine")).to_have_text(remote.address)
        expect(item.locator(".rk-Status-figures")).to_contain_text("memory", timeout=SLOW)
        page.screenshot(path="/root/w/keep-lab/thin.png")
