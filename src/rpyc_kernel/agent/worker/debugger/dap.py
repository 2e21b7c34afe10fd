"""Messages of the Debug Adapter Protocol on a stream of bytes.

https://microsoft.github.io/debug-adapter-protocol/overview
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Optional

    Json = Dict[str, Any]

MAX_BODY_BYTES = 64 << 20  #: of one message


def encode(message: Json) -> bytes:
    """Return a message as it goes over the stream."""
    body = json.dumps(message).encode("ascii")
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def read(stream: BinaryIO) -> Optional[Json]:
    """Read the next message; None at the end of the stream. Raises ValueError for what is none."""
    length = -1
    while True:
        line = stream.readline(1000)
        if not line:
            return None
        if line in (b"\r\n", b"\n"):
            break
        name, _colon, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError("a message of %d bytes" % length)
    message = json.loads(stream.read(length).decode("utf-8"))
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")  # noqa: TRY004 - of what came
    return message


def response(request: Json, body: Optional[Json] = None) -> Json:
    """Return the response to a request that was done."""
    return dict(_response(request), success=True, body=body or {})


def failure(request: Json, text: str) -> Json:
    """Return the response to a request that was not done, and why: a sentence."""
    shown = {"id": 1, "format": text.replace("{", "{{").replace("}", "}}"), "showUser": True}
    return dict(_response(request), success=False, message=text, body={"error": shown})


def _response(request: Json) -> Json:
    number, command = request.get("seq", 0), request.get("command", "")
    return {"type": "response", "seq": 0, "request_seq": number, "command": command}
