"""A video whose pictures say when they were taken, and a page that reads it from what it really shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

WIDTH, HEIGHT, BLOCK = 640, 480, 16
BITS = WIDTH // BLOCK  # a row of black and white blocks: what a JPEG leaves of them is still black or white
NUMBER_BITS = 12

# To be run there: a camera of 60 pictures a second, of a scene with some noise that moves.
CAMERA = f"""
import time
import numpy as np

class Camera:
    def __init__(self):
        rng = np.random.RandomState(1)
        blocks = rng.randint(30, 190, ({HEIGHT // BLOCK}, {WIDTH // BLOCK}, 3)).astype(np.uint8)
        self.scene = np.repeat(np.repeat(blocks, {BLOCK}, 0), {BLOCK}, 1)
        self.scene += rng.randint(0, 30, self.scene.shape).astype(np.uint8)
        self.frame = self.scene.copy()  # which is used for each
        self.taken = 0
        self.next = time.monotonic()

    def read(self):
        self.next = max(self.next + 1 / 60, time.monotonic() - 1 / 60)
        time.sleep(max(0, self.next - time.monotonic()))
        self.taken += 1
        self.frame[:] = np.roll(self.scene, self.taken, 1)
        word = self.taken % {1 << NUMBER_BITS} | int(time.time() * 1000) % {1 << (BITS - NUMBER_BITS)} << {NUMBER_BITS}
        bits = np.array([word >> bit & 1 for bit in range({BITS})], np.uint8) * 255
        self.frame[:{BLOCK}] = np.repeat(bits, {BLOCK})[None, :, None]
        return self.frame

camera = Camera()
"""

# In the page: each time that it is painted, whether there is another picture in that output, and what that says.
_WATCH = f"""cell => {{
    const canvas = document.createElement('canvas');
    canvas.width = {WIDTH}; canvas.height = 1;
    const context = canvas.getContext('2d', {{willReadFrequently: true}});
    const seen = window.seenInCell = [];
    let before = null;
    const look = () => {{
        const image = cell.querySelector('.jp-OutputArea-output img');
        const live = cell.querySelector('.jp-OutputArea-output img + canvas'); // which stands in front of it
        if (live || (image && image.complete && image.naturalWidth && image.src !== before)) {{
            before = image.src;
            const [width, height] = live ? [live.width, live.height] : [image.naturalWidth, image.naturalHeight];
            context.drawImage(live || image, 0, height / {HEIGHT} * {BLOCK} / 2, width, 1, 0, 0, {WIDTH}, 1);
            const pixels = context.getImageData(0, 0, {WIDTH}, 1).data;
            let number = 0, taken = 0;
            for (let bit = {BITS} - 1; bit >= 0; bit--) {{
                const set = pixels[4 * (bit * {BLOCK} + {BLOCK} / 2)] > 127 ? 1 : 0;
                if (bit < {NUMBER_BITS}) number = 2 * number + set; else taken = 2 * taken + set;
            }}
            if (!live || number !== seen.at(-1)?.[1]) {{
                seen.push([performance.now(), number, Date.now() % {1 << (BITS - NUMBER_BITS)} - taken]);
            }}
        }}
        requestAnimationFrame(look);
    }};
    look();
}}"""


@dataclass
class Seen:
    """When a picture was painted (in seconds), its number, and how old it was (in seconds)."""

    at: float
    number: int
    age: float


class Watched:
    """The output of a cell, looked at each time that the page is painted."""

    def __init__(self, page: Page, cell: Locator) -> None:
        self._page = page
        cell.evaluate(_WATCH)

    @property
    def seen(self) -> list[Seen]:
        """The pictures that were seen so far."""
        rows = self._page.evaluate("window.seenInCell")
        return [Seen(at / 1000, number, age / 1000) for at, number, age in rows]

    def wait_for(self, condition: Callable[[list[Seen]], bool], seconds: float) -> list[Seen]:
        """Look each second whether it is fulfilled, as to look costs the page something; all that was seen."""
        until = time.monotonic() + seconds
        while not condition(seen := self.seen) and time.monotonic() < until:
            self._page.wait_for_timeout(1000)
        return seen


def windows(seen: list[Seen], seconds: float) -> list[tuple[float, float]]:
    """For each stretch of that many seconds: pictures a second, and the age of the oldest when it came."""
    found = []
    for start in range(int((seen[-1].at - seen[0].at) / seconds) if seen else 0):
        inside = [each for each in seen if 0 <= each.at - seen[0].at - start * seconds < seconds]
        found.append((len(inside) / seconds, max((each.age for each in inside), default=float("inf"))))
    return found


def behind(seen: list[Seen]) -> float:
    """The age of the oldest picture that was there to be seen, just before the next one came."""
    return max((after.at - before.at + before.age for before, after in pairwise(seen)), default=float("inf"))
