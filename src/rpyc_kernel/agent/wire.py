"""How messages look on the way between kernel, broker and keeper.

One shape serves everything: a JSON header and any number of binary buffers beside it.

``pack``/``unpack`` make and read that shape::

    u32 header length | u32 number of buffers | u32 length of each buffer … | header (UTF-8 JSON) | buffers …

A `Message` is a Jupyter message (https://jupyter-client.readthedocs.io/en/stable/messaging.html) in that shape, with
the header ``{"type", "parent", "content", "metadata"}``; ``parent`` is the ``msg_id`` of the request it belongs to.
The text of a ``stream`` message travels as its one buffer instead of in the JSON, since it may be long. So does the
picture of a display whose header has ``image``, its mime type; it becomes base64 where it arrives.

Nothing is believed before it was checked: every length against what is there, every field against its type.
"""

from __future__ import annotations

import binascii
import json
import operator
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing costs 1 MiB on a board, and only type checkers need it
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

    Bytes = Union[bytes, bytearray, memoryview]
    Json = Dict[str, Any]

VERSION = 1  #: of everything that crosses the wire; an agent speaks exactly one

MAX_BUFFERS = 10000
MAX_HEADER = 64 << 20  #: bytes of JSON in one packet
MAX_IMAGE = 64 << 20  #: bytes of one picture

#: the pictures that travel as they are, and how each begins
IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}

_COUNTS = struct.Struct("!II")


class WireError(ValueError):
    """What came is no packet, or not of the form that it must have."""


def pack(header: Json, buffers: Sequence[Bytes] = ()) -> bytes:
    """A packet of one JSON object and the buffers beside it."""
    try:
        text = _dumps(header).encode("utf-8")
    except (UnicodeEncodeError, TypeError):
        text = _dumps(clean(header)).encode("utf-8", "backslashreplace")
    buffers = [buffer if isinstance(buffer, (bytes, bytearray)) else memoryview(buffer).tobytes() for buffer in buffers]
    lengths = struct.pack("!%dI" % len(buffers), *[len(buffer) for buffer in buffers])
    return b"".join((_COUNTS.pack(len(text), len(buffers)), lengths, text, *buffers))


def unpack(packet: Bytes) -> Tuple[Json, List[memoryview]]:
    """The JSON object and the buffers of a packet.

    :raises WireError: it is no well-formed packet
    """
    view = memoryview(packet)
    if len(view) < _COUNTS.size:
        raise WireError("a packet of %d bytes is too short" % len(view))
    header_length, count = _COUNTS.unpack_from(view)
    start = _COUNTS.size + 4 * count
    if count > MAX_BUFFERS or header_length > MAX_HEADER or start + header_length > len(view):
        raise WireError("a packet whose lengths can't be true")
    lengths = struct.unpack_from("!%dI" % count, view, _COUNTS.size)
    if start + header_length + sum(lengths) != len(view):
        raise WireError("a packet whose lengths don't add up")
    position = start + header_length
    raw = bytes(view[start:position])
    try:
        header = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError("a packet whose header is no JSON: %s" % type(error).__name__) from None
    if not isinstance(header, dict):
        raise WireError("a packet whose header is no JSON object")
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            header = clean(header)
        except RecursionError:
            raise WireError("a packet whose header is nested too deep") from None
    buffers = []
    for length in lengths:
        buffers.append(view[position : position + length])
        position += length
    return header, buffers


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """JSON for what users and libraries put into messages: bytes are base64, as Jupyter has it for images."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    for convert in (operator.index, list, float):
        try:
            return convert(value)
        except TypeError:
            continue
    return repr(value)


def clean(value: Any) -> Any:
    """The same value with only strings as keys, and with lone surrogates, which no UTF-8 can carry, as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {clean(key if isinstance(key, str) else str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


def encode_text(text: str) -> bytes:
    """UTF-8 of what a program printed; a lone surrogate shows as the escape it would be typed as."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


class Message:
    """One Jupyter message: ``type`` (its ``msg_type``), ``content``, ``parent``, ``metadata`` and ``buffers``."""

    __slots__ = ("buffers", "content", "metadata", "parent", "type")

    def __init__(
        self,
        type: str,
        content: Json,
        parent: str = "",
        metadata: Optional[Json] = None,
        buffers: Sequence[Bytes] = (),
    ) -> None:
        self.type = type
        self.content = content
        self.parent = parent
        self.metadata = metadata or {}
        self.buffers = list(buffers)

    def __repr__(self) -> str:
        return "Message(%r, %r, parent=%r)" % (self.type, self.content, self.parent)

    def encode(self) -> bytes:
        """The message as a packet."""
        header: Json = {"type": self.type, "parent": self.parent, "content": self.content}
        buffers = self.buffers
        if self.metadata:
            header["metadata"] = self.metadata
        if self.type == "stream":
            header["content"] = {"name": self.content["name"]}
            buffers = [encode_text(self.content["text"])]
        return pack(header, buffers)

    @classmethod
    def decode(cls, packet: Bytes) -> Message:
        """The message in a packet.

        :raises WireError: it is no packet, or a field has the wrong type
        """
        header, buffers = unpack(packet)
        kind, parent = header.get("type"), header.get("parent")
        content, metadata = header.get("content"), header.get("metadata", {})
        if not (isinstance(kind, str) and isinstance(parent, str)):
            raise WireError("a message without type or parent")
        if not (isinstance(content, dict) and isinstance(metadata, dict)):
            raise WireError("a message whose content or metadata is no JSON object")
        if kind == "stream":
            if len(buffers) != 1 or content.get("name") not in ("stdout", "stderr"):
                raise WireError("a stream message of another form")
            content = {"name": content["name"], "text": bytes(buffers.pop()).decode("utf-8", "replace")}
        elif "image" in header:
            _put_image(kind, content, header["image"], buffers)
        return cls(kind, content, parent, metadata, buffers)


def reply_type(request_type: str) -> str:
    """The type of the message that ends a request; comm messages are answered so that we know they were handled."""
    base = request_type[: -len("_request")] if request_type.endswith("_request") else request_type
    return base + "_reply"


def stream_packet(name: str, parent: str, text: Bytes) -> bytes:
    """The packet of a ``stream`` message whose text is UTF-8 already."""
    return pack({"type": "stream", "parent": parent, "content": {"name": name}}, [text])


def text_pieces(data: Bytes, limit: int) -> Iterator[bytes]:
    """UTF-8 text in pieces of at most ``limit`` bytes, each cut behind a line if one ends in it."""
    rest = memoryview(data)
    while len(rest) > limit:
        piece = bytes(rest[:limit])
        cut = piece.rfind(b"\n") + 1 or utf8_cut(rest, limit)
        yield piece[:cut]
        rest = rest[cut:]
    if rest:
        yield bytes(rest)


def image_packet(kind: str, parent: str, content: Json, mime: str, image: Bytes) -> bytes:
    """The packet of a display with a picture beside its other data; ``mime`` is one of `IMAGES`."""
    return pack({"type": kind, "parent": parent, "content": content, "image": mime}, [image])


def _put_image(kind: str, content: Json, mime: Any, buffers: List[memoryview]) -> None:
    """The picture of a display goes to its other data.

    :raises WireError: there is none, or it is not what it is said to be
    """
    data = content.get("data")
    if kind not in ("display_data", "update_display_data") or len(buffers) != 1 or not isinstance(data, dict):
        raise WireError("a picture in a message of another form")
    image = buffers.pop()
    start = IMAGES.get(mime) if isinstance(mime, str) else None
    if start is None or bytes(image[: len(start)]) != start or len(image) > MAX_IMAGE:
        raise WireError("a picture that is none, or too large")
    data[mime] = binascii.b2a_base64(image, newline=False).decode("ascii")


def utf8_cut(data: Bytes, limit: int) -> int:
    """Where to cut UTF-8 text so that at most ``limit`` bytes come before and no character is torn."""
    if len(data) <= limit:
        return len(data)
    cut = limit
    while cut > limit - 4 and cut > 0 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut if cut > 0 else limit
