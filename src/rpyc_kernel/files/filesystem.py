"""The files of a machine for fsspec, as ``rpyc://pi/data.csv``: what reads fsspec's paths, as pandas does, reads them.

Paths are relative to the folder in which sessions begin there; ``rpyc://pi//srv/x`` is ``/srv/x``.
https://filesystem-spec.readthedocs.io/en/latest/developer.html describes what a file system is there.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import threading
import uuid
import weakref
from typing import IO, TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from rpyc_kernel.agent.files.entries import FILE, FOLDER, decoded, encoded
from rpyc_kernel.files.entries import Entry
from rpyc_kernel.files.get import get
from rpyc_kernel.files.put import put
from rpyc_kernel.files.remote import BLOCK_BYTES, RemoteFiles
from rpyc_kernel.files.session import OwnSession, own_session
from rpyc_kernel.hosts.target import find

if TYPE_CHECKING:
    from collections.abc import Callable

NEW_MODE = 0o644  # of a file that is written
_TYPES = {FILE: "file", FOLDER: "directory"}


class RpycFileSystem(AbstractFileSystem):
    """The files of one machine. Its session begins with the first use, and ends with it.

    Args:
        host: The machine, as in ``%connect``.
        options: fsspec's own.
    """

    protocol = "rpyc"
    root_marker = ""

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(**options)
        self.host = host
        self._lock = threading.Lock()  # guards the next
        self._session: OwnSession | None = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        path = os.fspath(path)
        if path.startswith("rpyc://"):
            path = path.removeprefix("rpyc://").partition("/")[2]
        return path.rstrip("/") or path[:1]

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        return {"host": path.removeprefix("rpyc://").partition("/")[0]} if path.startswith("rpyc://") else {}

    def unstrip_protocol(self, name: str) -> str:
        """Return the whole address of a path, by which it can be opened again."""
        return f"rpyc://{self.host}/{self._strip_protocol(name)}"

    @classmethod
    def _parent(cls, path: str) -> str:
        above, slash, _name = str(cls._strip_protocol(path)).rpartition("/")
        return above or slash

    def _files(self) -> RemoteFiles:
        """Return what asks for the files of the machine. Any thread may use one of its own."""
        session = self._connected()
        return RemoteFiles(session, threading.Event(), session.name)

    def _connected(self) -> OwnSession:
        with self._lock:
            if self._session is None or self._session.closed:
                self._session = own_session(find(self.host), "fsspec", threading.Event())
                weakref.finalize(self, self._session.close)
            return self._session

    # --- what there is

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Return what is known of a path. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        (found,) = self._files().look([encoded(path)])
        if not isinstance(found, Entry):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _info(found, path)

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:
        """Return what is in a folder, or a file itself. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        own = self.info(path)
        found = [own]
        if own["type"] == "directory":
            prefix = path if path in ("", "/") else f"{path}/"
            found = [_info(each, prefix + each.name_here) for each in self._files().listed(encoded(path))]
        return found if detail else [each["name"] for each in found]

    def modified(self, path: str) -> dt.datetime:
        """Return when a file has changed last."""
        return dt.datetime.fromtimestamp(self.info(path)["mtime"], dt.UTC)

    # --- what is in it

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """Return the bytes of a file, or those between two places."""
        info = self.info(path)
        if info["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        size = info["size"]
        first, last, _step = slice(start, end).indices(size)
        return self.read_range(self._strip_protocol(path), first, last, info)

    def read_range(self, path: str, start: int, end: int, info: dict[str, Any]) -> bytes:
        """Return the bytes of a file between two places; *info* is of when it was looked at."""
        data = bytearray(max(end - start, 0))
        files, view = self._files(), memoryview(data)
        of = Entry(encoded(path), FILE, info["size"], info["mtime_ns"], info["mode"])
        for place in range(start, end, BLOCK_BYTES):
            size = min(BLOCK_BYTES, end - place)
            view[place - start : place - start + size] = files.read(encoded(path), of, place, size)
        return bytes(data)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_options: Any) -> None:
        """Write a file, whole or not at all."""
        if mode == "create" and self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        with self.open(path, "wb") as file:
            file.write(value)

    def get_file(self, rpath: str, lpath: Any, callback: Any = None, **_options: Any) -> None:
        """Copy a file here, whole or not at all."""
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)  # noqa: PTH103 - it may be any path
            return
        os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)  # noqa: PTH100, PTH103, PTH120
        self._copy(get, self._strip_protocol(rpath), os.fspath(lpath))

    def put_file(self, lpath: Any, rpath: str, callback: Any = None, mode: str = "overwrite", **_options: Any) -> None:
        """Copy a file there, whole or not at all."""
        if os.path.isdir(lpath):  # noqa: PTH112
            self.makedirs(rpath, exist_ok=True)
            return
        self.makedirs(self._parent(rpath), exist_ok=True)
        self._copy(put, os.fspath(lpath), self._strip_protocol(rpath))

    def _copy(self, copy: Callable[..., object], source: str, target: str) -> None:
        session = self._connected()
        copy(session, session.name, [source], target, threading.Event())

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        """Copy a file there to another place there, whole or not at all."""
        info, transfer = self.info(path1), uuid.uuid4().hex
        if info["type"] == "directory":
            self.makedirs(path2, exist_ok=True)
            return
        try:
            self.begin_with(path1, info, path2, transfer)
            self.finish(path2, transfer, info["size"])
        except BaseException:
            self.drop(path2, transfer)
            raise

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> IO[bytes]:
        if mode not in ("rb", "wb", "ab", "xb"):
            raise ValueError(f"files of {self.host} are opened to read, write or append, not as {mode!r}")
        there = None if mode == "wb" or (mode != "rb" and not self.exists(path)) else self.info(path)
        if there is not None and mode == "xb":
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if there is not None and there["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        mode = "wb" if mode == "xb" else mode  # which older fsspecs don't know
        return RpycFile(self, path, mode, block_size or "default", there=there, **options)

    # --- folders and names

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:
        """Make a folder. Raises FileExistsError."""
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if not create_parents:
            self.info(self._parent(path))
        self.makedirs(path, exist_ok=True)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder, and those above it."""
        if not exist_ok and self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._do("folders", "paths", self._whole(path))

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._do("remove", "paths", self._whole(path))

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self.info(path)
        self._do("remove", "paths", self._whole(path))

    _rm = rm_file

    def mv(self, path1: str, path2: str, **_options: Any) -> None:
        """Move a file or folder."""
        self.info(path1)
        self._files().carrier.call("rename", {"path": self._whole(path1), "target": self._whole(path2)})

    def _whole(self, path: str) -> str:
        """Return the whole path, as it travels."""
        (found,) = self._files().look([encoded(self._strip_protocol(path))], follow=False)
        return found.name if isinstance(found, Entry) else found

    def _do(self, op: str, key: str, path: str) -> None:
        for failure in self._files().do(op, key, [path]):
            raise OSError(failure)

    # --- writing

    def write_part(self, path: str, transfer: str, start: int, data: bytes) -> None:
        """Write bytes of a file that is not there yet."""
        self._files().write(self._whole(path), transfer, start, data)

    def begin_with(self, source: str, info: dict[str, Any], path: str, transfer: str) -> None:
        """Begin a file that is not there yet with what another one holds; *info* is of when that was looked at."""
        source = self._strip_protocol(source)
        for start in range(0, max(info["size"], 1), BLOCK_BYTES):
            data = self.read_range(source, start, min(start + BLOCK_BYTES, info["size"]), info)
            self.write_part(path, transfer, start, data)

    def finish(self, path: str, transfer: str, size: int, mode: int = NEW_MODE) -> None:
        """Put the file in its place."""
        self._files().finish(self._whole(path), transfer, size, mode)

    def drop(self, path: str, transfer: str) -> None:
        """Forget a file that was not finished."""
        self._files().drop(self._whole(path), transfer)


class RpycFile(AbstractBufferedFile):
    """A file of a machine. What is written takes its place when it is closed; so does a file that is appended to.

    Args:
        fs: The machine's files.
        path: The file.
        mode: ``rb``, ``wb`` or ``ab``.
        block_size: Bytes that are written in one go.
        there: What is known of the file as it is there; None where there is none, or it doesn't matter.
        options: fsspec's own.
    """

    def __init__(
        self, fs: RpycFileSystem, path: str, mode: str, block_size: Any, *, there: dict[str, Any] | None, **options: Any
    ) -> None:
        super().__init__(fs, path, mode, block_size, **options)
        self._there = there
        if mode == "ab" and there is not None:
            self.loc = there["size"]

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.read_range(self.path, start, min(end, self.size), self.details))

    def _initiate_upload(self) -> None:
        self._transfer = uuid.uuid4().hex
        self._written = 0
        if self._there is not None:
            self.fs.begin_with(self.path, self._there, self.path, self._transfer)
            self._written = self._there["size"]

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        if data or (final and not self._written):
            self.fs.write_part(self.path, self._transfer, self._written, data)
        self._written += len(data)
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """Put the file in its place. fsspec's transactions call it."""
        mode = NEW_MODE if self._there is None else self._there["mode"]
        self.fs.finish(self.path, self._transfer, self._written, mode)

    def discard(self) -> None:
        """Forget what was written. fsspec's transactions call it."""
        self.fs.drop(self.path, self._transfer)


def _info(entry: Entry, name: str) -> dict[str, Any]:
    found = {
        "name": name,
        "size": entry.size if entry.kind == FILE else 0,
        "type": _TYPES.get(entry.kind, "other"),
        "mtime": entry.time / 10**9,
        "mtime_ns": entry.time,
        "mode": entry.mode,
    }
    if isinstance(entry.more, str):
        found["destination"] = decoded(entry.more)
    return found
