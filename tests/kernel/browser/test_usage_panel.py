"""jupyter-resource-usage's panel *Kernel usage* shows the machine on which cells run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]


def test_the_panel_shows_the_other_python(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    with JupyterServer("jupyterlab", extension=False) as server:
        notebook = new_notebook(page, server)
        page.evaluate("jupyterapp.shell.activateById('kernelusage-panel-id')")
        panel = page.locator(".jp-KernelUsage-content")
        expect(panel).to_contain_text("not connected to a machine yet", timeout=SLOW)
        out = notebook.run(
            f'$connect("{remote.address}")\nimport os, socket\nprint("pid", os.getpid(), socket.gethostname())'
        )
        expect(out).to_contain_text("pid", timeout=SLOW)
        _pid, pid, host = re.findall(r"(pid) (\d+) (\S+)", out.inner_text())[0]
        expect(panel).to_contain_text(f"Process ID: {pid}", timeout=SLOW)
        expect(panel).to_contain_text(f"Kernel Host: {host}")
        for field in ("Memory", "Active", "Available", "Free", "Inactive", "Total"):
            expect(panel).to_contain_text(re.compile(rf"{field}: [\d.]+ [kMG]?B", re.IGNORECASE))
        expect(panel).to_contain_text("Percent used:")
