"""JupyterLab's debugger, by clicks: a breakpoint in a cell, variables, a step, and a page that is loaded again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium")]

CODE = "def area(width, height):\n    doubled = width * 2\n    return doubled * height\n\narea(3, 4)"


def test_a_cell_is_debugged(page: Page) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    with Remote("debugged plain") as remote, JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")')
        bug, sidebar = page.locator(".jp-DebuggerBugButton:visible"), page.locator(".jp-DebuggerSidebar")
        bug.click()
        expect(notebook.cells.last.locator(".cm-gutter.cm-breakpoint-gutter")).to_be_visible(timeout=SLOW)
        cell = notebook.cells.last
        cell.locator(".cm-content").click()
        page.keyboard.insert_text(CODE)
        page.wait_for_timeout(1500)  # JupyterLab looks for breakpoints a second after a text has changed
        cell = notebook.cells.nth(notebook.cells.count() - 1)
        cell.locator(".cm-gutter.cm-breakpoint-gutter .cm-gutterElement").nth(2).click()  # the first is a spacer
        expect(sidebar.locator(".jp-DebuggerBreakpoint-line")).to_have_text("2", timeout=SLOW)
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        frames, variables = (
            sidebar.locator(".jp-DebuggerCallstackFrame-name"),
            sidebar.locator(".jp-DebuggerVariables-body:visible"),
        )
        expect(frames).to_have_text(["area", "<module>"], timeout=SLOW)
        expect(variables).to_contain_text("width", timeout=SLOW)
        expect(variables).not_to_contain_text("doubled")
        sidebar.locator('[data-command="debugger:next"]').click()
        expect(variables).to_contain_text("doubled", timeout=SLOW)
        sidebar.locator('[data-command="debugger:continue"]').click()
        expect(notebook.output(cell).last).to_have_text("24", timeout=SLOW)

        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        expect(frames).to_have_text(["area", "<module>"], timeout=SLOW)
        page.reload()
        expect(frames).to_have_text(["area", "<module>"], timeout=SLOW)
        expect(sidebar.locator(".jp-DebuggerBreakpoint-line")).to_have_text("2", timeout=SLOW)
        for _ in range(30):  # JupyterLab forgets a click while it still asks for the frames
            sidebar.locator('[data-command="debugger:continue"]').click()
            with suppress(AssertionError):
                expect(frames).to_have_count(0, timeout=3_000)
                break
        notebook.wait_for_kernel()
        expect(frames).to_have_count(0)
