"""The private folder of this user on this machine, and the records of sessions in it.

A record is what a broker needs to find a keeper: where its socket is, and the key by which the two know each other.
It is believed only if this user owns it and nobody else can write it.
"""

from __future__ import annotations

import json
import os
import stat

from .boot import private_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Optional

    Record = Dict[str, Any]

_MAX_RECORD = 16384


def sessions_folders() -> Iterator[str]:
    """The folders in which records may be kept, best first, made where they are missing."""
    for folder in private_folders(True):
        path = os.path.join(folder, "sessions")
        try:
            os.makedirs(path, 0o700, exist_ok=True)
            if _is_private(os.lstat(path)) and os.access(path, os.W_OK):
                yield path
        except OSError:
            continue


def write(folder: str, record: Record) -> None:
    """Keep a record where brokers look for it. Written whole or not at all."""
    path = os.path.join(folder, record["session"] + ".json")
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(record, file)
        os.rename(path + ".new", path)
    except OSError:
        os.unlink(path + ".new")
        raise


def read(session: str) -> Optional[Record]:
    """The record of a session, if there is one that can be believed."""
    if not session.isalnum():
        return None
    for folder in private_folders(False):
        path = os.path.join(folder, "sessions", session + ".json")
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(fd) as file:
                if _is_private(os.fstat(fd)):
                    record = json.loads(file.read(_MAX_RECORD))
                    if isinstance(record, dict) and record.get("session") == session:
                        return record
        except (OSError, ValueError):
            continue
    return None


def every() -> Iterator[Record]:
    """All records that can be believed."""
    seen = set()
    for folder in private_folders(False):
        try:
            names = sorted(os.listdir(os.path.join(folder, "sessions")))
        except OSError:
            continue
        for name in names:
            session, _dot, ending = name.partition(".")
            if ending == "json" and session not in seen:
                seen.add(session)
                record = read(session)
                if record:
                    yield record


def forget(record: Record) -> None:
    """Remove a record, its socket, and the session's scratch folder."""
    scratch = record.get("scratch")
    if scratch and os.path.isdir(scratch):
        import shutil

        shutil.rmtree(scratch, ignore_errors=True)
    for path in (record.get("path"), record.get("socket")):
        if path and os.path.isabs(path):
            try:
                os.unlink(path)
            except OSError:
                pass


def _is_private(status: os.stat_result) -> bool:
    mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return mine and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
