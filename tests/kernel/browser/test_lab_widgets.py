"""JupyterLab: widgets of two machines, through a reload and the end of a Python; a console beside the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]

OLD_WIDGET = """
from comm import create_comm
module = {"_model_module": "@jupyter-widgets/controls", "_model_module_version": "1.5.0"}
state = dict(module, _model_name="IntSliderModel")
c = create_comm(target_name="jupyter.widget", data={"state": state}, metadata={"version": "2.0.0"})
"""


def test_widgets_of_two_machines_outlast_a_reload_and_are_marked_when_their_python_dies(
    page: Page, remote: Remote
) -> None:
    from tests.kernel.browser.pages import SLOW, JupyterServer, expect, new_notebook

    if remote.kind != "ipython":
        pytest.skip("widgets need IPython")
    with Remote("ipython") as second, JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")\nimport ipywidgets; s = ipywidgets.IntSlider(value=3); s')
        notebook.run(f'$connect("{second.address}")\nimport ipywidgets; s = ipywidgets.IntSlider(value=4); s')
        notebook.run("%%local\nimport ipywidgets; s = ipywidgets.IntSlider(value=5); s")
        expect(page.locator(".widget-readout")).to_have_text(["3", "4", "5"], timeout=SLOW)
        cell = notebook.run("import os\nos.environ['RK_REMOTE'], s.value")
        expect(notebook.output(cell).last).to_have_text(f"('{second.folder.name}', 4)")

        notebook.reload()
        expect(page.locator(".widget-readout")).to_have_text(["3", "4", "5"], timeout=SLOW)
        for index in range(3):
            notebook.drag(page.locator(".noUi-handle").nth(index), 40)
        moved = page.locator(".widget-readout").all_inner_texts()
        assert all(int(text) > 5 for text in moved)
        cell = notebook.run("%%local\ns.value")
        expect(notebook.output(cell).last).to_have_text(moved[2])
        cell = notebook.run(f'$connect("{remote.address}")\ns.value')
        expect(notebook.output(cell).last).to_have_text(moved[0])

        cell = notebook.run(OLD_WIDGET)
        expect(notebook.output(cell)).to_contain_text("the widgets of ipywidgets 7 on")
        cell = notebook.run("import os; os.kill(os.getpid(), 9)")
        expect(notebook.output(cell).last).to_contain_text("Its variables and 1 widget are lost")
        marked = page.locator(".jupyter-widgets-disconnected")
        expect(marked).to_have_count(1)
        expect(marked.locator(".widget-readout")).to_have_text(moved[0])
        expect(marked.locator(".widget-readout")).to_be_visible()
        cell = notebook.run(f'$connect("{second.address}")\ns.value')
        expect(notebook.output(cell).last).to_have_text(moved[1])

        page.evaluate("jupyterapp.commands.execute('notebook:create-console')")
        prompt = page.locator(".jp-CodeConsole-promptCell .cm-content")
        expect(prompt).to_be_visible()
        prompt.click()
        page.keyboard.insert_text("print('console', s.value)")
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".jp-CodeConsole-content .jp-OutputArea-output").last).to_have_text(f"console {moved[1]}\n")
