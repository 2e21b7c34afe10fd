"""A folder there that becomes like one here: what has changed goes over, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rpyc_kernel.agent.files import entries
from rpyc_kernel.agent.files.entries import FILE, FOLDER, decoded, encoded
from rpyc_kernel.agent.files.errors import FileError, shown
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.changes import Change, Changes, compare, settle
from rpyc_kernel.files.entries import Entry, unfit
from rpyc_kernel.files.ignored import LEFT_OUT, Ignored, kept
from rpyc_kernel.files.plan import SMALL_BYTES, Copy, Plan, duration_text, told
from rpyc_kernel.files.progress import Progress
from rpyc_kernel.files.remote import RemoteFiles
from rpyc_kernel.files.sending import Sending
from rpyc_kernel.link.listing import size

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.link.bulk import BulkSession

MAX_FILE_BYTES = 100_000_000  # of one file, unless the user allows more
FILES_OF_MAX = 10  # so many of the largest may go at once
MAX_LISTED = 100  # of what would be done


class Synced(NamedTuple):
    """A folder there is like one here, or would be.

    Attributes:
        folder: The folder here.
        place: Where it is there.
        changes: What has changed, or would.
        seconds: How long it took; None where nothing was done.
        deletes: Whether what is not here is removed there.
    """

    folder: str
    place: str
    changes: Changes
    seconds: float | None
    deletes: bool

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        changes = self.changes
        return not (changes.send or changes.remove or changes.touch)

    def __str__(self) -> str:
        return self._plan() if self.seconds is None else self._done(self.seconds)

    def _done(self, seconds: float) -> str:
        changes = self.changes
        files = [change for change in changes.send if change.entry.kind != FOLDER]
        parts = [f"{_count(len(files))} ({size(changes.bytes)}) sent"] if files else []
        parts += [f"{len(changes.remove)} removed"] if changes.remove else []
        parts += [f"{changes.same} the same"] if changes.same else []
        said = ", ".join(parts) or "nothing to do"
        line = f"{self.place} is like {self.folder}: {said}, {duration_text(seconds)}."
        return "\n".join([line, *told(changes.left_out)])

    def _plan(self) -> str:
        changes = self.changes
        lines = [f"{self.folder} would go to {self.place}:"]
        rows = [("remove", change.entry, change.why) for change in changes.remove]
        rows += [("send", change.entry, change.why) for change in changes.send]
        rows += [("touch", entry, "another time or mode, the same contents") for entry in changes.touch]
        for what, entry, why in rows[:MAX_LISTED]:
            name = f"{entry.shown}/" if entry.kind == FOLDER else f"{entry.shown} ({size(entry.size)})"
            lines.append(f"  {what:<6}  {name}: {why}")
        if len(rows) > MAX_LISTED:
            lines.append(f"  and {len(rows) - MAX_LISTED} more")
        if not rows:
            lines.append("  nothing; it is the same")
        files = sum(change.entry.kind == FILE for change in changes.send)
        counts = f"{len(changes.remove)} to remove, {changes.same} the same"
        lines.append(f"{_count(files)} to send ({size(changes.bytes)}), {counts}.")
        return "\n".join([*lines, *told(changes.left_out)])


def whole(folder: str) -> str:
    """Return the whole path of a folder here, behind all links. Raises TransferError."""
    try:
        return os.path.realpath(entries.resolved(folder))
    except FileError as error:
        raise TransferError(f"Here, {error}.") from None


class FolderSync:
    """A folder here, and the one there that is to be like it.

    Args:
        folder: The folder here, as the user has named it.
        target: The folder there; without it, one of the same name in the session's folder.
        delete: Whether what is not here is removed there. What stays behind here is left alone there.
        max_file: Bytes of the largest file that goes there; all together `FILES_OF_MAX` times that.

    Raises:
        TransferError: There is no such folder.
    """

    def __init__(
        self, folder: str, target: str | None = None, *, delete: bool = False, max_file: int = MAX_FILE_BYTES
    ) -> None:
        try:
            self.folder = whole(folder)
            found = entries.looked_at(self.folder)
        except FileError as error:
            raise TransferError(f"Here, {error}.") from None
        self._root = Entry(*found) if found else None
        if self._root is None or self._root.kind != FOLDER:
            raise TransferError(f"Here, there is no folder {shown(folder)}{' but a file' * (self._root is not None)}.")
        name = Path(self.folder).name
        if not (target or name):
            raise TransferError("Here, this is the root of all folders. Name one in it, or say where it is to go.")
        self.target = target or name
        self._delete = delete
        self._max_file = max_file
        self._before: dict[str, Entry] | None = None  # what was here when both were the same

    def refresh(self, session: BulkSession, name: str, cancel: threading.Event) -> Synced | None:
        """Do what `run` does, which was done before, if something has changed here since.

        Returns:
            What was done; None where nothing had to be.
        """
        if self._before == self._here():
            carrier = RemoteFiles(session, cancel, name).carrier
            carrier.call("importable", {"path": self._import_folder(encoded(self.target))})  # also of another Python
            return None
        synced = self.run(session, name, cancel)
        return None if synced.idle else synced

    def run(
        self,
        session: BulkSession,
        name: str,
        cancel: threading.Event,
        *,
        dry: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> Synced:
        """Make the folder there like the one here, and have it found by imports.

        Args:
            session: A session on the other machine.
            name: What that machine is called in sentences.
            cancel: Stops it.
            dry: Only find out what there is to do.
            tell: Gets a line about how far it is, a few times a second.

        Raises:
            TransferError: It can't be done, and why.
            CopyStoppedError: *cancel* was set.
            RpycKernelError: The link is lost for good.
        """
        progress = Progress(tell)
        remote = RemoteFiles(session, cancel, name)
        (found,) = remote.look([encoded(self.target)])
        place = found.name if isinstance(found, Entry) else found
        if ".." in place.split("/"):
            place = remote.real(place)  # where it lands is to be read
        if isinstance(found, Entry) and found.kind != FOLDER:
            raise TransferError(f"On {name}, {found.shown} is a file, and no folder can take its place.")
        if self._delete:
            self._refuse_homes(remote, place)
        here = self._here()
        there = {each.name: each for each in remote.walked(place, LEFT_OUT)} if isinstance(found, Entry) else {}
        changes = self._changes(remote, here, there, place)
        where = f"{name}:{shown(decoded(place))}"
        if dry:
            return Synced(self.folder, where, changes, None, self._delete)
        root = None if isinstance(found, Entry) else self._root
        self._do(session, remote, changes, place, root, progress)
        self._before, self.target = here, decoded(place)
        remote.carrier.call("importable", {"path": self._import_folder(place)})
        return Synced(self.folder, where, changes, progress.seconds, self._delete)

    def _here(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in kept(self.folder, Ignored(self.folder))}

    def _import_folder(self, place: str) -> str:
        """Return the folder in which imports look: of a package the one that it lies in."""
        package = (Path(self.folder) / "__init__.py").exists()
        return place.rpartition("/")[0] or "/" if package else place

    def _changes(self, remote: RemoteFiles, here: dict[str, Entry], there: dict[str, Entry], place: str) -> Changes:
        """Find out what there is to do. Raises TransferError where it is too much, or not allowed."""
        large = {name: each for name, each in here.items() if each.kind == FILE and each.size > self._max_file}
        wrong = {name: why for name in here if (why := unfit(name, windows=False))}
        wanted = {name: entry for name, entry in here.items() if name not in large and name not in wrong}
        changes, doubtful = compare(wanted, there)
        settle(changes, doubtful, remote, self.folder, place)
        changes.send.sort(key=lambda change: change.entry.name)  # a folder before what is in it
        changes.left_out += [
            f"{entry.shown} was left out: it has {size(entry.size)}, and --max is {size(self._max_file)}."
            for entry in large.values()
        ]
        changes.left_out += [
            f"{here[name].shown} was left out: {why}."
            for name, why in wrong.items()
            if name.rpartition("/")[0] not in wrong  # what is in a folder that was left out goes without saying
        ]
        if self._delete:
            self._add_removals(changes, here, there)
        elif changes.remove:
            names = ", ".join(change.entry.shown for change in changes.remove[:3])
            raise TransferError(
                f"On {remote.name}, {shown(decoded(place))} has files where folders are here, or the other way round: "
                f"{names}. --delete replaces them."
            )
        if changes.bytes > FILES_OF_MAX * self._max_file:
            raise TransferError(
                f"{size(changes.bytes)} would go to {remote.name}, more than {size(FILES_OF_MAX * self._max_file)}. "
                f"--max {max(changes.bytes // FILES_OF_MAX, 1) // 10**6 + 1}M allows that; --dry-run lists the files; "
                "what .gitignore names stays behind."
            )
        return changes

    def _refuse_homes(self, remote: RemoteFiles, place: str) -> None:
        """Raise TransferError where what isn't here would be removed from a home folder, before that is looked at."""
        homes = [remote.real(encoded(name)) for name in ("~", "/")]
        real = remote.real(place)
        if any(home == real or home.startswith(f"{real.rstrip('/')}/") for home in homes):
            raise TransferError(
                f"On {remote.name}, {shown(decoded(real))} is the home folder, or has it in it. --delete would remove "
                "what isn't here, and does so in other folders only."
            )

    def _add_removals(self, changes: Changes, here: dict[str, Entry], there: dict[str, Entry]) -> None:
        ignored = Ignored(self.folder)
        replaced = {change.entry.name for change in changes.remove}
        stays: set[str] = set()  # folders in which something stays
        for name in there:
            if name in here or name in replaced or not ignored.anywhere(name):
                continue
            while "/" in name:
                name = name.rpartition("/")[0]  # noqa: PLW2901
                stays.add(name)
        for name, entry in there.items():
            if not (name in here or name in replaced or name in stays or ignored.anywhere(name)):
                changes.remove.append(Change(entry, "not here"))
        changes.remove.sort(key=lambda change: change.entry.name, reverse=True)  # what is in a folder before it

    def _do(
        self,
        session: BulkSession,
        remote: RemoteFiles,
        changes: Changes,
        place: str,
        root: Entry | None,
        progress: Progress,
    ) -> None:
        """Do what there is to do. Raises TransferError for what fails."""
        failures = remote.do("remove", "paths", [f"{place}/{change.entry.name}" for change in changes.remove])
        plan = Plan()
        source = encoded(self.folder)
        if root is not None:
            plan.add(Copy(source, place, root))
        for entry, _why in changes.send:
            known = entry.name in changes.known and entry.size > SMALL_BYTES
            plan.add(Copy(f"{source}/{entry.name}", f"{place}/{entry.name}", entry, known))
        progress.expect(len(plan.files), plan.bytes)
        sending = Sending(session, remote, plan, progress)
        sending.run()
        failures += sending.failures
        touch = [[f"{place}/{entry.name}", entry.mode, entry.time] for entry in changes.touch]
        failures += remote.do("about", "files", touch)
        if failures:
            raise TransferError("\n".join([*told(failures), f"The rest of {self.folder} is there."]))


def _count(files: int) -> str:
    return f"{files} file{'s' * (files != 1)}"
