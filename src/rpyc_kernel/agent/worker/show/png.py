"""PNG by the standard library, and numpy if the pixels are an array (https://www.w3.org/TR/png-3/)."""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
_LEVEL = 1  #: of zlib: 6 takes 4 times as long, for a tenth
_UP = 2  #: the filter by which each line is what differs from the one above


def encode_png(width: int, height: int, pixels: Any, part: int = 1) -> bytes:
    """Encode 8-bit grey, RGB or RGBA.

    Args:
        width: The width in pixels.
        height: The height in pixels.
        pixels: An array of uint8 of height x width (x channels), or its bytes.
        part: Keep only one of so many pixels in each direction.
    """
    size = pixels.nbytes if hasattr(pixels, "nbytes") else len(pixels)
    channels = size // (width * height)
    lines = _lines_of_array(pixels, part) if hasattr(pixels, "dtype") else _lines(width, height, channels, pixels, part)
    width, height = -(-width // part), -(-height // part)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    packed = zlib.compress(lines, _LEVEL)
    return b"".join((b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))


def _lines_of_array(array: Any, part: int) -> bytes:
    """The lines, each as what differs from the one above: two thirds of the bytes where there is a photograph."""
    import numpy as np

    array = np.ascontiguousarray(array[::part, ::part])
    flat = array.reshape(array.shape[0], -1)
    lines = np.empty((flat.shape[0], flat.shape[1] + 1), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=lines[1:, 1:])  # modulo 256, as it should be
    return bytes(lines.tobytes())


def _lines(width: int, height: int, channels: int, pixels: bytes, part: int) -> bytes:
    size = width * channels
    view = memoryview(pixels)
    found = []
    for start in range(0, height * size, part * size):
        line = bytes(view[start : start + size])
        if part > 1:
            left = bytearray(-(-width // part) * channels)
            for channel in range(channels):
                left[channel::channels] = line[channel :: part * channels]
            line = bytes(left)
        found.append(b"\0" + line)
    return b"".join(found)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
