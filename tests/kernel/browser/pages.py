"""JupyterLab and Notebook 7 in Chromium: a server of its own, a page, and what a user does with a notebook."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.servers.jupyter_servers import TOKEN, JupyterServer

NAME = "Python (RPyC)"
UNUSED = (
    # the list below the address field, which is a page of its own for each page
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "AimServerEligibilityEnabled",
    # what Playwright turns off: of two such options Chromium takes the last
    "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)  # fmt: skip
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--disable-features={','.join(UNUSED)}"]
SLOW = 45_000
"""Milliseconds: a browser and two kernels share two cores."""


class Notebook:
    """An open notebook, as its user sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(SLOW)
        expect.set_options(timeout=SLOW)

    def wait_for_kernel(self) -> None:
        """Until the page has its kernel; the execution indicator says idle before that."""
        self.page.wait_for_function(
            """() => {
                const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
                return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
            }""",
            timeout=SLOW,
            polling=100,  # by default whenever something is drawn, which it has things drawn for
        )

    @property
    def cells(self) -> Locator:
        return self.page.locator(".jp-Notebook:visible .jp-CodeCell")

    def start(self, code: str) -> Locator:
        """Write into the last cell and press Shift+Enter. Returns the cell."""
        cell = self.cells.last
        cell.scroll_into_view_if_needed()
        index = self.cells.count() - 1
        cell.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        expect(cell.locator(".cm-content")).to_contain_text(code.splitlines()[-1])
        self.page.keyboard.press("Shift+Enter")
        return self.cells.nth(index)

    def run(self, code: str) -> Locator:
        """Run a cell and wait until it has its number."""
        cell = self.start(code)
        self._ended(cell)
        return cell

    def stop(self, cell: Locator) -> None:
        """Press stop and wait until the running cell has ended: what is started before that ends with it."""
        self.press("notebook:interrupt-kernel")
        expect(self.output(cell).last).to_contain_text("KeyboardInterrupt")
        self._ended(cell)

    def _ended(self, cell: Locator) -> None:
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=SLOW)

    @staticmethod
    def output(cell: Locator) -> Locator:
        return cell.locator(".jp-OutputArea-output")

    def reload(self) -> None:
        """Save the notebook, and load the page again."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.page.reload()
        self.wait_for_kernel()

    def press(self, command: str) -> None:
        """A button of the toolbar."""
        self.page.locator(f'[data-command="{command}"]:visible').first.click()

    def drag(self, thing: Locator, right: int) -> None:
        """Drag something to the right by so many pixels, once the page has stopped scrolling."""
        thing.scroll_into_view_if_needed()
        before, box = None, thing.bounding_box()
        while box != before:
            self.page.wait_for_timeout(200)
            before, box = box, thing.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y, steps=6)
        self.page.mouse.up()

    def accept(self) -> None:
        """The dialog's default button."""
        self.page.locator(".jp-Dialog .jp-mod-accept").click()


def new_notebook(page: Page, server: JupyterServer, name: str = NAME) -> Notebook:
    """A notebook whose kernel, shown by that name, was chosen in JupyterLab's launcher."""
    notebook = Notebook(page)
    page.goto(f"{server.url}/lab?token={TOKEN}")
    page.locator(f'.jp-LauncherCard[data-category="Notebook"][title*="{name}"]').click()
    notebook.wait_for_kernel()
    return notebook


def story(notebook: Notebook, address: str, widgets: bool) -> None:
    """What a user does first: connect, run, see an error and a plot, move a slider, stop a cell, restart."""
    page = notebook.page
    cell = notebook.run(f'$connect("{address}")\nimport os; os.environ["RK_WHERE"]')
    expect(notebook.output(cell).first).to_contain_text(address)
    expect(notebook.output(cell).last).to_have_text("'there'")

    cell = notebook.run("for i in range(3): print('line', i)\n6 * 7")
    expect(notebook.output(cell).first).to_contain_text("line 2")
    expect(notebook.output(cell).last).to_have_text("42")

    cell = notebook.run("failing = 0\n1 / failing")
    expect(cell.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_contain_text("ZeroDivisionError")
    expect(cell.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_contain_text("1 / failing")

    cell = notebook.run("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);")
    image = cell.locator(".jp-OutputArea-output img")
    expect(image).to_be_visible(timeout=SLOW)
    assert image.evaluate("image => image.naturalWidth") > 100

    cell = notebook.start("answer = input('Who? ')")
    field = cell.locator(".jp-Stdin-input")
    expect(field).to_be_visible(timeout=SLOW)
    field.fill("me")
    field.press("Enter")
    cell = notebook.run("answer")
    expect(notebook.output(cell).last).to_have_text("'me'")

    if widgets:
        cell = notebook.run("import ipywidgets\ns = ipywidgets.IntSlider(value=3)\ns")
        handle = cell.locator(".noUi-handle")
        expect(handle).to_be_visible(timeout=SLOW)
        notebook.drag(handle, 60)
        moved = cell.locator(".widget-readout").inner_text()
        assert int(moved) > 3
        cell = notebook.run("s.value")
        expect(notebook.output(cell).last).to_have_text(moved)
        cell = notebook.run("s.value = 50")
        expect(page.locator(".widget-readout")).to_have_text("50")

    cell = notebook.start("import time\nprint('waiting'); time.sleep(60)")
    expect(notebook.output(cell).first).to_contain_text("waiting", timeout=SLOW)
    notebook.stop(cell)
    cell = notebook.run("answer")
    expect(notebook.output(cell).last).to_have_text("'me'")

    notebook.press("notebook:restart-kernel")
    notebook.accept()
    notebook.wait_for_kernel()
    cell = notebook.run("answer")
    expect(notebook.output(cell).last).to_contain_text("NameError", timeout=SLOW)
