"""JupyterLab's launcher shows a saved machine, and a notebook that is begun there runs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]


def test_a_tile_of_a_saved_machine(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook
    from tests.kernel.browser.test_status import Item

    server = JupyterServer("jupyterlab")
    server.save_host("pi", remote.address, "--tile")
    with server:
        notebook = new_notebook(page, server, "Python @ pi")
        item = Item(page)
        item.shows("connects with the next cell", "pi")
        cell = notebook.run("import os; os.environ['RK_WHERE']")
        expect(notebook.output(cell).last).to_have_text("'there'")
        item.shows("connected", f"pi ({remote.address})")
        last = notebook.cells.last.locator(".cm-content")
        last.click()
        page.keyboard.insert_text("%sessions p")
        page.keyboard.press("Tab")
        expect(page.locator(".jp-Completer-item")).to_have_text("pi")
        page.keyboard.press("Enter")
        expect(last).to_have_text("%sessions pi")
