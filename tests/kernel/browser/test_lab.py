"""JupyterLab: the kernel is chosen in the launcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]


def test_a_first_notebook(page: Page, remote: Remote) -> None:
    """It needs nothing of our extension, which is disabled here; Notebook 7's has it."""
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook, story

    with JupyterServer("jupyterlab", extension=False) as server:
        notebook = new_notebook(page, server)
        story(notebook, remote.address, widgets=remote.kind == "ipython")
        expect(page.locator(".rk-Status")).to_have_count(0)


def test_a_reloaded_page_goes_on_with_its_session(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook

    with JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")\nkept = "kept"')
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.reload()
        notebook.wait_for_kernel()
        cell = notebook.run("kept")
        expect(notebook.output(cell).last).to_have_text("'kept'")


def test_a_page_that_is_reloaded_in_the_middle_of_a_cell_sees_it_again_by_replay(page: Page) -> None:
    """JupyterLab shows nothing for that cell; another one does."""
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook

    with Remote("bare") as remote, JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")')
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        cell = notebook.start("import time\nfor i in range(30): print('line', i); time.sleep(.1)\n'the value'")
        expect(notebook.output(cell).first).to_contain_text("line 3")
        page.reload()
        notebook.wait_for_kernel()
        again = notebook.run("%replay")
        expect(notebook.output(again).first).to_contain_text("line 29")
        expect(notebook.output(again).last).to_have_text("'the value'")
