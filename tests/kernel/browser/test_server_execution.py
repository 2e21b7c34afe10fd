"""Jupyter servers that run a page's cells themselves, and keep the output in the notebook's document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote
from tests.servers.venvs import WITH_DOCUMENTS, WITH_NBMODEL, venv

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.soak]

FILM = """
import numpy as np, time
for i in range(61):
    show(np.full((40, 60, 3), i * 4, np.uint8)); time.sleep(1 / 30)
"""


@pytest.mark.parametrize("packages", [WITH_DOCUMENTS, WITH_NBMODEL], ids=["documents", "nbmodel"])
def test_cells_that_the_server_runs(page: Page, packages: list[str]) -> None:
    """docs/frontends.md says what these servers break by themselves."""
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    with (
        Remote("ipython") as remote,
        JupyterServer("jupyterlab", str(venv(extra_packages=packages))) as server,
    ):
        notebook = new_notebook(page, server)
        cell = notebook.run(f'$connect("{remote.address}")\nimport os; os.environ["RK_WHERE"]')
        expect(notebook.output(cell).first).to_contain_text(remote.address)
        expect(notebook.output(cell).last).to_have_text("'there'")
        cell = notebook.run("for i in range(3): print('line', i)\n6 * 7")
        expect(notebook.output(cell).first).to_contain_text("line 2")
        expect(notebook.output(cell).last).to_have_text("42")
        cell = notebook.run("1 / 0")
        expect(notebook.output(cell).first).to_contain_text("ZeroDivisionError")

        cell = notebook.run(FILM)
        expect(notebook.output(cell)).to_have_count(1)
        expect(cell.locator(".jp-OutputArea-output img")).to_have_count(1)
        alone = cell.locator(".jp-OutputArea-output img").get_attribute("src")
        cell = notebook.run("print('text')" + FILM)
        expect(notebook.output(cell)).to_have_count(3)
        assert cell.locator(".jp-OutputArea-output img").last.get_attribute("src") == alone, "the last picture"

        if packages is WITH_DOCUMENTS:
            cell = notebook.run("input('Who? ')")
            expect(notebook.output(cell).first).to_contain_text("StdinNotImplementedError")
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.reload()
        expect(notebook.cells.nth(1)).to_contain_text("line 2", timeout=SLOW)
        (file,) = server.root.glob("*.ipynb")
        page.wait_for_timeout(2000)  # these servers save by themselves
        outputs = [len(each.get("outputs", ())) for each in json.loads(file.read_text())["cells"]]
        assert outputs[:5] == [2, 2, 1, 1, 3]
