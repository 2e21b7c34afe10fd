"""Jupyter's models of what lies on a machine.

https://jupyter-server.readthedocs.io/en/latest/developers/contents.html has their fields.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import mimetypes
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError

from rpyc_kernel.agent.files.entries import FOLDER
from rpyc_kernel.contents.paths import api_path, shown_name
from rpyc_kernel.files.entries import is_part

if TYPE_CHECKING:
    from rpyc_kernel.files.entries import Entry

MAX_NAME_CHARS = 1024  # of one file: longer than any system has them
_WRITE = 0o222
_BEGIN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def model_of(machine: str, entry: Entry, path: str) -> dict[str, Any]:
    """Return the model of a file or folder, without its content.

    Args:
        machine: The machine's name.
        entry: What is there, not a link.
        path: Where it is, whole, as it travels.
    """
    changed = _BEGIN + dt.timedelta(microseconds=entry.time // 1000)
    name = shown_name(path.rpartition("/")[2])
    folder = entry.kind == FOLDER
    return {
        "name": name or f"{machine}:",
        "path": api_path(machine, path),
        "type": "directory" if folder else "notebook" if name.endswith(".ipynb") else "file",
        "created": changed,
        "last_modified": changed,
        "size": None if folder else entry.size,
        "writable": bool(entry.mode & _WRITE),
        "mimetype": None if folder else mimetypes.guess_type(name)[0],
        "content": None,
        "format": None,
        "hash": None,
        "hash_algorithm": None,
    }


def machine_model(name: str, last_modified: dt.datetime) -> dict[str, Any]:
    """Return the model of a machine's top folder, which nobody has looked at yet."""
    return {
        "name": f"{name}:",
        "path": f"{name}:",
        "type": "directory",
        "created": last_modified,
        "last_modified": last_modified,
        "size": None,
        "writable": True,
        "mimetype": None,
        "content": None,
        "format": None,
    }


def is_listed(entry: Entry) -> bool:
    """Tell whether an entry of a folder can be shown: a machine may say anything of its names."""
    name = entry.name
    return "/" not in name and name not in (".", "..") and len(name) <= MAX_NAME_CHARS and not is_part(entry)


def hash_of(data: bytes) -> dict[str, str]:
    """Return the fields of a model that have the hash of its file."""
    return {"hash": hashlib.sha256(data).hexdigest(), "hash_algorithm": "sha256"}


def content_of(data: bytes, format: str | None, what: str) -> tuple[str, str]:
    """Return a file's content for its model, and the format: ``text`` or ``base64``.

    Args:
        data: What is in the file.
        format: The one that is asked for, or None.
        what: The file, for the error.

    Raises:
        HTTPError: 400 where it is to be a text, and is no UTF-8.
    """
    if format != "base64":
        try:
            return data.decode("utf-8"), "text"
        except UnicodeDecodeError:
            if format == "text":
                raise HTTPError(400, f"{what} is not UTF-8 encoded", reason="bad format") from None
    return base64.encodebytes(data).decode("ascii"), "base64"


def data_of(model: dict[str, Any], what: str) -> bytes:
    """Return the bytes that a model's content means. Raises HTTPError 400."""
    content, form = model.get("content"), model.get("format")
    if not isinstance(content, str):
        raise HTTPError(400, f"No content was given for {what}.")
    try:
        if form == "text":
            return content.encode("utf-8")
        if form == "base64":
            return base64.b64decode(content)
    except ValueError as error:
        raise HTTPError(400, f"The content for {what} can't be read as {form}: {error}") from None
    raise HTTPError(400, "Must specify format of file contents as 'text' or 'base64'")
