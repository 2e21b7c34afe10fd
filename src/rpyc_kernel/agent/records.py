"""The private folder of this user on this machine, and the records of sessions in it.

A record tells a broker where the socket of a keeper is, and the key by which the two know each other. A record is
believed only if this user owns it and its folder, and nobody else can write to either.

A session ``abc`` has its record ``abc.json``, its socket ``abc.sock``, a folder ``abc.d`` for its files, and its log
``abc.json.log`` (`keeper.log`). Files are removed by these names, never by the content of a record.
"""

from __future__ import annotations

import io
import json
import os
import stat
import time

from .boot import private_folders, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Optional, Set

    Record = Dict[str, Any]

RECORD = ".json"
LOG = ".json.log"
_MAX_RECORD_BYTES = 16384
_MAX_RECORDS = 1000
_WEEK_S = 7 * 24 * 3600.0
_CLOCK_IS_SET_S = 1577836800.0  # 2020: a board without a battery clock starts in 1970
# the fields that the kernel is told, and their types; a record may be that of an older agent, or of a newer one
_PUBLIC = {"session": str, "name": str, "version": int, "agent": str, "pid": int, "python": str, "started": float}


def sessions_folders(create: bool = True) -> Iterator[str]:
    """The folders for records, best first; with ``create``, those that are missing are made."""
    for folder in private_folders(create):
        path = os.path.join(folder, "sessions")
        try:
            if create:
                os.makedirs(path, 0o700, exist_ok=True)
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode) and is_private(status) and os.access(path, os.W_OK):
                yield path
        except OSError:
            continue


def write(folder: str, record: Record) -> None:
    """Write a record where brokers look for it. It needn't outlive the machine's power: the session doesn't."""
    text = io.StringIO()
    json.dump(record, text)
    write_file(os.path.join(folder, record["session"] + RECORD), text.getvalue().encode("ascii"), sync=False)


def read(session: str) -> Optional[Record]:
    """The record of a session, if it has one that can be believed."""
    if not session.isalnum():
        return None
    for folder in sessions_folders(create=False):
        path = os.path.join(folder, session + RECORD)
        try:
            record = _load(path)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("session") == session and _is_complete(record):
            return dict(record, path=path)
    return None


def _load(path: str) -> Any:
    # neither a link nor a pipe, which might never say anything
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not (stat.S_ISREG(status.st_mode) and is_private(status)):
            return None
        return json.loads(file.read(_MAX_RECORD_BYTES).decode("utf-8"))


def _is_complete(record: Record) -> bool:
    try:
        return bool(bytes.fromhex(record["key"])) and isinstance(record["socket"], str)
    except (LookupError, TypeError, ValueError):
        return False


def every() -> Iterator[Record]:
    """All records that can be believed."""
    seen: Set[str] = set()
    for folder in sessions_folders(create=False):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            session, _dot, ending = name.partition(".")
            if "." + ending == RECORD and session not in seen and len(seen) < _MAX_RECORDS:
                seen.add(session)
                record = read(session)
                if record:
                    yield record


def public(record: Record) -> Record:
    """The fields of a record that may be told, without its secrets."""
    told = {}
    for name, kind in _PUBLIC.items():
        value = record.get(name)
        if kind is float and isinstance(value, int):
            value = float(value)
        if isinstance(value, kind):
            told[name] = value
    return told


def forget(record: Record) -> None:
    """Remove a record, the session's socket and its folder."""
    path = record.get("path")
    if not path:
        return  # it was never written
    stem = path[: -len(RECORD)]
    _remove_folder(stem + ".d")
    for name in (path, stem + ".sock"):
        _remove(name)


def tidy() -> None:
    """Remove the files that crashed sessions have left, a week later: their logs, and all that has no record."""
    for folder in sessions_folders(create=False):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.partition(".")[0] + RECORD not in names:
                _remove_if_old(os.path.join(folder, name))


def _remove_if_old(path: str) -> None:
    now = time.time()
    try:
        status = os.lstat(path)
        if status.st_mtime < _CLOCK_IS_SET_S <= now:
            os.utime(path)  # from a time when the clock wasn't set: its week begins now
        elif now - status.st_mtime > _WEEK_S:
            if stat.S_ISDIR(status.st_mode):
                _remove_folder(path)
            else:
                os.unlink(path)
    except (OSError, OverflowError):
        pass


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _remove_folder(path: str) -> None:
    if os.path.isdir(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)  # does nothing to a link


def is_private(status: os.stat_result) -> bool:
    """Whether only this user can write to a file or folder of that status."""
    if not hasattr(os, "geteuid"):
        return True  # Windows, see `private_folders`
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
