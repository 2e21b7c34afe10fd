"""MJPEG as servers give it out, and what is none."""

from __future__ import annotations

import base64
import http.server
import io
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.worker.show import mjpeg
from rpyc_kernel.agent.worker.show.mjpeg import StreamError, parts, pictures

ONE, TWO = b"\xff\xd8\xffone\r\n--\r\n\xff\xd9", b"\xff\xd8\xfftwo\xff\xd9"
BODIES = {
    "length": b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(ONE), ONE)
    + b"--b\r\nContent-length:%d\r\n\r\n%s\r\n--b--\r\n" % (len(TWO), TWO),
    "no length": b"--b\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--b\r\n\r\n%s\r\n--b--\r\n" % (ONE, TWO),
    "bare newlines": b"\n--b\nX-Timestamp: 1\n\n%s\n--b\n\n%s\n--b\n" % (ONE, TWO),
}


class Pieces(io.RawIOBase):
    """A body that comes in pieces of that size."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def read1(self, _most: int) -> bytes:
        found, self._data = self._data[: self._size], self._data[self._size :]
        return found


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_parts(body: str, size: int) -> None:
    assert list(parts(Pieces(BODIES[body], size), b"b")) == [ONE, TWO]  # type: ignore[arg-type]


@given(st.binary(max_size=2000), st.binary(max_size=3))
def test_whatever_comes_ends_or_is_refused(data: bytes, boundary: bytes) -> None:
    try:
        list(parts(Pieces(b"--" + data, 50), boundary))  # type: ignore[arg-type]
    except ValueError:
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kinds = {
            "/": "multipart/x-mixed-replace; boundary=--b",
            "/one": "image/jpeg",
            "/text": "text/html",
            "/hang": "image/jpeg",
        }
        secret = base64.b64encode(b"ada:p@ss").decode()
        if self.path == "/secret" and self.headers.get("Authorization") != f"Basic {secret}":
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Type", kinds.get(self.path, "image/jpeg"))
        if self.path == "/hang":
            self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(BODIES["length"] if self.path == "/" else ONE)
        if self.path == "/hang":
            self.wfile.flush()
            self.server.gate.wait(20)  # type: ignore[attr-defined]

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.gate = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.gate.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_a_server(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # which nobody asks for what is on this machine
    assert list(pictures(f"http://{server}/")) == [ONE, TWO]
    assert list(pictures(f"http://{server}/one")) == [ONE]
    assert list(pictures(f"http://ada:p%40ss@{server}/secret")) == [ONE]


def test_what_is_no_stream_is_a_sentence(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, why in (
        ("ftp://x/", "is no http address"),
        (f"http://{server}/text", "gives text/html, not MJPEG"),
        (f"http://ada:wrong@{server}/secret", f"^http://{server}/secret answers 401"),
        ("http://127.0.0.1:9/", "can't be opened: .*refused"),
    ):
        with pytest.raises(StreamError, match=why):
            list(pictures(url))
    monkeypatch.setattr(mjpeg, "TIMEOUT_S", 0.3)
    with pytest.raises(StreamError, match=r"has sent nothing for 0\.3 s"):
        list(pictures(f"http://{server}/hang"))
