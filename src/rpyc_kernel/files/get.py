"""Copies files and folders from another machine. Nothing is written outside of what the user has named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.agent.files import entries, writing
from rpyc_kernel.agent.files.entries import FOLDER, decoded, encoded
from rpyc_kernel.agent.files.errors import FileError, shown
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.entries import Entry, unfit
from rpyc_kernel.files.fetching import Fetching
from rpyc_kernel.files.plan import CopiedFiles, Copy, Plan
from rpyc_kernel.files.progress import Progress
from rpyc_kernel.files.put import base, check_named, outcome
from rpyc_kernel.files.remote import RemoteFiles

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from rpyc_kernel.link.bulk import BulkSession

WINDOWS = os.name == "nt"


def get(
    session: BulkSession,
    name: str,
    sources: Sequence[str],
    target: str,
    cancel: threading.Event,
    *,
    recursive: bool = False,
    tell: Callable[[str], None] | None = None,
) -> CopiedFiles:
    """Copy files of another machine to this one, with their modes and times. Each comes to be whole, or not at all.

    Args:
        session: A session on the other machine.
        name: What that machine is called in sentences.
        sources: What is copied; ``~``, ``*``, ``?``, ``[…]`` and ``**`` are understood there.
        target: A folder here, or the copy's new name.
        cancel: Stops it.
        recursive: Whether folders are copied, with all that is in them.
        tell: Gets a line about how far it is, a few times a second.

    Raises:
        TransferError: Something can't be copied, and why.
        CopyStoppedError: *cancel* was set.
        RpycKernelError: The link is lost for good. What has come is kept here: got again, it goes on from there.
    """
    remote = RemoteFiles(session, cancel, name)
    found = [each for source in sources for each in _named(remote, source, recursive=recursive)]
    try:
        place, folder = _place(target, found)
        plan = Plan()
        for entry in found:
            goal = f"{place}/{_own_name(remote, entry)}" if folder else place
            plan.add(Copy(entry.name, goal, entry._replace(name=base(entry.name))))
            if entry.kind == FOLDER:
                for inside in remote.walked(entry.name):
                    plan.add_tree(entry.name, goal, inside, windows=WINDOWS, suspect=True)
                _check_no_links(plan)
        if plan.alike():
            lies_in = Path(decoded(place)) if folder else Path(decoded(place)).parent
            if writing.ignores_case(str(lies_in)):
                plan.check_alike(shown(str(lies_in)))
    except FileError as error:
        raise TransferError(f"Here, {error}.") from None
    progress = Progress(tell)
    progress.expect(len(plan.files), plan.bytes)
    fetching = Fetching(remote, plan, progress)
    fetching.run()
    return outcome(plan, fetching.failures, progress, shown(decoded(place)))


def _named(remote: RemoteFiles, source: str, *, recursive: bool) -> list[Entry]:
    """Return what a user has named there; the names are whole paths."""
    found = [each for each in remote.look(remote.match(encoded(source))) if isinstance(each, Entry)]
    if not found:
        raise TransferError(f"On {remote.name} there is no {shown(source)}.")
    return [check_named(each, f"On {remote.name}", recursive=recursive) for each in found]


def _own_name(remote: RemoteFiles, entry: Entry) -> str:
    """Return the name of a file here that was named there by a pattern, or by its path."""
    own = base(entry.name)
    if why := unfit(own, windows=WINDOWS):
        raise TransferError(
            f"{entry.shown} of {remote.name} can't be copied under its own name: {why}. Name a file here."
        )
    return own


def _place(target: str, found: list[Entry]) -> tuple[str, bool]:
    """Return where the files go here, and whether that is a folder for them."""
    path = entries.resolved(target)
    raw = entries.looked_at(path)
    if raw is not None and Entry(*raw).kind == FOLDER:
        return encoded(path), True
    if len(found) > 1 or target.endswith(("/", os.sep)):
        what = "files" if len(found) > 1 else "a file"
        raise TransferError(
            f"Here, there is no folder {shown(target)}, so that {what} can't go into it. Nothing was copied."
        )
    if raw is None:
        return encoded(path), False
    if found[0].kind == FOLDER:
        raise TransferError(f"Here, {shown(target)} is a file, and no folder can take its place.")
    return encoded(os.path.realpath(path)), False


def _check_no_links(plan: Plan) -> None:
    """Raise TransferError where a folder that is to be made is a link here: it would lead elsewhere."""
    for copy in plan.folders[1:]:
        path = Path(decoded(copy.target))
        if path.is_symlink():
            raise TransferError(
                f"Here, {shown(str(path))} is a link to {shown(os.path.realpath(path))}, and what is in that folder "
                "there would go to where it leads. Remove the link, or copy that folder by itself. Nothing was copied."
            )
