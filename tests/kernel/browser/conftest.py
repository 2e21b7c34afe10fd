"""A browser, and pages in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs

SCREENSHOTS = Path(__file__).resolve().parents[3] / "build" / "screenshots"


@pytest.fixture(scope="package")  # while it is open, Playwright keeps an event loop running in this thread
def browser() -> Iterator[Browser]:  # type: ignore[name-defined]  # noqa: F821
    """Debian's Chromium, driven by Playwright."""
    path = needs("chromium")
    from playwright.sync_api import sync_playwright

    from tests.kernel.browser.pages import CHROMIUM

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:  # type: ignore[name-defined]  # noqa: F821
    """A window with nothing remembered. What it shows at the end of the test is kept in build/screenshots/."""
    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    page = context.new_page()
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{request.node.originalname}.png")
    context.close()
