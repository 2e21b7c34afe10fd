"""How good a picture may be, so that a slow link carries it soon enough. No I/O."""

from __future__ import annotations

from .encoders import LOSSLESS_QUALITY, encode, makes_jpeg
from .pictures import Encoded, Picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pictures import Shown

UNKNOWN_LINK_BYTES = 128 << 10  #: bytes of a picture while nobody knows how fast the link is
MIN_PICTURE_BYTES = 8 << 10  #: bytes that are sent however slow it is
PICTURE_S = 0.15  #: that a picture may take

# each step gives less: the part of the quality that was asked for, and of the pixels in a row
_OF_JPEG = ((1.0, 1), (0.7, 1), (0.45, 1), (0.3, 1), (0.5, 2), (0.3, 2), (0.4, 4), (0.3, 8))
_OF_PNG = ((1.0, 1), (1.0, 2), (1.0, 3), (1.0, 4), (1.0, 6), (1.0, 8), (1.0, 12), (1.0, 16))
_LAST = len(_OF_PNG) - 1
_ROOM_FACTOR = 4  #: a picture is that much smaller than it may be before the next one is better


def allowance(carries: int) -> int:
    """Bytes that a picture may have on a link that carries so many a second; 0: nobody knows."""
    return max(int(carries * PICTURE_S), MIN_PICTURE_BYTES) if carries else UNKNOWN_LINK_BYTES


class Fitting:
    """Encodes the pictures of one display, each as well as the link allows. What was too much is not tried each time.

    Attributes:
        reduced: Whether the last one is less than was asked for.
    """

    def __init__(self) -> None:
        self._step = 0
        self._pixels = 0  # of the last one
        self.reduced = False

    def encode(self, picture: Shown, quality: int, most: int) -> Encoded:
        """Encode a picture to ``most`` bytes, if that can be; 0: as many as it takes. One that is finished stays it."""
        if not isinstance(picture, Picture):
            self.reduced = False
            return picture if isinstance(picture, Encoded) else picture.encode()
        steps = _OF_JPEG if quality < LOSSLESS_QUALITY and makes_jpeg(picture) else _OF_PNG
        step = self._step if most and self._pixels == picture.width * picture.height else 0
        self._pixels = picture.width * picture.height
        while True:
            share, part = steps[step]
            encoded = encode(picture, quality if share == 1.0 else max(1, int(quality * share)), part)
            size = len(encoded.data)
            if not most or size <= most or step == _LAST:
                break
            step += 1
        self.reduced = step > 0
        if most:
            self._step = max(0, step - 1) if size * _ROOM_FACTOR < most else step
        return encoded
