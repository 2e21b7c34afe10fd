"""Pillow's images: mode, size, pixels and palette. What else a file said of them stays behind, but for plain parts."""

from __future__ import annotations

from .errors import CannotPackError, UnpackError
from .kinds import Memory, required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

#: bits of a pixel, by the mode
_BITS = {
    "1": 1, "L": 8, "P": 8, "LA": 16, "La": 16, "PA": 16, "RGB": 24, "YCbCr": 24, "LAB": 24, "HSV": 24, "RGBA": 32,
    "RGBa": 32, "RGBX": 32, "CMYK": 32, "I": 32, "F": 32, "I;16": 16, "I;16L": 16, "I;16B": 16, "I;16N": 16,
}  # fmt: skip
_PALETTES = {"RGB": 3, "RGBA": 4, "RGBX": 4, "L": 1, "LA": 2}  # bytes of a colour
_PLAIN = (str, int, float, bytes, type(None))


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of an image; None for all else."""
    from PIL import Image

    if not isinstance(value, Image.Image):
        return None
    if value.mode not in _BITS:
        raise CannotPackError("is an image of the mode %s, of which no copy can be sent" % value.mode)
    pixels = value.tobytes()
    palette = value.palette if value.mode in ("P", "PA") else None
    colours = [palette.mode, palette.tobytes()] if palette is not None else [None, None]
    plain = [pair for pair in value.info.items() if type(pair[0]) is str and type(pair[1]) in _PLAIN]
    return "PIL.Image", [value.mode, *value.size, Memory(pixels), *colours, *[item for pair in plain for item in pair]]


def _build_image(
    unpacker: Any, mode: Any, width: Any, height: Any, form: Any, palette: Any, colours: Any, *info: Any
) -> Any:
    required("PIL", "An image is in it, which needs Pillow: %s.")
    from PIL import Image

    if mode not in _BITS or type(width) is not int or type(height) is not int or width < 0 or height < 0:
        raise UnpackError("an image that is none")
    pixels = unpacker.memory(form)
    if memoryview(pixels).nbytes != (width * _BITS[mode] + 7) // 8 * height:
        raise UnpackError("an image of another size than its pixels have")
    made = (
        Image.frombytes(mode, (width, height), bytes(pixels)) if width and height else Image.new(mode, (width, height))
    )
    if palette is not None:
        if mode not in ("P", "PA") or palette not in _PALETTES or type(colours) is not bytes:
            raise UnpackError("a palette that is none")
        if len(colours) > 256 * _PALETTES[palette]:
            raise UnpackError("a palette of more than 256 colours")
        made.putpalette(colours, palette)
    if len(info) % 2 or not all(type(name) is str for name in info[::2]):
        raise UnpackError("an image with parts that are none")
    made.info.update([pair for pair in zip(info[::2], info[1::2]) if type(pair[1]) in _PLAIN])
    return made


BUILDERS: Dict[str, Callable[..., Any]] = {"PIL.Image": _build_image}
