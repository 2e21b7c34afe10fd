"""Reads what may be shown: it becomes a `Picture`, whose pixels are looked at later, or is `Encoded` already.

Only what the user's code has imported is asked whether it knows the object; nothing is imported for that but numpy, and
only for objects that are arrays.
"""

from __future__ import annotations

import sys

from ... import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Protocol, Tuple, Union

    Size = Tuple[int, int]

CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
TAKEN = "show() takes numpy arrays, PIL images, JPEG or PNG as bytes, and matplotlib figures"
MAX_PIXELS = 1 << 27  #: pixels


class Picture:
    """Pixels that are not encoded yet.

    Attributes:
        pixels: A numpy array of height x width (x channels), the bytes of such a one, or a PIL image.
        mode: ``L``, ``RGB``, ``RGBA``, ``BGR`` or ``BGRA``; of a PIL image its own.
    """

    __slots__ = ("height", "mode", "pixels", "width")

    def __init__(self, pixels: Any, size: Size, mode: str) -> None:
        self.pixels = pixels
        self.width, self.height = size
        self.mode = mode

    @property
    def is_array(self) -> bool:
        """Whether the pixels are a numpy array."""
        return hasattr(self.pixels, "dtype")

    def copy(self, spare: object) -> Picture:
        """Copy the pixels, since cameras use their memory again; ``spare`` is a picture whose memory may be used."""
        pixels = self.pixels
        if isinstance(pixels, bytes):
            return self
        if self.is_array and isinstance(spare, Picture) and spare.is_array:
            kept = spare.pixels
            if kept.shape == pixels.shape and kept.dtype == pixels.dtype:
                kept[...] = pixels
                return Picture(kept, (self.width, self.height), self.mode)
        return Picture(pixels.copy(), (self.width, self.height), self.mode)


class Encoded:
    """A finished picture, ``data`` of the type ``mime``.

    Attributes:
        width: The width in pixels, as `height`; 0 where nobody has looked.
        shrunk: It has fewer pixels, and is to be shown as large as that.
    """

    __slots__ = ("data", "height", "mime", "shrunk", "width")

    def __init__(self, data: bytes, mime: str, size: Size = (0, 0), shrunk: bool = False) -> None:
        self.data = data
        self.mime = mime
        self.width, self.height = size
        self.shrunk = shrunk

    def __str__(self) -> str:
        return "%d x %d pixels" % (self.width, self.height) if self.width else self.mime

    def copy(self, _spare: object) -> Encoded:
        """It never changes."""
        return self


class Drawing:
    """Something that is drawn only when its turn has come, by the code that shows it: `draw` makes it `Encoded`."""

    def __init__(self, draw: Callable[[], Encoded]) -> None:
        self.draw = draw


if TYPE_CHECKING:

    class Later(Protocol):
        """What is drawn when it is sent, as it is then: `plot.Plot`."""

        width: int
        height: int

        def copy(self, _spare: object) -> Later: ...
        def encode(self) -> Encoded: ...

    Shown = Union[Picture, Encoded, Later]


def read(frame: Any, bgr: bool, quality: int) -> Union[Picture, Encoded, Drawing]:
    """Read the picture that an object is.

    Raises:
        TypeError: Nothing, as far as we know.
        ValueError: It is a picture of a shape or type that can't be shown.
    """
    if isinstance(frame, (bytes, bytearray)):
        return _of_bytes(bytes(frame))
    image = _class("PIL.Image", "Image")
    if image is not None and isinstance(frame, image):
        return Picture(frame, _checked_size(frame.width, frame.height), frame.mode)
    figure = _class("matplotlib.figure", "Figure")
    if figure is not None and isinstance(frame, figure):
        return Drawing(lambda: _drawn(frame))
    if hasattr(frame, "to_bytes") and callable(getattr(frame, "format", None)):
        return _of_maixpy_4(frame, quality)
    if hasattr(frame, "tobytes") and isinstance(getattr(frame, "mode", None), str):
        return _of_maixpy_3(frame)
    if hasattr(frame, "__array__") or hasattr(frame, "__array_interface__"):
        return _of_array(frame, bgr)
    found = _of_buffer(frame, bgr) or _of_method(frame)
    if found is None:
        raise TypeError(_refusal(frame))
    return found


def check_range(picture: Shown) -> None:
    """Floats above 1 are mostly meant to be something else.

    Raises:
        ValueError: There are some.
    """
    if isinstance(picture, Picture) and picture.is_array and picture.pixels.dtype.kind == "f":
        if picture.pixels.max() > 1.0:
            raise ValueError("show() takes floats from 0 to 1; if these go to 255, make them frame.astype('uint8').")


def _refusal(frame: Any) -> str:
    if frame is None:
        return "show() got None: the camera gave no picture."
    if isinstance(frame, tuple) and len(frame) == 2 and hasattr(frame[1], "shape"):
        return "show() got two values: OpenCV's read() gives (whether it worked, the picture); show the second."
    return "%s, not %s." % (TAKEN, type(frame).__name__)


def _class(module: str, name: str) -> Any:
    """A class, if its module was imported."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def _of_bytes(data: bytes) -> Encoded:
    for mime, start in wire.IMAGES.items():
        if data.startswith(start):
            return Encoded(data, mime)
    raise ValueError("show() got %d bytes that are neither a JPEG nor a PNG; pixels need a shape." % len(data))


def _of_array(frame: Any, bgr: bool) -> Picture:
    try:
        import numpy as np
    except ImportError:
        raise TypeError(_refusal(frame)) from None
    array = np.asarray(frame)
    if array.dtype.kind not in "buf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        hint = "make it frame.astype('uint8')" if array.dtype.kind in "iu" else "there is no picture in that"
        raise ValueError("show() takes arrays of uint8, bool or floats, not of %s: %s." % (array.dtype, hint))
    size, mode = _shape(array.shape, bgr)
    return Picture(array, size, mode)


def _of_buffer(frame: Any, bgr: bool) -> Optional[Picture]:
    """A buffer that tells its shape, as a memoryview can."""
    try:
        view = memoryview(frame)
    except TypeError:
        return None
    if view.ndim not in (2, 3) or view.itemsize != 1:
        raise ValueError(
            "show() got a buffer of %d dimensions of %r; it takes 2 or 3, of bytes." % (view.ndim, view.format)
        )
    size, mode = _shape(view.shape or (), bgr)
    return Picture(view.tobytes(), size, mode)


def _shape(shape: Tuple[int, ...], bgr: bool) -> Tuple[Size, str]:
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in CHANNELS:
        hint = "; channels come last" if len(shape) == 3 and shape[0] in CHANNELS else ""
        text = "show() takes pictures of height x width, with 1, 3 or 4 channels, not of the shape %s%s."
        raise ValueError(text % (" x ".join(map(str, shape)) or "()", hint))
    mode = CHANNELS[channels]
    return _checked_size(shape[1], shape[0]), mode.replace("RGB", "BGR") if bgr else mode


def _checked_size(width: int, height: int) -> Size:
    if not (width and height):
        raise ValueError("show() got a picture of %d x %d pixels: there is nothing to be seen." % (width, height))
    if width * height > MAX_PIXELS:
        raise ValueError("show() got a picture of %d x %d pixels, which is too large." % (width, height))
    return width, height


def _of_method(frame: Any) -> Union[Encoded, Drawing, None]:
    """Take the PNG or JPEG by which an object shows itself in notebooks."""
    if isinstance(frame, type):
        return None
    for name in ("_repr_jpeg_", "_repr_png_"):
        method = getattr(frame, name, None)
        if callable(method):
            return Drawing(lambda method=method: _of_bytes(_first(method())))  # type: ignore[misc]
    return None


def _first(form: Any) -> bytes:
    """The data of a display method's result, without metadata."""
    data = form[0] if isinstance(form, tuple) else form
    return data if isinstance(data, bytes) else b""


def _drawn(figure: Any) -> Encoded:
    import io

    if not hasattr(figure.canvas, "print_figure"):
        from matplotlib.backend_bases import FigureCanvasBase

        FigureCanvasBase(figure)
    stream = io.BytesIO()
    figure.canvas.print_figure(stream, format="png", facecolor=figure.get_facecolor(), dpi=figure.dpi)
    return Encoded(stream.getvalue(), "image/png")


def _of_maixpy_3(frame: Any) -> Picture:
    """An image of MaixPy3: ``width``, ``height``, ``mode`` and ``tobytes()``."""
    size, mode = _checked_size(int(frame.width), int(frame.height)), frame.mode
    if mode not in CHANNELS.values():
        raise ValueError("show() takes images of the modes L, RGB and RGBA, not %s." % mode)
    return _of_pixels(bytes(frame.tobytes()), size, mode)


_MAIXPY_4 = {"RGB888": "RGB", "BGR888": "BGR", "RGBA8888": "RGBA", "BGRA8888": "BGRA", "GRAYSCALE": "L"}


def _of_maixpy_4(frame: Any, quality: int) -> Union[Picture, Encoded]:
    """An image of MaixPy 4: ``width()``, ``height()``, ``format()``, ``to_bytes()`` and ``to_jpeg()``."""
    form = frame.format()
    name = str(getattr(form, "name", form)).rpartition("FMT_")[2]
    if name in ("JPEG", "PNG"):
        return _of_bytes(bytes(frame.to_bytes()))
    mode = _MAIXPY_4.get(name)
    if mode is None:  # what its own encoder understands: YUV, RGB565
        return _of_bytes(bytes(frame.to_jpeg(min(quality, 95)).to_bytes()))
    return _of_pixels(bytes(frame.to_bytes()), _checked_size(int(frame.width()), int(frame.height())), mode)


def _of_pixels(pixels: bytes, size: Size, mode: str) -> Picture:
    if len(pixels) != size[0] * size[1] * len(mode):
        text = "show() got %d bytes, which are not %d x %d pixels of %s."
        raise ValueError(text % (len(pixels), size[0], size[1], mode))
    return Picture(pixels, size, mode)
