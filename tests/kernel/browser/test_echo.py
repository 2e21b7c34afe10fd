"""examples/echo_kernel in JupyterLab: its tile is there once it is installed, its notebook echoes, and it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.installed import EXAMPLES, kernelspec

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.needs("chromium")


def test_from_the_launcher(page: Page) -> None:
    from tests.kernel.browser.pages import NAME, SLOW, TOKEN, JupyterServer, Notebook, expect

    def tile(name: str):
        return page.locator(f'.jp-LauncherCard[data-category="Notebook"][title*="{name}"]')

    with JupyterServer("jupyterlab") as server:
        kernelspec(server.env, "install", str(EXAMPLES / "echo_kernel"), "--user")
        notebook = Notebook(page)
        page.goto(f"{server.url}/lab?token={TOKEN}")
        tile("Echo").click()
        notebook.wait_for_kernel()
        cell = notebook.run("Hello, are you there?")
        expect(notebook.output(cell)).to_have_text("Hello, are you there?")
        cell = notebook.run("and again")
        expect(notebook.output(cell)).to_have_text("and again")
        expect(cell.locator(".jp-InputPrompt")).to_have_text("[2]:")
        log = (server.folder / "log").read_text()
        assert "No module named" not in log
        assert "KernelRestarter" not in log

        kernelspec(server.env, "uninstall", "-y", "echo_kernel")
        page.goto(f"{server.url}/lab/workspaces/another?token={TOKEN}&reset")
        expect(tile(NAME)).to_be_visible(timeout=SLOW)
        expect(tile("Echo")).to_have_count(0)
