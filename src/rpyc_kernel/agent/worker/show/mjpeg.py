"""``show.stream``: the pictures that a server gives out as MJPEG (``multipart/x-mixed-replace``), or a single one."""

from __future__ import annotations

import base64
import http.client
import socket
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from ... import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator

TIMEOUT_S = 10.0  #: in which something has to come
MAX_LINE_BYTES = 4096
MAX_HEAD_LINES = 100
READ_BYTES = 64 << 10


class StreamError(Exception):
    """The address gives no pictures; the text says why."""


def pictures(url: str) -> Iterator[bytes]:
    """Give out the pictures of an address, as they come, until it ends.

    Args:
        url: An address that this machine reaches; a name and password may stand in it.

    Raises:
        StreamError: It gives none, or nothing comes any more.
    """
    with _opened(url) as answer:
        kind = answer.headers.get_content_type()
        try:
            if kind.startswith("multipart/"):
                boundary = str(answer.headers.get_param("boundary") or "").strip("\"'")
                yield from parts(answer, boundary.encode("latin-1", "replace").lstrip(b"-"))
            elif kind.startswith("image/"):
                yield answer.read(wire.MAX_IMAGE + 1)
            else:
                raise StreamError("%s gives %s, not MJPEG." % (shown(url), kind))
        except socket.timeout:
            raise StreamError("%s has sent nothing for %g s." % (shown(url), TIMEOUT_S)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StreamError("%s: %s." % (shown(url), error)) from None


def _opened(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StreamError("%s is no http address." % shown(url))
    host = parts.netloc.rpartition("@")[2]
    request = Request(parts._replace(netloc=host).geturl())  # noqa: S310 - http and https alone
    if parts.username is not None:
        secret = "%s:%s" % (unquote(parts.username), unquote(parts.password or ""))
        request.add_header("Authorization", "Basic " + base64.b64encode(secret.encode("utf-8")).decode("ascii"))
    try:
        return build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_S)  # it is this machine's, or near it
    except HTTPError as error:
        raise StreamError("%s answers %d %s." % (shown(url), error.code, error.reason)) from None
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise StreamError("%s can't be opened: %s." % (shown(url), getattr(error, "reason", error))) from None


def shown(url: str) -> str:
    """Return an address without the password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def parts(stream: BinaryIO, boundary: bytes) -> Iterator[bytes]:
    """Give out the parts of a body.

    Args:
        stream: The body.
        boundary: What stands between the parts, without the dashes before it.

    Raises:
        ValueError: What comes is no such body, or a part of it is too large.
    """
    rest = b""

    def line() -> bytes:
        nonlocal rest
        while b"\n" not in rest:
            more = stream.read1(READ_BYTES)  # type: ignore[attr-defined]
            if not more:
                raise EOFError
            rest += more
            if len(rest) > READ_BYTES + MAX_LINE_BYTES and b"\n" not in rest:
                raise ValueError("it sends something that is no MJPEG")
        found, _end, rest = rest.partition(b"\n")
        return found.strip()

    def exactly(size: int) -> bytes:
        nonlocal rest
        pieces, missing = [rest[:size]], size - len(rest)
        rest = rest[size:]
        while missing > 0:
            more = stream.read1(READ_BYTES)  # type: ignore[attr-defined]
            if not more:
                raise EOFError
            pieces.append(more[:missing])
            rest = more[missing:]
            missing -= len(more)
        return b"".join(pieces)

    def until_boundary() -> bytes:
        nonlocal rest
        mark = b"--" + boundary if boundary else b"\r\n--"
        data, searched = bytearray(rest), 0
        while True:
            found = data.find(mark, searched)
            if found >= 0:
                rest = bytes(data[found:])
                return bytes(data[:found]).rstrip(b"\r\n")
            searched = max(0, len(data) - len(mark))
            more = stream.read1(READ_BYTES)  # type: ignore[attr-defined]
            if not more:
                raise EOFError
            data += more
            if len(data) > wire.MAX_IMAGE:
                raise ValueError("it sends a picture that is too large")

    try:
        while True:
            yield _part(line, exactly, until_boundary)
    except EOFError:
        return


def _part(line: Callable[[], bytes], exactly: Callable[[int], bytes], until_boundary: Callable[[], bytes]) -> bytes:
    """Read the head and the body of one part."""
    while not line().startswith(b"--"):
        pass
    size = -1
    for _count in range(MAX_HEAD_LINES):
        head = line()
        if not head:
            break
        name, _colon, value = head.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            size = int(value)
    else:
        raise ValueError("it sends a head without an end")
    if size > wire.MAX_IMAGE:
        raise ValueError("it sends a picture that is too large")
    return exactly(size) if size >= 0 else until_boundary()
