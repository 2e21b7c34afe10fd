"""What is in a file of a machine: read and written block by block, each of which has to come in time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from tornado.web import HTTPError

from rpyc_kernel.agent.files.entries import FILE, FOLDER, LINK
from rpyc_kernel.agent.files.errors import shown
from rpyc_kernel.contents.refusals import told
from rpyc_kernel.files.entries import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rpyc_kernel.agent.wire import Bytes
    from rpyc_kernel.contents.machine import BrowsedMachine
    from rpyc_kernel.files.remote import RemoteFiles

BLOCK_BYTES = 1 << 20  # that come and go at once, and have to within `MachineContents.answer_timeout`
MAX_CONTENT_BYTES = 256 << 20  # of a model; a file may be downloaded whatever its size
NEW_FILE_MODE = 0o644


class Destination(NamedTuple):
    """Where a file is to be.

    Attributes:
        path: Whole, behind links, as it travels.
        mode: The permissions that it gets.
        is_new: Whether nothing is there yet.
    """

    path: str
    mode: int
    is_new: bool


async def read(machine: BrowsedMachine, entry: Entry) -> bytes:
    """Return what is in a file, whose whole path is its entry's name. Raises HTTPError."""
    if entry.size > MAX_CONTENT_BYTES:
        raise HTTPError(
            413,
            f"{shown(entry.name_here)} on {machine.name} has {entry.size:,} bytes, and more than "
            f"{MAX_CONTENT_BYTES >> 20} MiB can't be opened. It can be downloaded.",
        )
    return b"".join([block async for block in blocks(machine, entry, 0, entry.size)])


async def blocks(machine: BrowsedMachine, entry: Entry, start: int, end: int) -> AsyncIterator[memoryview]:
    """Give out what is in a file between two places. Raises HTTPError, also where the file changes meanwhile."""
    for place in range(start, end, BLOCK_BYTES):
        size = min(BLOCK_BYTES, end - place)

        def block(files: RemoteFiles, place: int = place, size: int = size) -> memoryview:
            return files.read(entry.name, entry, place, size)

        with told():
            yield await machine.do(block)


async def target_of(machine: BrowsedMachine, path: str) -> Destination:
    """Return where what is written to *path* goes: behind links. Raises HTTPError where it can't be written."""

    def find(files: RemoteFiles) -> Destination:
        (found,) = files.look([path], follow=False)
        if isinstance(found, Entry) and found.kind == LINK:
            (found,) = files.look([files.real(path)], follow=False)
        if not isinstance(found, Entry):
            return Destination(found, NEW_FILE_MODE, is_new=True)
        if found.kind == FOLDER:
            raise HTTPError(400, f"{shown(found.name_here)} on {machine.name} is a folder.")
        if found.kind != FILE:
            raise HTTPError(400, f"{shown(found.name_here)} on {machine.name} is no regular file.")
        if not files.writable(found.name):  # it would be replaced all the same
            raise HTTPError(403, f"{shown(found.name_here)} on {machine.name} may not be written: permission denied.")
        return Destination(found.name, found.mode, is_new=False)

    with told():
        return await machine.do(find)


async def write(machine: BrowsedMachine, target: Destination, data: bytes) -> None:
    """Write a file, whole or not at all. Raises HTTPError."""
    transfer = uuid.uuid4().hex
    with told():
        try:
            await append(machine, target, transfer, 0, data)
            await machine.do(lambda files: files.finish(target.path, transfer, len(data), target.mode))
        except BaseException:
            await drop(machine, target, transfer)
            raise


async def append(machine: BrowsedMachine, target: Destination, transfer: str, start: int, data: bytes) -> None:
    """Write a piece of a file that is not in its place yet. Raises a RpycKernelError."""
    view = memoryview(data)
    for place in range(0, max(len(view), 1), BLOCK_BYTES):

        def block(files: RemoteFiles, place: int = place, block: Bytes = view[place : place + BLOCK_BYTES]) -> None:
            files.write(target.path, transfer, start + place, block)

        await machine.do(block)


async def drop(machine: BrowsedMachine, target: Destination, transfer: str) -> None:
    """Forget a file that is not in its place yet, if its machine can be asked to."""
    try:
        await machine.do(lambda files: files.drop(target.path, transfer))
    except Exception:  # noqa: BLE001 - what has failed before says more
        return
