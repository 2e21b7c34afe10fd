"""``Image`` and ``Video`` of ``IPython.display``."""

from __future__ import annotations

import os
import struct

from .objects import DisplayObject, base64, escape, no_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    Metadata = Dict[str, Any]

MAX_VIDEO_BYTES = 64 << 20  #: bytes of a file that are embedded unasked
_VIDEO = '<video src="%s" %s>\n  Your browser does not support the video element.\n</video>'


def _size_of_png(data: bytes) -> Tuple[int, int]:
    return struct.unpack(">ii", data[16:24])


def _size_of_gif(data: bytes) -> Tuple[int, int]:
    return struct.unpack("<HH", data[6:10])


def _size_of_jpeg(data: bytes) -> Tuple[int, int]:
    at = 2
    while data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):  # the start of a frame
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ValueError("this JPEG has no size")


def _size_of_webp(data: bytes) -> Tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


#: by format: how its data begins, and the function that reads width and height of it
_FORMATS: Dict[str, Tuple[Tuple[bytes, ...], Callable[[bytes], Tuple[int, int]]]] = {
    "png": ((b"\x89PNG\r\n\x1a\n",), _size_of_png),
    "jpeg": ((b"\xff\xd8",), _size_of_jpeg),
    "gif": ((b"GIF87a", b"GIF89a"), _size_of_gif),
    "webp": ((b"RIFF",), _size_of_webp),
}


class Image(DisplayObject):
    """A PNG, JPEG, GIF or WebP picture: embedded, or with ``url=`` alone fetched by the front end.

    Args:
        format: The format of the data; else it is told by the name of the file, or by how the data begins.
        retina: Show it half as large, for screens with twice the pixels.
    """

    _binary = True

    def __init__(
        self,
        data: Any = None,
        url: Any = None,
        filename: Any = None,
        format: Optional[str] = None,
        embed: Optional[bool] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        retina: bool = False,
        unconfined: bool = False,
        metadata: Any = None,
        alt: Optional[str] = None,
    ) -> None:
        if data is None and url is None and filename is None:
            raise ValueError("No image data found. Expecting filename, url, or data.")
        if not isinstance(data, (str, bytes, type(None))) and not hasattr(data, "__fspath__"):
            data = bytes(memoryview(data))  # what cv2.imencode gives is an array
        self.embed = url is None if embed is None else embed
        self.width, self.height, self.alt = width, height, alt
        self.retina, self.unconfined = retina, unconfined
        self.format = _known(format)
        super().__init__(data, url, filename, metadata)
        for name in ("width", "height", "alt"):
            if getattr(self, name) is None:
                setattr(self, name, (metadata or {}).get(name))

    def reload(self) -> None:
        """Read the file, or fetch the URL, again; does nothing if the front end is to do that."""
        if self.embed:
            super().reload()
        if not self.format:
            source = self.filename if self.filename is not None else self.url
            extension = _known(os.path.splitext(str(source or ""))[1].lstrip("."))
            self.format = extension if extension in _FORMATS or source else ""
        if not self.embed:
            return
        if isinstance(self.data, str):
            raise no_file(self.data)
        if self.format not in _FORMATS:
            unknown, self.format = self.format, _format_of(self.data) or ("" if self.format else "png")
            if not self.format:
                raise ValueError("Cannot embed the '%s' image format" % unknown)
        if self.retina:
            width, height = _FORMATS[self.format][1](self.data)
            self.width, self.height = width // 2, height // 2

    def _about(self) -> Metadata:
        own = {name: getattr(self, name) for name in ("width", "height", "unconfined", "alt")}
        return dict(self.metadata or {}, **{name: value for name, value in own.items() if value})

    def _repr_html_(self) -> Optional[str]:
        if self.embed:
            return None
        attributes = "".join(
            ' %s="%s"' % (name, value)
            for name, value in (
                ("width", self.width and int(self.width)),
                ("height", self.height and int(self.height)),
                ("class", self.unconfined and "unconfined"),
                ("alt", self.alt and escape(self.alt)),
            )
            if value
        )
        return '<img src="%s"%s/>' % (escape(str(self.url if self.url is not None else self.filename)), attributes)

    def _repr_mimebundle_(self, **_wanted: Any) -> Any:
        if not self.embed:
            return {"text/html": self._repr_html_()}
        mime, about = "image/" + self.format, self._about()
        return {mime: self.data}, {mime: about} if about else {}

    def _repr_png_(self) -> Any:
        return self._own("png")

    def _repr_jpeg_(self) -> Any:
        return self._own("jpeg")

    def _own(self, format: str) -> Any:
        if not self.embed or self.format != format:
            return None
        about = self._about()
        return (self.data, about) if about else self.data


class Video(DisplayObject):
    """A video: a URL that the front end plays, or a file or data that is embedded.

    Args:
        embed: None embeds files up to 64 MiB, which the front end can't reach on this machine; data needs True.
    """

    def __init__(
        self,
        data: Any = None,
        url: Any = None,
        filename: Any = None,
        embed: Optional[bool] = None,
        mimetype: Optional[str] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        html_attributes: str = "controls",
    ) -> None:
        self.mimetype = mimetype
        self.width, self.height = width, height
        self.html_attributes = html_attributes
        self.embed = embed
        super().__init__(data, url, filename)
        if isinstance(self.data, str) and not embed:
            raise no_file(self.data)
        if self.data is not None and not embed:
            raise ValueError(
                "To embed videos, you must pass embed=True (this may make your notebook files huge)\n"
                "Consider passing Video(url='...')"
            )
        if embed is None:
            self.embed = self.filename is not None and os.path.getsize(self.filename) <= MAX_VIDEO_BYTES

    def reload(self) -> None:
        """A file is read when it is shown."""

    def _repr_html_(self) -> str:
        source = self.url if self.url is not None else self.filename
        if self.embed:
            import mimetypes

            data = self.data
            if self.filename is not None:
                with open(self.filename, "rb") as file:
                    data = file.read()
            mime = self.mimetype or (mimetypes.guess_type(str(source))[0] if source else None) or "video/mp4"
            source = "data:%s;base64,%s" % (mime, data if isinstance(data, str) else base64(data))
        sizes = "".join(
            ' %s="%d"' % (name, size) for name, size in (("width", self.width), ("height", self.height)) if size
        )
        return _VIDEO % (escape(str(source)), self.html_attributes + sizes)


def _known(format: Optional[str]) -> str:
    name = (format or "").lower()
    return "jpeg" if name == "jpg" else name


def _format_of(data: Any) -> str:
    """The format that data begins like; an empty text if there is none."""
    for name, (beginnings, _size) in _FORMATS.items():
        if data.startswith(beginnings) and (name != "webp" or data[8:12] == b"WEBP"):
            return name
    return ""
