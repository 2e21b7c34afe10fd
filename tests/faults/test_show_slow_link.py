"""A camera behind 2 Mbit/s, on a machine that has nothing but Python: what is seen is never 2 s old."""

from __future__ import annotations

import base64
import io
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from PIL import Image

from tests.faults.networks import FAR, Radio
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import Message

pytestmark = pytest.mark.needs("tun")

WIDTH, HEIGHT, BITS, BLOCK = 640, 480, 20, 32
# Noise, which nothing makes smaller, below a row of blocks that say when it was taken, in hundredths of a second.
CODE = f"""
import os, time
noise = os.urandom({WIDTH * HEIGHT * 3})
def camera():
    now = int(time.time() * 100)
    row = b"".join((b"\\xff" if now >> bit & 1 else b"\\0") * {BLOCK * 3} for bit in range({BITS}))
    return memoryview(row * {BLOCK} + noise[: {(HEIGHT - BLOCK) * WIDTH * 3}]).cast("B", ({HEIGHT}, {WIDTH}, 3))
end = time.time() + 15
while time.time() < end: show(camera())
"""


def taken(message: Message) -> int:
    """When the picture in a message was taken, in hundredths of a second."""
    image = Image.open(io.BytesIO(base64.b64decode(message.content["data"]["image/png"]))).convert("L")
    part = image.width / WIDTH
    places = [(int((bit + 0.5) * BLOCK * part), int(BLOCK / 2 * part)) for bit in range(BITS)]
    return sum(1 << bit for bit, place in enumerate(places) if image.getpixel(place) > 127)  # type: ignore[operator]


def test_never_2_seconds_behind_on_a_link_of_2_mbit() -> None:
    with ExitStack() as stack:
        radio = stack.enter_context(Radio(0.02, 0.0, 1, rate=250_000))
        remote, kernel = Remote("bare", host=FAR), Kernel(transport="ipc")
        stack.push(remote.__exit__)
        with radio.far.inside():
            remote.start()
        stack.push(kernel.__exit__)
        with radio.near.inside():  # its front ends reach it by files
            client = kernel.start()
        client.good(f"%connect {remote.address}")
        since = time.time() - time.monotonic()
        cell = client.good(CODE, timeout=60)
        shown = [each for each in cell.messages if each.kind in ("display_data", "update_display_data")]
        ages = [((each.at + since) * 100 - taken(each)) % (1 << BITS) / 100 for each in shown]
        behind = [age + after.at - each.at for age, (each, after) in zip(ages, pairwise(shown), strict=False)]
        print(f"{len(shown)} pictures in 15 s, {max(behind):.2f} s behind at most, {radio.carried:,} bytes")
        assert max(behind) < 2
        assert len(shown) > 15
        assert taken(shown[-1]) >= taken(shown[-2])
