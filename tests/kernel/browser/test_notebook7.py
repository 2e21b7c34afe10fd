"""Notebook 7: the kernel is chosen in the dialog of a notebook that names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]

LIVE = """
import time
import numpy as np
while True: time.sleep(0.02); show(np.random.randint(0, 255, (200, 200), np.uint8))
"""


def test_a_first_notebook(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import NAME, TOKEN, JupyterServer, Notebook, expect, story
    from tests.kernel.browser.test_status import Item

    with JupyterServer("notebook") as server:
        nbformat.write(new_notebook(cells=[new_code_cell("")]), server.root / "first.ipynb")
        notebook = Notebook(page)
        page.goto(f"{server.url}/notebooks/first.ipynb?token={TOKEN}")
        dialog = page.locator(".jp-Dialog")
        dialog.locator("select").select_option(label=NAME)
        notebook.accept()
        notebook.wait_for_kernel()
        item = Item(page)
        item.shows("not connected")
        story(notebook, remote.address, widgets=remote.kind == "ipython")
        item.shows("connected", remote.address)
        expect(item.figures).to_contain_text("memory")
        item.open()
        expect(item.popup.locator(".rk-Popup-title")).to_have_text(f"{remote.address}: connected")
        page.keyboard.press("Escape")
        cell = notebook.start(LIVE)
        expect(notebook.output(cell).locator("img + canvas")).to_have_count(1)  # which the page draws itself
        notebook.stop(cell)
