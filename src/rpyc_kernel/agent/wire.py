"""The form of messages on the way between kernel, broker and keeper.

Everything has one form: a JSON header and any number of binary buffers beside it.

``pack`` and ``unpack`` write and read it::

    u32 header length | u32 number of buffers | u32 length of each buffer … | header (UTF-8 JSON) | buffers …

A `Message` is a Jupyter message (https://jupyter-client.readthedocs.io/en/stable/messaging.html) in that form, with
the header ``{"type", "parent", "content", "metadata"}``; ``parent`` is the ``msg_id`` of its request. The text of a
``stream`` message travels as its one buffer instead of in the JSON, since it may be long. So does the picture of a
display whose header has ``image``, its mime type; it becomes base64 where it arrives, and SVG text.

A long message is cut: its packet travels in *parts*, packets of their own with the header ``{"part": [id, start, size],
"type", "parent", "content": {}}``. ``size`` is that of the whole message; the buffer holds its bytes from ``start`` on.
Other messages may come between two parts. Where ``start`` is -1, the sender has given the message up.

The keeper's own messages (a worker has died) are *sealed*: by a bit of the number of buffers, which the keeper lets no
packet of a worker have. So no message of a user's code is taken for one.

Nothing is believed before it was checked: every length against the bytes there are, every field against its type.
"""

from __future__ import annotations

import binascii
import json
import operator
import os
import struct
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing costs 1 MiB on a board, and only type checkers need it
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

    Bytes = Union[bytes, bytearray, memoryview]
    Json = Dict[str, Any]

dumps, loads = json.dumps, json.loads  #: as they are now: a cell may put other functions in their place

VERSION = 1  #: of all that crosses the wire; an agent speaks exactly one version

#: bytes of one message, whichever way it goes; the variable is for tests, at either end
MAX_MESSAGE = int(os.environ.get("RPYC_KERNEL_MAX_MESSAGE") or 1 << 30)
PART_BYTES = 256 << 10  #: of a message in one part
LONG_BYTES = 2 << 20  #: of a worker's message above which it is cut; a newer update takes the place of a shorter one

MAX_BUFFERS = 10000
MAX_ITEMS = 50_000_000  #: in one message, of the objects that are no lists and become lists in JSON
MAX_UNCOUNTED = 1_000_000  #: the same of iterators, which may be endless
MAX_HEADER = 1 << 30  #: bytes of JSON in one packet
MAX_IMAGE = 64 << 20  #: bytes of one picture

SHOWN = "rpyc_kernel"  #: in a display's metadata: the ``name`` of a picture, and its ``width`` and ``height``
SVG = "image/svg+xml"
#: the pictures that travel as they are, and how each begins
IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", SVG: b"<svg"}

_COUNTS = struct.Struct("!II")
_IS_PART, _TYPE, _CONTENT = b'{"part":[', b'{"type":"', b',"content":'  # as they are written here
_HEAD_BYTES = 4096  # type and parent stand in the first ones
_SEAL = 0x80  # in the first byte of the number of buffers


class WireError(ValueError):
    """Bytes that are no packet, or a packet of another form."""


class MessageTooLong(ValueError):
    """A message is too long to travel."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            "this would be a message of {:,} bytes, and at most {:,} travel between a notebook and its machine: "
            "send a part of it, or write it to a file".format(size, limit)
        )


def pack(header: Json, buffers: Sequence[Bytes] = ()) -> bytes:
    """A packet of one JSON object and the buffers beside it."""
    return b"".join(pack_pieces(header, buffers))


def pack_pieces(header: Json, buffers: Sequence[Bytes] = ()) -> List[Bytes]:
    """The packet in pieces; the buffers are not copied."""
    try:
        text = _dumps(header).encode("utf-8")
    except (UnicodeEncodeError, TypeError):
        text = _dumps(clean(header)).encode("utf-8", "backslashreplace")
    buffers = [buffer if isinstance(buffer, (bytes, bytearray)) else _flat(buffer) for buffer in buffers]
    head = struct.pack("!%dI" % (2 + len(buffers)), len(text), len(buffers), *map(len, buffers))
    return [head, text, *buffers]


def _flat(buffer: Any) -> Bytes:
    view = memoryview(buffer)
    return view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()


def unpack(packet: Bytes) -> Tuple[Json, List[memoryview]]:
    """The JSON object and the buffers of a packet.

    Raises:
        WireError: The packet is not well-formed.
    """
    view = memoryview(packet)
    if len(view) < _COUNTS.size:
        raise WireError("a packet of %d bytes is too short" % len(view))
    header_length, count = _COUNTS.unpack_from(view)
    if is_sealed(view):
        count &= ~(_SEAL << 24)
    start = _COUNTS.size + 4 * count
    if count > MAX_BUFFERS or header_length > MAX_HEADER or start + header_length > len(view):
        raise WireError("a packet whose lengths can't be true")
    lengths = struct.unpack_from("!%dI" % count, view, _COUNTS.size)
    if start + header_length + sum(lengths) != len(view):
        raise WireError("a packet whose lengths don't add up")
    position = start + header_length
    try:
        text = str(view[start:position], "utf-8")
        header = loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("a packet whose header is no JSON: %s" % type(error).__name__) from None
    if not isinstance(header, dict):
        raise WireError("a packet whose header is no JSON object")
    if "\\ud" in text or "\\uD" in text:
        try:
            header = clean(header)
        except RecursionError:
            raise WireError("a packet whose header is nested too deep") from None
    buffers = []
    for length in lengths:
        buffers.append(view[position : position + length])
        position += length
    return header, buffers


def about(packet: Bytes) -> Tuple[str, str]:
    """Type and parent of a message or of a part; ``("", "")`` if it is none.

    A message that the agent has made isn't read as a whole, so that it needn't be one that can be read.
    """
    start = _header_start(packet)
    head = bytes(packet[start : start + _HEAD_BYTES])
    end = head.find(_CONTENT) if head.startswith(_TYPE) else -1
    try:
        return _read_head(head[:end]) if end > 0 else _type_and_parent(unpack(packet)[0])
    except ValueError:
        return "", ""


@lru_cache(maxsize=64)
def _read_head(head: bytes) -> Tuple[str, str]:
    return _type_and_parent(loads(head.decode("utf-8") + "}"))


def _type_and_parent(header: Json) -> Tuple[str, str]:
    return str(header.get("type", "")), str(header.get("parent", ""))


def is_part(packet: Bytes) -> bool:
    """Whether a packet is a part of a message that was cut."""
    start = _header_start(packet)
    return bytes(packet[start : start + len(_IS_PART)]) == _IS_PART


def _header_start(packet: Bytes) -> int:
    return _COUNTS.size + 4 * (int.from_bytes(packet[4:8], "big") & ~(_SEAL << 24))


def seal(packet: bytes) -> bytes:
    """Seal a packet, as one that the keeper has made itself."""
    return packet[:4] + bytes((packet[4] | _SEAL,)) + packet[5:]


def is_sealed(packet: Bytes) -> bool:
    """Whether a packet is sealed: the keeper has made it itself."""
    return len(packet) > 4 and packet[4] & _SEAL != 0


def _dumps(value: Any) -> str:
    return dumps(value, ensure_ascii=False, separators=(",", ":"), default=_JsonFallback())


class _JsonFallback:
    """JSON for the objects that users and libraries put into messages: bytes are base64, as images are in Jupyter.

    There is one for each message, whose items it counts.
    """

    def __init__(self) -> None:
        self.items = 0

    def __call__(self, value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return binascii.b2a_base64(value, newline=False).decode("ascii")
        if hasattr(value, "isoformat"):
            return value.isoformat()
        for convert in (operator.index, self.list_of, float):
            try:
                return convert(value)
            except TypeError:
                continue
        return repr(value)

    def list_of(self, value: Any) -> List[Any]:
        """The items of an iterable, taken one by one, so that an interrupt gets in between.

        Raises:
            ValueError: There are so many that they may be without end.
        """
        most = MAX_ITEMS if hasattr(value, "__len__") else MAX_UNCOUNTED
        items = []
        for item in value:
            self.items += 1
            if self.items > most:
                text = "a {} gives more than {:,} items, too many for JSON: make a list of those that are wanted"
                raise ValueError(text.format(type(value).__name__, most))
            items.append(item)
        return items


def clean(value: Any) -> Any:
    """A copy of a value: all keys are strings, and lone surrogates, which UTF-8 can't carry, are escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {clean(key if isinstance(key, str) else str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


def encode_text(text: str) -> bytes:
    """The UTF-8 of printed text; a lone surrogate becomes the escape that one would type for it."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


class Message:
    """One Jupyter message: ``type`` (its ``msg_type``), ``content``, ``parent``, ``metadata`` and ``buffers``.

    Attributes:
        sealed: Whether the keeper has made the message itself.
        image: The picture of a display as it has come, of which the content has the base64; b"" where there is none.
    """

    __slots__ = ("buffers", "content", "image", "metadata", "parent", "sealed", "type")

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
        self.image: Bytes = b""
        self.sealed = False

    def __repr__(self) -> str:
        return "Message(%r, %r, parent=%r)" % (self.type, self.content, self.parent)

    def encode(self) -> bytes:
        """The message as a packet.

        Raises:
            MessageTooLong: The packet would be longer than `MAX_MESSAGE`.
        """
        return b"".join(self.pieces())

    def pieces(self) -> List[Bytes]:
        """The packet in pieces, as `pack_pieces`."""
        header: Json = {"type": self.type, "parent": self.parent, "content": self.content}
        buffers = self.buffers
        if self.metadata:
            header["metadata"] = self.metadata
        if self.type == "stream":
            header["content"] = {"name": self.content["name"]}
            buffers = [encode_text(self.content["text"])]
        _check_size(sum(memoryview(buffer).nbytes for buffer in buffers))
        pieces = pack_pieces(header, buffers)
        _check_size(sum(map(len, pieces)))
        return pieces

    @classmethod
    def decode(cls, packet: Bytes) -> Message:
        """The message in a packet.

        Raises:
            WireError: The packet is none, or a field has the wrong type.
        """
        return cls.read(*unpack(packet))

    @classmethod
    def read(cls, header: Json, buffers: List[memoryview]) -> Message:
        """The message of a packet that was unpacked; errors as those of `decode`."""
        kind, parent = header.get("type"), header.get("parent")
        content, metadata = header.get("content"), header.get("metadata", {})
        if not (isinstance(kind, str) and isinstance(parent, str)):
            raise WireError("a message without type or parent")
        if not (isinstance(content, dict) and isinstance(metadata, dict)):
            raise WireError("a message whose content or metadata is no JSON object")
        image: Bytes = b""
        if kind == "stream":
            if len(buffers) != 1 or content.get("name") not in ("stdout", "stderr"):
                raise WireError("a stream message of another form")
            content = {"name": content["name"], "text": bytes(buffers.pop()).decode("utf-8", "replace")}
        elif "image" in header:
            image = _put_image(kind, content, header["image"], buffers)
        message = cls(kind, content, parent, metadata, buffers)
        message.image = image
        return message


def _check_size(size: int) -> None:
    if size > MAX_MESSAGE:
        raise MessageTooLong(size, MAX_MESSAGE)


def cut(pieces: Iterable[Bytes], size: int) -> Iterator[bytes]:
    """Cut the bytes of some pieces in a row anew, ``size`` at a time."""
    waiting: List[memoryview] = []
    room = size
    for piece in pieces:
        rest = memoryview(piece)
        while len(rest) >= room:
            yield b"".join([*waiting, rest[:room]])
            rest, waiting, room = rest[room:], [], size
        if rest:
            waiting.append(rest)
            room -= len(rest)
    if waiting:
        yield b"".join(waiting)


def part_packet(part: Sequence[int], kind: str, parent: str, piece: Bytes) -> bytes:
    """The packet of a part; ``part``: the id of the message, where the piece begins, and the message's size."""
    return pack({"part": list(part), "type": kind, "parent": parent, "content": {}}, [piece])


class Parts:
    """Puts messages together again that were cut. No I/O.

    Args:
        limit: Bytes of all messages that have begun; None: `MAX_MESSAGE`.
    """

    def __init__(self, limit: Optional[int] = None) -> None:
        self._limit = limit
        self._begun: Dict[int, bytearray] = {}

    def take(self, part: Any, piece: Bytes) -> Optional[bytearray]:
        """Take a part; returns the whole message if this is the last one, else None.

        Args:
            part: The ``part`` of the header, see `part_packet`.
            piece: Its bytes.

        Raises:
            WireError: The message is lost. That it is too long, or that its beginning was never here, is told with
                the last part.
        """
        if not (isinstance(part, list) and len(part) == 3 and all(type(number) is int for number in part)):
            raise WireError("a part without its numbers")
        name, start, size = part
        limit = MAX_MESSAGE if self._limit is None else self._limit
        if start == 0 and size <= limit:
            self._begun[name] = bytearray()
        whole = self._begun.get(name)
        end = start + len(piece)
        if whole is None or len(whole) != start or end > size:
            self._begun.pop(name, None)
            if start >= 0 and end >= size:
                raise WireError(_lost(size, limit))
            return None
        whole += piece
        if end == size:
            return self._begun.pop(name)
        while sum(map(len, self._begun.values())) > limit:
            del self._begun[next(iter(self._begun))]  # the oldest
        return None

    def copy(self) -> Parts:
        """A copy, with the messages that have begun."""
        other = Parts(self._limit)
        other._begun = {name: bytearray(begun) for name, begun in self._begun.items()}
        return other

    def clear(self) -> None:
        """Forget the messages that have begun: their sender is gone."""
        self._begun.clear()


def _lost(size: int, limit: int) -> str:
    if size > limit:
        return str(MessageTooLong(size, limit))
    return "a message of {:,} bytes, whose beginning is not here any more".format(size)


def reply_type(request_type: str) -> str:
    """The type of the message that ends a request; comm messages have one too, which tells that they were handled."""
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


def _put_image(kind: str, content: Json, mime: Any, buffers: List[memoryview]) -> memoryview:
    """Put the picture of a display to its other data; returns its bytes.

    Raises:
        WireError: There is no picture, or it is of another type than is said.
    """
    data = content.get("data")
    if kind not in ("display_data", "update_display_data") or len(buffers) != 1 or not isinstance(data, dict):
        raise WireError("a picture in a message of another form")
    image = buffers.pop()
    start = IMAGES.get(mime) if isinstance(mime, str) else None
    if start is None or bytes(image[: len(start)]) != start or len(image) > MAX_IMAGE:
        raise WireError("a picture that is none, or too large")
    try:
        data[mime] = str(image, "utf-8") if mime == SVG else binascii.b2a_base64(image, newline=False).decode("ascii")
    except UnicodeDecodeError:
        raise WireError("an SVG that is no text") from None
    return image


def utf8_cut(data: Bytes, limit: int) -> int:
    """Where to cut UTF-8 text so that at most ``limit`` bytes come before and no character is torn."""
    if len(data) <= limit:
        return len(data)
    cut = limit
    while cut > limit - 4 and cut > 0 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut if cut > 0 else limit
