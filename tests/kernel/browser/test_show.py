"""A camera's picture in the cell, as JupyterLab paints it: how many a second, and how old they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.networks import FAR, Radio
from tests.kernel.remotes import Remote
from tests.needs import needs

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.kernel.browser.video import Watched

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("ipython")]

LOOP = "while True: show(camera.read())"


@contextmanager
def watching(page: Page, address: str) -> Iterator[Watched]:
    """A notebook in which that loop runs, until it is stopped; then the last picture must still be there."""
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook
    from tests.kernel.browser.video import CAMERA, Watched

    with JupyterServer("jupyterlab") as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{address}")\n{CAMERA}')
        cell = notebook.run("for name in ('left', 'right'): show(camera.read()[::2, ::2], name=name)")
        expect(notebook.output(cell).locator("figcaption")).to_have_text(["left", "right"])
        left, right = (each.bounding_box() for each in notebook.output(cell).locator("img").all())
        assert left
        assert right
        assert left["y"] == right["y"]
        assert 0 < right["x"] - left["x"] - left["width"] < 60, "they stand side by side"
        cell = notebook.start(LOOP)
        expect(notebook.output(cell).locator("img")).to_have_count(1)
        watched = Watched(page, cell)
        yield watched
        notebook.stop(cell)
        taken = int(notebook.output(notebook.run("camera.taken")).last.inner_text())
        expect(notebook.output(cell).locator("img")).to_have_count(1)
        last = watched.wait_for(lambda seen: seen[-1].number >= taken - 1, 10)[-1].number
        assert taken - last in (0, 1)  # the stop may have come between taking and showing
        images = page.evaluate(
            """jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells
                .map(cell => (cell.outputs || []).filter(output => output.output_type === 'display_data').length)"""
        )
        assert sum(images) == 3  # what the notebook keeps: two with names, and the video's last


def test_the_page_paints_what_comes_and_the_last_picture_stays(page: Page, remote: Remote) -> None:
    with watching(page, remote.address) as watched:
        seen = watched.wait_for(lambda seen: len(seen) > 40, 60)
        assert len(seen) > 40
        numbers = [each.number for each in seen]
        assert numbers == sorted(numbers)


@pytest.mark.soak  # how fast is a figure, and of a machine that does nothing else
def test_25_pictures_a_second_none_older_than_200_ms(page: Page, remote: Remote) -> None:
    from tests.kernel.browser.video import Seen, windows

    def good(seen: list[Seen]) -> bool:
        return any(count >= 25 and age <= 0.2 for count, age in windows(seen, 1.0))

    with watching(page, remote.address) as watched:
        seen = watched.wait_for(good, 60)  # a machine that does much else may not be so fast all the time
        print([(round(count), round(age, 2)) for count, age in windows(seen, 1.0)])
        assert good(seen), windows(seen, 1.0)


# In a process of its own: Playwright runs in the thread, and hence in the network, where it was started first.
BEHIND_A_SLOW_LINK = """
from tests.kernel.browser.test_show import watch_behind_a_slow_link
watch_behind_a_slow_link()
"""


@pytest.mark.soak  # `tests/faults/test_show_slow_link.py` shows the same without a page
@pytest.mark.needs("tun")
def test_never_2_seconds_behind_on_a_link_of_2_mbit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEHIND_A_SLOW_LINK],
        capture_output=True,
        text=True,
        timeout=170,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


def watch_behind_a_slow_link() -> None:
    """The server is behind a link of 2 Mbit/s and 40 ms; Jupyter and the page are where the kernel is."""
    from playwright.sync_api import sync_playwright

    from tests.kernel.browser.pages import CHROMIUM
    from tests.kernel.browser.video import behind

    with ExitStack() as stack:
        radio = stack.enter_context(Radio(0.02, 0.0, 1, rate=250_000))
        remote = Remote("plain", host=FAR)
        stack.push(remote.__exit__)
        with radio.far.inside():
            remote.start()
        stack.enter_context(radio.near.inside())
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=needs("chromium"), args=CHROMIUM)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1200, "height": 1400})
        with watching(page, remote.address) as watched:
            seen = watched.wait_for(lambda seen: len(seen) > 40, 60)
        print(
            f"{(len(seen) - 1) / (seen[-1].at - seen[0].at):.1f} pictures a second, {behind(seen):.2f} s behind at most"
        )
        assert len(seen) > 40
        assert behind(seen) < 2
