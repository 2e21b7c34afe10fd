"""From pixels to JPEG or PNG, by what that machine has: OpenCV, PIL, or else the standard library.

What the user's code has imported already is taken first, since importing OpenCV takes 40 MiB and more.
"""

from __future__ import annotations

import importlib
import os
import sys

from .pictures import Encoded, Picture
from .png import encode_png

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any, Callable, Optional

LOSSLESS_QUALITY = 100
SMALL_PIXELS = 128 * 128  #: pixels up to which everything is PNG: JPEG would blur what are single pixels to somebody


def encode(picture: Picture, quality: int, part: int = 1) -> Encoded:
    """Encode a picture as JPEG, or as PNG where nothing may be lost or nothing else is there.

    Args:
        picture: The pixels.
        quality: The quality of the JPEG, 1 to 99; 100 is PNG.
        part: Keep only one of so many pixels in each direction.
    """
    size = (picture.width, picture.height)
    lossy = quality < LOSSLESS_QUALITY and size[0] * size[1] > SMALL_PIXELS and _has_colours_only(picture)
    encoder = _encoder(picture)
    if encoder is not None:
        mime = "image/jpeg" if lossy else "image/png"
        return Encoded(encoder(picture, quality if lossy else LOSSLESS_QUALITY, part), mime, size, part > 1)
    data = encode_png(picture.width, picture.height, plain(picture), part)
    return Encoded(data, "image/png", size, part > 1)


def makes_jpeg(picture: Picture) -> bool:
    """Whether that machine can make JPEG of it."""
    return _encoder(picture) is not None


def _has_colours_only(picture: Picture) -> bool:
    """Whether no transparency would be lost, nor a mask become grey."""
    if picture.is_array and picture.pixels.dtype.kind == "b":
        return False
    return picture.mode in ("L", "RGB", "BGR", "YCbCr", "CMYK", "HSV", "LAB")


def _encoder(picture: Picture) -> Optional[Callable[[Picture, int, int], bytes]]:
    if not picture.is_array and not isinstance(picture.pixels, bytes):
        return _by_pil
    loaded = [name for name in ("cv2", "PIL.Image") if name in sys.modules]
    for name in [*loaded, "PIL.Image", "cv2"]:
        encoder = _usable(name, picture)
        if encoder is not None:
            return encoder
    return None


def _usable(name: str, picture: Picture) -> Optional[Callable[[Picture, int, int], bytes]]:
    if name == "cv2" and not picture.is_array:
        return None
    try:
        importlib.import_module(name)
    except ImportError:
        return None
    return _by_cv2 if name == "cv2" else _by_pil


def plain(picture: Picture) -> Any:
    """The pixels as uint8: an array, or bytes. Colours in the order RGB."""
    pixels = _bytes_of(picture.pixels)
    if not picture.mode.startswith("BGR"):
        return pixels
    if picture.is_array:
        return pixels[..., [2, 1, 0, 3][: len(picture.mode)]]
    swapped = bytearray(pixels)
    count = len(picture.mode)
    swapped[0::count], swapped[2::count] = pixels[2::count], pixels[0::count]
    return bytes(swapped)


def _bytes_of(pixels: Any) -> Any:
    kind = pixels.dtype.kind if hasattr(pixels, "dtype") else ""
    if kind == "b":
        return pixels.astype("uint8") * 255
    if kind == "f":
        import numpy as np

        clipped = np.clip(pixels, 0.0, 1.0)
        return (np.nan_to_num(clipped, copy=False) * 255.0 + 0.5).astype("uint8")
    return pixels


def _by_cv2(picture: Picture, quality: int, part: int) -> bytes:
    cv2 = importlib.import_module("cv2")  # which has no types
    import numpy as np

    pixels = np.ascontiguousarray(_bytes_of(picture.pixels))
    if part > 1:
        size = (max(1, picture.width // part), max(1, picture.height // part))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if picture.mode == "RGB":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    elif picture.mode == "RGBA":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)
    if quality < LOSSLESS_QUALITY:
        done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    else:
        done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError("OpenCV could not encode the picture.")
    return bytes(data)


def _by_pil(picture: Picture, quality: int, part: int) -> bytes:
    import io

    from PIL import Image

    image = picture.pixels
    if picture.is_array or isinstance(image, bytes):
        mode = picture.mode.replace("BGR", "RGB")
        data = _bytes_of(image)
        if picture.is_array:
            import numpy as np

            data = np.ascontiguousarray(data)  # PIL reads its memory: a copy would hold up the camera's loop
        image = Image.frombuffer(mode, (picture.width, picture.height), data, "raw", picture.mode, 0, 1)
    elif quality < LOSSLESS_QUALITY and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    elif image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if part > 1:
        image = image.resize((max(1, image.width // part), max(1, image.height // part)), Image.BOX)
    if quality < LOSSLESS_QUALITY:
        with _memory() or io.BytesIO() as stream:
            image.save(stream, "JPEG", quality=quality)
            stream.seek(0)
            return stream.read()
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _memory() -> Optional[FileIO]:
    """A file in memory, where there are such: while PIL makes a JPEG in a file, other threads run; else they don't."""
    try:
        return open(os.memfd_create("rpyc-kernel-show"), "w+b", 0)
    except (AttributeError, OSError):
        return None
