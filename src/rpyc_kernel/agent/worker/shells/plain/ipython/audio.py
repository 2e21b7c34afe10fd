"""``Audio`` of ``IPython.display``."""

from __future__ import annotations

import array
import io
import sys

from .objects import DisplayObject, base64, escape, no_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_ELEMENT = (
    '<audio%s controls="controls"%s>\n  <source src="%s" type="%s" />\n'
    "  Your browser does not support the audio element.\n</audio>"
)


class Audio(DisplayObject):
    """Sound: a file, a URL, the bytes of a file, or samples.

    Args:
        data: Samples as a list of numbers, or a numpy array; one of two dimensions has a row for each channel.
        rate: The rate of samples, in hertz.
        normalize: Make samples as loud as may be; else they have to lie between -1 and 1.
    """

    _binary = True
    _place = "IPython.lib.display"

    def __init__(
        self,
        data: Any = None,
        filename: Any = None,
        url: Any = None,
        embed: Optional[bool] = None,
        rate: Optional[int] = None,
        autoplay: bool = False,
        normalize: bool = True,
        *,
        element_id: Optional[str] = None,
    ) -> None:
        if data is None and url is None and filename is None:
            raise ValueError("No audio data found. Expecting filename, url, or data.")
        if embed is False and url is None:
            raise ValueError("No url found. Expecting url when embed=False")
        self.embed = url is None or bool(embed)
        self.autoplay = autoplay
        self.element_id = element_id
        self.mimetype: Optional[str] = "audio/wav"
        super().__init__(data, url, filename)
        if isinstance(self.data, str):
            raise no_file(self.data)
        if self.data is not None and not isinstance(self.data, bytes):
            if rate is None:
                raise ValueError("rate must be specified when data is a numpy array or list of audio samples.")
            self.data = _wave_file(self.data, rate, normalize)

    def reload(self) -> None:
        """Read the file, or fetch the URL, again."""
        if self.embed:
            super().reload()
        source = self.filename if self.filename is not None else self.url
        if source is not None:
            import mimetypes

            self.mimetype = mimetypes.guess_type(str(source))[0]

    def src_attr(self) -> str:
        """Where the front end finds the sound."""
        if self.embed and self.data is not None:
            return "data:%s;base64,%s" % (self.mimetype, base64(self.data))
        return escape(self.url or "")

    def autoplay_attr(self) -> str:
        """The attribute that starts it."""
        return 'autoplay="autoplay"' if self.autoplay else ""

    def element_id_attr(self) -> str:
        """The attribute that names the element."""
        return 'id="%s"' % escape(self.element_id) if self.element_id else ""

    def _repr_html_(self) -> str:
        attributes = [" " + each if each else "" for each in (self.element_id_attr(), self.autoplay_attr())]
        return _ELEMENT % (*attributes, self.src_attr(), self.mimetype)


def _wave_file(samples: Any, rate: int, normalize: bool) -> bytes:
    """Samples as a WAV file of 16 bits."""
    import wave

    channels = 1
    if hasattr(samples, "ndim"):
        if samples.ndim not in (1, 2):
            raise ValueError("Array audio input must be a 1D or 2D array")
        if samples.ndim == 2:
            channels = samples.shape[0]
            samples = samples.T.ravel()
        loudest = float(abs(samples.astype(float)).max())
    else:
        try:
            loudest = float(max(abs(each) for each in samples))
        except TypeError:
            raise TypeError("samples without numpy are a list of numbers: one channel") from None
    if not normalize and loudest > 1:
        raise ValueError("Audio data must be between -1 and 1 when normalize=False.")
    scale = 32767 / ((loudest or 1) if normalize else 1)
    if hasattr(samples, "ndim"):
        frames = (samples.astype(float) * scale).astype("<h").tobytes()
    else:
        numbers = array.array("h", [int(each * scale) for each in samples])
        if sys.byteorder == "big":
            numbers.byteswap()
        frames = numbers.tobytes()
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setframerate(int(rate))
        file.setsampwidth(2)
        file.writeframes(frames)
    return stream.getvalue()
