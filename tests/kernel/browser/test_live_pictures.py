"""Pictures of `show` go around the document to the page; none is made where nobody looks; the last one stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel.remotes import Remote, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.kernel.browser.video import Watched

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]

LIVE = (
    ".jp-Notebook .jp-OutputArea-output img + canvas"  # what the page draws stands in front of the document's picture
)

# To be run there: each picture that is made is counted, and for each that is taken a file says both.
COUNTED = """
import PIL.Image
save, encoded = PIL.Image.Image.save, 0
def counting(*args, **options):
    global encoded
    encoded += 1
    return save(*args, **options)
PIL.Image.Image.save = counting
def loop():
    while True:
        show(camera.read(), fps=60)
        with open("counted", "w") as file:
            file.write(f"{camera.taken} {encoded} .")
"""


def counted(remote: Remote) -> tuple[int, int]:
    """How many pictures were taken there, and how many were made for the page."""
    while True:
        words = (remote.work / "counted").read_text().split()
        if words[2:] == ["."]:  # the whole of it
            return int(words[0]), int(words[1])


def kept(path: Path) -> list[dict[str, Any]]:
    """The displays in a saved notebook."""
    cells = json.loads(path.read_text())["cells"]
    return [each for cell in cells for each in cell.get("outputs", []) if each["output_type"] == "display_data"]


def rested(remote: Remote) -> bool:
    """Whether of 60 pictures that were taken none was made."""
    before = counted(remote)
    wait_until(lambda: counted(remote)[0] > before[0] + 60, 20)
    return counted(remote)[1] == before[1]


@pytest.mark.timeout(300)
def test_pictures_go_around_the_document_and_none_is_made_where_nobody_looks(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook
    from tests.kernel.browser.video import CAMERA, Watched

    with JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")\n{CAMERA}\n{COUNTED}')
        cell = notebook.start("loop()")
        expect(notebook.output(cell).locator("img")).to_have_count(1)
        cell.evaluate(
            """() => {
                window.changes = 0;
                for (const cell of jupyterapp.shell.currentWidget.content.model.cells) {
                    cell.outputs?.changed.connect(() => window.changes++);
                }
            }"""
        )
        watched = Watched(page, cell)
        seen = watched.wait_for(lambda seen: len(seen) > 100, 60)
        changes = page.evaluate("window.changes")
        assert len(seen) > 100
        assert changes < len(seen) / 4, "most don't change the document"
        numbers = [each.number for each in seen]
        assert numbers == sorted(numbers), "the newest wins"
        page.wait_for_selector(LIVE)

        page.evaluate("jupyterapp.commands.execute('launcher:create')")  # another tab in front of the notebook
        expect(page.locator(".jp-Notebook:visible")).to_have_count(0)
        assert wait_until(lambda: rested(remote), 60), "nobody looks, so none is made"
        assert rested(remote)
        before = len(watched.seen)  # the pictures' own numbers begin anew after a minute
        page.locator(".lm-TabBar-tab", has_text="ipynb").first.click()
        expect(page.locator(".jp-Notebook:visible")).to_have_count(1)
        seen = watched.wait_for(lambda seen: len(seen) > before + 30, 60)
        assert len(seen) > before + 30
        page.evaluate(
            """() => {
                Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});
                document.dispatchEvent(new Event('visibilitychange'));
            }"""
        )
        assert wait_until(lambda: rested(remote), 60), "a page that is hidden costs nothing either"
        page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
        assert wait_until(lambda: not rested(remote), 60)

        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.reload()  # the page finds the pictures' place in the notebook again
        page.wait_for_selector(LIVE)
        notebook.press("notebook:interrupt-kernel")
        notebook.wait_for_kernel()
        notebook.run("del camera")
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        (path,) = server.root.glob("*.ipynb")
        assert wait_until(lambda: "del camera" in path.read_text(), 30)
        (display,) = kept(path)
        assert display["data"]["image/jpeg"].startswith("/9j/")
        assert display["metadata"]["rpyc_kernel"]["show"].startswith("show-")


CLEARED = """
def cleared():
    import os
    from IPython.display import clear_output
    while True:
        show(camera.read(), fps=60)
        if os.path.exists("clear"):
            os.remove("clear")
            clear_output()
"""

# The name of the pictures' place in the last cell but one.
PLACE = "[...jupyterapp.shell.currentWidget.content.model.cells].at(-2).outputs.get(0)?.metadata.rpyc_kernel?.show"

# The connection of the page's kernel breaks, and the page makes another.
CUT = """() => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    window.connections = [];
    kernel.connectionStatusChanged.connect((_kernel, status) => window.connections.push(status));
    kernel._ws.close();
}"""


def live(watched: Watched, more: int) -> bool:
    """Whether so many more pictures are seen."""
    count = len(watched.seen) + more
    return len(watched.wait_for(lambda seen: len(seen) >= count, 60)) >= count


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_live_pictures_go_on_after_what_may_come_between(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook
    from tests.kernel.browser.video import CAMERA, Watched

    with JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")\n{CAMERA}\n{CLEARED}')
        cell = notebook.start("cleared()")
        watched = Watched(page, cell)
        assert live(watched, 200)
        before = page.evaluate(PLACE)
        (remote.work / "clear").touch()
        page.wait_for_function(f"before => {{ const now = {PLACE}; return now && now !== before; }}", arg=before)
        page.wait_for_selector(LIVE)  # the place after clear_output is live again
        assert live(watched, 60)
        expect(notebook.output(cell)).to_have_count(1)

        page.evaluate(CUT)
        page.wait_for_function("window.connections.at(-1) === 'connected'")
        assert live(watched, 60)
        page.wait_for_selector(LIVE)

        notebook.press("notebook:restart-kernel")
        notebook.accept()
        expect(cell.locator(".jp-InputPrompt")).to_have_text("[ ]:")  # it doesn't run any more, as everybody sees
        notebook.wait_for_kernel()
        count = len(watched.seen)
        notebook.run(f"{CAMERA}\n{CLEARED}")
        assert len(watched.seen) == count
        cell = notebook.start("cleared()")
        watched = Watched(page, cell)
        assert live(watched, 200)
        page.wait_for_selector(LIVE)
        notebook.stop(cell)
