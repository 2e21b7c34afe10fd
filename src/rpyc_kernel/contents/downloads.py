"""``/files/…`` for files of machines: given out block by block, of any size."""

from __future__ import annotations

import mimetypes
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.routing import Matcher

from rpyc_kernel.agent.files.entries import FILE
from rpyc_kernel.contents.bytes_there import blocks

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

    from rpyc_kernel.contents.mixed import WithMachines
    from rpyc_kernel.files.entries import Entry

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class OnMachine(Matcher):
    """Matches the addresses of files on machines, and no other: those are the configured handler's.

    Args:
        prefix: What stands before the path in an address, with a slash at its end.
        manager: Knows which paths are on machines.
    """

    def __init__(self, prefix: str, manager: WithMachines) -> None:
        self._prefix = prefix
        self._manager = manager

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return what the handler's method is called with, or None."""
        if not request.path.startswith(self._prefix):
            return None
        path = unquote(request.path.removeprefix(self._prefix), errors="surrogateescape")
        try:
            if not self._manager.on_machine(path):
                return None
        except web.HTTPError:
            pass  # the handler says so
        return {"path_args": [path.encode("utf-8", "surrogateescape")], "path_kwargs": {}}


class DownloadHandler(JupyterHandler):
    """Gives out files of machines."""

    auth_resource = "contents"

    @property
    def content_security_policy(self) -> str:
        """As Jupyter's own for files: a page from there is a page of its own, and can't use this server."""
        return f"{super().content_security_policy}; sandbox allow-scripts"

    @web.authenticated
    @authorized
    async def head(self, path: str) -> None:
        """Say how large a file is."""
        await self._begin(path)

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Give out a file, or the part of it that a ``Range`` names."""
        entry, start, end = await self._begin(path)
        machine, _place = self._contents.place(path)
        async for block in blocks(machine, entry, start, end):
            self.write(bytes(block))
            await self.flush()

    @property
    def _contents(self) -> Any:
        manager: WithMachines = self.contents_manager
        return manager.machine_contents

    async def _begin(self, path: str) -> tuple[Entry, int, int]:
        """Write the head; return what is there, and from where to where it is asked for."""
        self.check_xsrf_cookie()
        contents = self._contents
        if not contents.allow_hidden and await contents.is_hidden(path):
            raise web.HTTPError(404)
        entry = await contents.entry(path)
        if entry is None or entry.kind != FILE:
            raise web.HTTPError(404, f"No such file: {path}")
        name = path.strip("/").rpartition("/")[2]
        if name.endswith(".ipynb") or self.get_argument("download", None):
            self.set_attachment_header(name)
        mimetype, encoding = mimetypes.guess_type(name)
        if name.endswith(".ipynb"):
            mimetype = "application/x-ipynb+json"
        elif encoding is not None:
            mimetype = "application/gzip" if encoding == "gzip" else "application/octet-stream"
        if mimetype == "text/plain":
            mimetype = "text/plain; charset=UTF-8"
        self.set_header("Content-Type", mimetype or "application/octet-stream")
        self.set_header("Cache-Control", "no-cache")
        start, end = self._asked(entry.size)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Content-Length", str(end - start))
        return entry, start, end

    def _asked(self, size: int) -> tuple[int, int]:
        """Return from where to where of *size* bytes are asked for: a page does so where one jumps in a video."""
        found = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        if found is None or found[0] == "bytes=-":
            return 0, size
        start, end = int(found[1] or 0), min(int(found[2]) + 1, size) if found[2] else size
        if not found[1]:
            start, end = max(size - int(found[2]), 0), size
        if start >= end:
            self.set_header("Content-Range", f"bytes */{size}")
            raise web.HTTPError(416)
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        return start, end
