"""The output of a cell that has run on several machines, by machine: tabs above it in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]

SHOWN = """
import matplotlib.pyplot as plt, os, sys
print('folder', os.environ['RK_REMOTE'])
print('warned', file=sys.stderr)
plt.plot([1, 2]);
"""


@pytest.mark.timeout(300)
def test_tabs_show_what_one_machine_has_given_out(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    with Remote(remote.kind) as second, JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f"%connect {remote.address} --name left\n6 * 7")
        alone = notebook.run("print('[x] 1')")
        notebook.run(f"%connect {second.address} --name right\n6 * 7")
        cell = notebook.run(f"%%px\n{SHOWN}")
        tabs = cell.locator(".rk-Tabs button")
        expect(tabs).to_have_text(["all", "left", "right"])
        expect(alone.locator(".rk-Tabs")).to_have_count(0)
        area = expect(cell.locator(".jp-Cell-outputArea"))
        seen = {"use_inner_text": True, "timeout": SLOW}  # of the text what can be seen
        images = cell.locator(".jp-OutputArea-output img:visible")
        expect(images).to_have_count(2)

        for name, its, other in (("left", remote, second), ("right", second, remote)):
            cell.locator(f'.rk-Tabs [data-machine="{name}"]').click()
            expect(images).to_have_count(1)
            area.to_contain_text(f"folder {its.folder.name}", **seen)
            area.to_contain_text("warned", **seen)
            area.not_to_contain_text(other.folder.name, **seen)
            area.not_to_contain_text(f"[{name}]", **seen)  # the tab says whose it is

        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        cell.locator('.rk-Tabs [data-machine=""]').click()
        expect(images).to_have_count(2)
        for name, its in (("left", remote), ("right", second)):
            area.to_contain_text(f"[{name}] folder {its.folder.name}", **seen)

        page.reload()
        notebook.wait_for_kernel()
        expect(notebook.cells.nth(3).locator(".rk-Tabs button")).to_have_text(["all", "left", "right"])
        page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        expect(page.locator(".rk-Tabs")).to_have_count(0)
