"""Copies files and folders to another machine."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from rpyc_kernel.agent.files import entries
from rpyc_kernel.agent.files.entries import FILE, FOLDER, decoded, encoded
from rpyc_kernel.agent.files.errors import FileError, shown
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.entries import Entry, slashed
from rpyc_kernel.files.plan import CopiedFiles, Copy, Plan
from rpyc_kernel.files.progress import Progress
from rpyc_kernel.files.remote import RemoteFiles
from rpyc_kernel.files.sending import Sending

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from rpyc_kernel.link.bulk import BulkSession


def put(
    session: BulkSession,
    name: str,
    sources: Sequence[str],
    target: str,
    cancel: threading.Event,
    *,
    recursive: bool = False,
    tell: Callable[[str], None] | None = None,
) -> CopiedFiles:
    """Copy files of this machine to another one, with their modes and times. Each comes to be whole, or not at all.

    Args:
        session: A session on the other machine.
        name: What that machine is called in sentences.
        sources: What is copied; ``~``, ``*``, ``?``, ``[…]`` and ``**`` are understood.
        target: A folder there, or the copy's new name. Relative names begin in the session's folder.
        cancel: Stops it.
        recursive: Whether folders are copied, with all that is in them.
        tell: Gets a line about how far it is, a few times a second.

    Raises:
        TransferError: Something can't be copied, and why.
        CopyStoppedError: *cancel* was set.
        RpycKernelError: The link is lost for good. What has come is kept there: put again, it goes on from there.
    """
    remote = RemoteFiles(session, cancel, name)
    found = [each for source in sources for each in _named(source, recursive=recursive)]
    place, folder = _place(remote, target, found)
    plan = Plan()
    windows = ignores_case = False
    if folder and any(each.kind == FOLDER for each in found):
        disk, _buffers = remote.carrier.call("disk", {"folder": place if _is_there(remote, place) else _above(place)})
        windows, ignores_case = disk.get("windows") is True, disk.get("ignores_case") is True
    for entry in found:
        goal = f"{place}/{base(entry.name)}" if folder else place
        plan.add(Copy(entry.name, goal, entry._replace(name=base(entry.name))))
        if entry.kind == FOLDER:
            _add_tree(plan, entry.name, goal, windows=windows)
    if ignores_case:
        plan.check_alike(shown(decoded(place)))
    progress = Progress(tell)
    progress.expect(len(plan.files), plan.bytes)
    sending = Sending(session, remote, plan, progress)
    sending.run()
    return outcome(plan, sending.failures, progress, f"{name}:{shown(decoded(place))}")


def outcome(plan: Plan, failures: list[str], progress: Progress, place: str) -> CopiedFiles:
    """Return what has come of a transfer. Raises TransferError for what failed."""
    if failures:
        done = f"{progress.files} of {len(plan.files)} files were copied to {place}."
        raise TransferError("\n".join([*failures, done]))
    return CopiedFiles(progress.files, plan.bytes, progress.seconds, place, tuple(plan.left_out))


def _named(source: str, *, recursive: bool) -> list[Entry]:
    """Return what a user has named on this machine; the names are whole paths."""
    try:
        found = [entries.looked_at(path) for path in entries.matching(source)]
    except FileError as error:
        raise TransferError(f"Here, {error}.") from None
    named = [Entry(*raw) for raw in found if raw is not None]
    if not named:
        raise TransferError(f"Here, there is no {shown(source)}.")
    return [check_named(each, "Here", recursive=recursive) for each in named]


def check_named(entry: Entry, where: str, *, recursive: bool) -> Entry:
    """Return an entry that a user has named. Raises TransferError unless it can be copied."""
    if entry.kind == FOLDER and not recursive:
        raise TransferError(f"{where}, {entry.shown} is a folder: -r copies it with all that is in it.")
    if entry.kind not in (FILE, FOLDER):
        raise TransferError(f"{where}, {entry.shown} is neither a file nor a folder, so it can't be copied.")
    return entry


def _add_tree(plan: Plan, source: str, goal: str, *, windows: bool) -> None:
    try:
        for raw in entries.walked(decoded(source)):
            plan.add_tree(source, goal, Entry(*raw), windows=windows, suspect=False)
    except FileError as error:
        raise TransferError(f"Here, {error}.") from None


def _place(remote: RemoteFiles, target: str, found: list[Entry]) -> tuple[str, bool]:
    """Return where the files go there, and whether that is a folder for them."""
    (there,) = remote.look([encoded(target)])
    if isinstance(there, Entry) and there.kind == FOLDER:
        return there.name.rstrip("/") or there.name, True
    if len(found) > 1 or target.endswith("/"):
        raise TransferError(
            f"On {remote.name} there is no folder {shown(target)}, so that {'files' if len(found) > 1 else 'a file'} "
            "can't go into it. Nothing was copied."
        )
    if isinstance(there, str):
        return there, False
    if found[0].kind == FOLDER:
        raise TransferError(f"On {remote.name}, {there.shown} is a file, and no folder can take its place.")
    return remote.real(there.name), False


def _is_there(remote: RemoteFiles, path: str) -> bool:
    return isinstance(remote.look([path])[0], Entry)


def _above(path: str) -> str:
    return posixpath.dirname(path) or path


def base(path: str) -> str:
    """Return the last part of a path of either system."""
    return posixpath.basename(slashed(path))
