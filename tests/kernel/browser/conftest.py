"""A browser, and pages in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.needs import needs


@pytest.fixture(scope="module")  # while it is open, Playwright keeps an event loop running in this thread
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
def page(browser: Browser) -> Iterator[Page]:  # type: ignore[name-defined]  # noqa: F821
    """A window with nothing remembered."""
    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    yield context.new_page()
    context.close()
