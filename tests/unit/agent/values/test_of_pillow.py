"""Pillow's images."""

import io
import json

import pytest
from PIL import Image

from rpyc_kernel.agent.values import MissingHereError, UnpackError, of_pillow, pack, unpack
from tests.unit.agent.values.copies import bounded, copied


@pytest.mark.parametrize("mode", of_pillow._BITS)
def test_images_of_each_mode(mode):
    for size in ((13, 7), (0, 0), (3, 0), (8, 1)):
        image = Image.new(mode, size)
        if size[1]:
            image.frombytes(bytes(index % 200 for index in range(len(image.tobytes()))))
        image.info.update(dpi=72, comment="x", icc=b"1", of=[object()])
        found = copied(image)
        assert (found.mode, found.size, found.tobytes()) == (mode, size, image.tobytes())
        assert found.info == {"dpi": 72, "comment": "x", "icc": b"1"}


def test_a_palette():
    image = Image.linear_gradient("L").convert("RGB").quantize(7)
    image.info["transparency"] = 3
    found = copied(image)
    assert found.palette.tobytes() == image.palette.tobytes()
    assert found.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_an_image_from_a_file_is_an_image():
    file = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(file, "png")
    assert type(copied(Image.open(file))) is Image.Image


def test_without_pillow(monkeypatch):
    packed = pack(Image.new("L", (1, 1)), "it")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingHereError, match="needs Pillow: python -m pip install pillow"):
        unpack(packed.text, packed.buffers)


@pytest.mark.parametrize(
    "parts",
    [
        ["L", 10**5, 10**5, "AA==", None, None], ["L", 1, 2, "AA==", None, None], ["L", -1, -1, "AA==", None, None],
        ["X", 1, 1, "AA==", None, None], [5, 1, 1, "AA==", None, None], ["L", "1", 1, "AA==", None, None],
        ["L", 1, 1, "AA==", "RGB", "x"], ["P", 1, 1, "AA==", "RGB", 5], ["P", 1, 1, "AA==", "X", [0]],
        ["L", 1, 1, "AA==", None, None, "a"], ["L", 1, 1, "AA==", None, None, 5, 6], ["L", 1, 1, 5, None, None], ["L"],
    ],
    ids=str,
)  # fmt: skip
def test_what_stands_for_none(parts):
    with pytest.raises(UnpackError), bounded(10, 2**20):
        unpack(json.dumps([["bytes", "AAAA"], ["PIL.Image", *parts], [1]]).encode())
