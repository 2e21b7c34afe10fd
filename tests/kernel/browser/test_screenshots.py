"""What the README shows: live video of a machine, and its link lost and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.browser.conftest import SCREENSHOTS
from tests.kernel.remotes import Remote

if TYPE_CHECKING:
    from playwright.sync_api import Page

# `make soak` makes them: what they show is tested elsewhere
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython"), pytest.mark.soak]

CAMERA = """
import time
import numpy as np

class Camera:
    def __init__(self):
        self.y, self.x = np.mgrid[0:360, 0:480]

    def read(self):
        time.sleep(1 / 60)
        x, y, t = self.x, self.y, time.time()
        frame = np.stack([90 + y / 3, 140 + y / 6, 230 - y / 4], 2)
        hills = y > 210 + 30 * np.sin(x / 60 + t) + 12 * np.sin(x / 23 - t)
        frame[hills] = (60, 120, 70)
        frame[(x - 240 - 150 * np.sin(t)) ** 2 + (y - 110 - 40 * np.cos(t)) ** 2 < 900] = (255, 210, 80)
        return frame.clip(0, 255).astype(np.uint8)

camera = Camera()
"""


@pytest.mark.timeout(300)
def test_live_video_and_a_link_that_is_lost_and_found(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook
    from tests.kernel.browser.test_status import Item

    def keep(name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    page.set_viewport_size({"width": 900, "height": 640})
    with Proxy(remote.port) as proxy, JupyterServer("jupyterlab") as server:
        server.save_host("robot", proxy.address)
        notebook = new_notebook(page, server)
        page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
        (remote.work / "camera.py").write_text(CAMERA)
        notebook.run("%connect robot\nfrom camera import camera")
        cell = notebook.start("while True:\n    show(camera.read())")
        expect(notebook.output(cell).locator("img + canvas")).to_have_count(1)
        item = Item(page)
        item.shows("connected", f"robot ({proxy.address})")
        expect(item.figures).to_contain_text("memory")
        keep("live-video")

        proxy.refuse(3600)
        item.shows("reconnecting")
        item.open()
        expect(item.popup.locator(".rk-Popup-sessions")).to_contain_text("No server is listening")
        keep("link-lost")
        proxy.refuse(0)
        item.shows("connected")
        expect(item.figures).to_contain_text("memory")
        expect(item.popup.locator(".rk-Row[data-session]")).to_contain_text("this notebook has it")
        keep("link-found")
        page.keyboard.press("Escape")
        notebook.stop(cell)
