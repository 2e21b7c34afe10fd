"""Uploads in pieces, as JupyterLab sends large files: ``chunk`` is 1, 2, … and -1 with the last piece.

The file takes its place with the last piece.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tornado.web import HTTPError

from rpyc_kernel.contents import bytes_there
from rpyc_kernel.contents.refusals import told

if TYPE_CHECKING:
    from rpyc_kernel.contents.bytes_there import Destination
    from rpyc_kernel.contents.machine import BrowsedMachine
    from rpyc_kernel.contents.paths import Place

LAST = -1
MAX_UPLOADS = 100  # that are not at their end
MAX_SILENCE_S = 3600.0  # between two pieces


@dataclass
class _Upload:
    machine: BrowsedMachine
    target: Destination
    transfer: str = field(default_factory=lambda: uuid.uuid4().hex)
    size: int = 0
    chunk: int = 0
    at: float = field(default_factory=time.monotonic)


class Uploads:
    """The uploads that are not at their end. Used on the event loop."""

    def __init__(self) -> None:
        self._uploads: dict[Place, _Upload] = {}

    async def take(self, machine: BrowsedMachine, place: Place, chunk: object, data: bytes) -> int:
        """Take a piece, and return how many bytes have come.

        Args:
            machine: The machine.
            place: Where the file is to be.
            chunk: The number of the piece.
            data: What is in it.

        Raises:
            HTTPError: It can't be written, or isn't the next one; the upload is given up.
        """
        await self._sweep()
        upload = self._uploads.pop(place, None)
        if chunk == 1 or upload is None:
            if chunk not in (1, LAST):
                raise HTTPError(400, f"Piece {chunk} of an upload that isn't there; it begins with piece 1.")
            if upload is not None:
                await bytes_there.drop(upload.machine, upload.target, upload.transfer)
            upload = _Upload(machine, await bytes_there.target_of(machine, place.path))
        elif chunk not in (upload.chunk + 1, LAST):
            await bytes_there.drop(machine, upload.target, upload.transfer)
            raise HTTPError(400, f"Piece {chunk} of an upload came where piece {upload.chunk + 1} was the next.")
        with told():
            try:
                await bytes_there.append(machine, upload.target, upload.transfer, upload.size, data)
                upload.size += len(data)
                upload.chunk, upload.at = upload.chunk + 1, time.monotonic()
                if chunk == LAST:
                    target, transfer, size = upload.target, upload.transfer, upload.size
                    await machine.do(lambda files: files.finish(target.path, transfer, size, target.mode))
                else:
                    self._uploads[place] = upload
            except BaseException:
                await bytes_there.drop(machine, upload.target, upload.transfer)
                raise
        return upload.size

    async def _sweep(self) -> None:
        """Forget those that nobody goes on with."""
        oldest = sorted(self._uploads, key=lambda place: self._uploads[place].at)
        now = time.monotonic()
        for number, place in enumerate(oldest):
            upload = self._uploads.get(place)
            if upload and (now - upload.at > MAX_SILENCE_S or number < len(oldest) - MAX_UPLOADS + 1):
                del self._uploads[place]
                await bytes_there.drop(upload.machine, upload.target, upload.transfer)
