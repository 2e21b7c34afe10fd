"""JupyterLab: the kernel is chosen in the launcher."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]


def test_a_first_notebook(page: Page, remote: Remote) -> None:
    """It needs nothing of our extension, which is disabled here; nor does jupyter-resource-usage's panel."""
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook, story

    with JupyterServer("jupyterlab", extension=False) as server:
        notebook = new_notebook(page, server)
        show_panel = "() => { jupyterapp.shell.activateById('kernelusage-panel-id'); }"
        page.evaluate(show_panel)
        panel = page.locator(".jp-KernelUsage-content")
        expect(panel).to_contain_text("not connected to a machine yet", timeout=SLOW)
        page.evaluate("() => { jupyterapp.shell.collapseRight(); }")

        story(notebook, remote.address, widgets=remote.kind == "ipython")
        expect(page.locator(".rk-Status")).to_have_count(0)

        page.evaluate(show_panel)  # which has the figures of the other machine
        out = notebook.run('import os, socket\nprint("pid", os.getpid(), socket.gethostname())')
        expect(out).to_contain_text("pid", timeout=SLOW)
        _pid, pid, host = re.findall(r"(pid) (\d+) (\S+)", notebook.output(out).inner_text())[0]
        expect(panel).to_contain_text(f"Process ID: {pid}", timeout=SLOW)
        expect(panel).to_contain_text(f"Kernel Host: {host}")
        for field in ("Memory", "Active", "Available", "Free", "Inactive", "Total"):
            expect(panel).to_contain_text(re.compile(rf"{field}: [\d.]+ [kMG]?B", re.IGNORECASE))
        expect(panel).to_contain_text("Percent used:")


def test_a_page_that_is_reloaded_in_the_middle_of_a_cell_sees_it_again_by_replay_and_goes_on(page: Page) -> None:
    """JupyterLab shows nothing for that cell; another one does. The session is the same."""
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook

    with Remote("bare") as remote, JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")\nkept = "kept"')
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        cell = notebook.start("import time\nfor i in range(30): print('line', i); time.sleep(.1)\n'the value'")
        expect(notebook.output(cell).first).to_contain_text("line 3")
        page.reload()
        notebook.wait_for_kernel()
        again = notebook.run("%replay")
        expect(notebook.output(again).first).to_contain_text("line 29")
        expect(notebook.output(again).last).to_have_text("'the value'")
        cell = notebook.run("kept")
        expect(notebook.output(cell).last).to_have_text("'kept'")
