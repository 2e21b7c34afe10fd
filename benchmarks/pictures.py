"""Measure live pictures: a camera of 60 a second on a stock server, painted by JupyterLab in Chromium beside it."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from playwright.sync_api import sync_playwright

from benchmarks import venvs
from benchmarks.servers import Server
from benchmarks.table import Row, markdown, seconds
from tests.kernel.browser.pages import CHROMIUM, SLOW, JupyterServer, expect, new_notebook
from tests.kernel.browser.video import CAMERA, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from benchmarks.processes import Processes

ENCODERS = {"OpenCV": ["opencv-python-headless"], "PIL": ["pillow"], "neither": []}
RATE = 60
MOST_ROUNDS = 3
WARM_UP_PICTURES = 120
PICTURES = 900  # 15 s of them
MOST_AGE_S, MOST_HELD_S = 0.1, 0.002
SHARE = 0.99  # of pictures and calls: the page's garbage collector, or another program, holds up the rest

# To be run there: for how long `show` holds up the loop.
LOOP = """
import json, time
def loop(pictures):
    held = []
    for _ in range(pictures):
        frame = camera.read()
        started = time.perf_counter()
        show(frame, fps=60)
        held.append(time.perf_counter() - started)
    return held
"""


class Figures(NamedTuple):
    """What was measured once: pictures a second, their ages when they were painted, and how long each ``show`` took."""

    rate: float
    ages: list[float]
    held: list[float]


def pictures(processes: Processes, rounds: int, notes: list[str]) -> str:
    """Measure and make the table.

    Args:
        processes: The run.
        rounds: How often each encoder has its turn; more than `MOST_ROUNDS` are not.
        notes: Gets what is to be said below the table.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        notes.append("There is no Chromium here.")
        return ""
    notes.append(f"Load at the start of this part: {os.getloadavg()[0]:.1f}.")
    found: dict[str, list[Figures]] = {name: [] for name in ENCODERS}
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        stack.callback(browser.close)
        for _ in range(min(rounds, MOST_ROUNDS)):
            for name, packages in ENCODERS.items():
                python = venvs.venv(f"pictures-{name.lower()}", [venvs.RPYC, "numpy", *packages])
                page = browser.new_page(viewport={"width": 1200, "height": 900})
                with page, JupyterServer("jupyterlab") as jupyter:
                    found[name].append(_measure(page, jupyter, Server(processes, python).port))
    rates = {name: median(each.rate for each in turns) for name, turns in found.items()}
    ages = {name: median(_most(each.ages) for each in turns) for name, turns in found.items()}
    held = {name: median(_most(each.held) for each in turns) for name, turns in found.items()}
    middle = {name: median(median(each.held) for each in turns) for name, turns in found.items()}
    with_library = [name for name, packages in ENCODERS.items() if packages]
    rows = [
        Row(
            f"pictures painted in a second, of {RATE} that are taken",
            f"{RATE} with a library",
            {name: f"{rate:.1f}" for name, rate in rates.items()},
            any(round(rates[name]) < RATE for name in with_library),
        ),
        Row(
            f"age of a picture when it is painted, {SHARE:.0%} at most",
            f"≤ {MOST_AGE_S:g} s",
            {name: seconds(age) for name, age in ages.items()},
            any(age > MOST_AGE_S for age in ages.values()),
        ),
        Row(
            f"the loop is held up by `show(frame, fps=60)`, {SHARE:.0%} at most (median)",
            f"≤ {MOST_HELD_S * 1000:g} ms",
            {name: f"{seconds(held[name])} ({seconds(middle[name])})" for name in found},
            any(time > MOST_HELD_S for time in held.values()),
        ),
    ]
    return markdown([*ENCODERS], rows)


def _most(values: list[float]) -> float:
    return sorted(values)[int(SHARE * (len(values) - 1))]


def _measure(page: Page, jupyter: JupyterServer, port: int) -> Figures:
    notebook = new_notebook(page, jupyter)
    notebook.run(f'$connect("127.0.0.1:{port}")\n{CAMERA}\n{LOOP}')
    cell = notebook.start(f"warm = loop({WARM_UP_PICTURES}); held = loop({PICTURES})")
    expect(notebook.output(cell).locator("img")).to_have_count(1, timeout=SLOW)
    watched = Watched(page, cell)
    shown = notebook.output(notebook.run("print(json.dumps(held))")).last.inner_text()
    seen = [each for each in watched.seen if WARM_UP_PICTURES < each.number < WARM_UP_PICTURES + PICTURES]
    rate = (len(seen) - 1) / (seen[-1].at - seen[0].at)
    return Figures(rate, [each.age for each in seen], json.loads(shown))
