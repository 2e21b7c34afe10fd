"""The contents of machines, as Jupyter's `ContentsManager` has them. Paths begin with a machine (`paths`)."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError
from traitlets import Float

from rpyc_kernel.agent.files.entries import FILE, FOLDER, LINK
from rpyc_kernel.contents import models, notebooks
from rpyc_kernel.contents.bytes_there import NEW_FILE_MODE, read, target_of, write
from rpyc_kernel.contents.checkpoints import MachineCheckpoints
from rpyc_kernel.contents.machines import MachineList
from rpyc_kernel.contents.paths import HOME, Place, api_path, shown_name
from rpyc_kernel.contents.refusals import told
from rpyc_kernel.contents.uploads import LAST, Uploads
from rpyc_kernel.files.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from jupyter_server.services.contents.manager import ContentsManager

    from rpyc_kernel.contents.machine import BrowsedMachine
    from rpyc_kernel.files.remote import RemoteFiles

    T = TypeVar("T")

MAX_LISTED = 50_000  # files of one folder
MAX_REMOVED = 100_000  # files in a folder that is removed with all that is in it
_SETTINGS = ("allow_hidden", "hide_globs", "untitled_notebook", "untitled_file", "untitled_directory")


class MachineContents(AsyncContentsManager):
    """The contents of all machines.

    Args:
        owner: The user's own manager, whose settings count here too.
    """

    connect_timeout = Float(20.0, help="Seconds in which a machine has to be reached.", config=True)
    answer_timeout = Float(30.0, help="Seconds for each answer of a machine, of at most 1 MiB.", config=True)

    def __init__(self, owner: ContentsManager) -> None:
        super().__init__(parent=owner, log=owner.log)
        self.machines = MachineList(self.connect_timeout, self.answer_timeout)
        self._uploads = Uploads()
        self._owner = owner
        self.checkpoints = MachineCheckpoints(parent=self, log=self.log)
        for name in _SETTINGS:
            setattr(self, name, getattr(owner, name))
        self.notary, self.event_logger = owner.notary, owner.event_logger

    def place(self, path: str) -> tuple[BrowsedMachine, Place]:
        """Return the machine and the place that a path means. Raises HTTPError 404."""
        try:
            place = self.machines.place(path)
        except ValueError:
            place = None
        if place is None:
            raise HTTPError(404, f"No such file or directory: {path}")
        return self.machines.machine(place.machine), place

    async def entry(self, path: str) -> Entry | None:
        """Return what is at a path, behind links; its name is its whole path there. Raises HTTPError."""
        machine, place = self.place(path)
        (found,) = await _do(machine, lambda files: files.look([place.path]))
        return found if isinstance(found, Entry) else None

    # --- what there is

    async def dir_exists(self, path: str) -> bool:
        """Tell whether there is such a folder."""
        found = await self.entry(path)
        return found is not None and found.kind == FOLDER

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        found = await self.entry(path)
        return found is not None and found.kind == FILE

    async def is_hidden(self, path: str) -> bool:
        """Tell whether a part of the path begins with a dot. Nobody is asked."""
        _machine, place = self.place(path)
        return any(part.startswith(".") for part in place.path.split("/"))

    async def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,
        format: str | None = None,
        require_hash: bool = False,
    ) -> dict[str, Any]:
        """Return the model of a file or folder."""
        machine, _place = self.place(path)
        entry = await self.entry(path)
        if entry is None:
            raise HTTPError(404, f"No such file or directory: {path}")
        if entry.kind == FOLDER and type not in (None, "directory"):
            raise HTTPError(400, f"{path} is a directory, not a {type}", reason="bad type")
        if entry.kind != FOLDER and type == "directory":
            raise HTTPError(400, f"{path} is not a directory", reason="bad type")
        if entry.kind not in (FILE, FOLDER):
            raise HTTPError(400, f"{path} is no regular file")
        model = models.model_of(machine.name, entry, entry.name)
        model["writable"] = await _do(machine, lambda files: files.writable(entry.name))
        if entry.kind == FOLDER:
            if content:
                model.update(content=await self._listing(machine, entry.name), format="json")
        else:
            model["type"] = type or model["type"]
            if content or require_hash:
                await self._fill(machine, entry, model, format, content=content, require_hash=require_hash)
        self.emit(data={"action": "get", "path": path})
        return model

    async def _listing(self, machine: BrowsedMachine, folder: str) -> list[dict[str, Any]]:
        prefix = folder if folder.endswith("/") else f"{folder}/"

        def listed(files: RemoteFiles) -> list[dict[str, Any]]:
            found: list[Entry] = []
            for number, each in enumerate(files.listed(folder)):
                if number == MAX_LISTED:
                    why = f"more than {MAX_LISTED:,} files: too many to show"
                    raise HTTPError(413, f"In {shown_name(folder)} on {machine.name} there are {why}.")
                if models.is_listed(each) and self._shows(shown_name(each.name)):
                    found.append(each)
            links = [number for number, each in enumerate(found) if each.kind == LINK]
            behind = files.glance([prefix + found[number].name for number in links])
            for number, entry in zip(links, behind, strict=True):
                if entry is not None:
                    found[number] = entry._replace(name=found[number].name)
            shown = [
                models.model_of(machine.name, each, prefix + each.name) for each in found if each.kind in (FILE, FOLDER)
            ]
            if folder == "/":  # a short way home
                (home,) = files.glance([HOME])
                if home is not None and home.kind == FOLDER:
                    shown.append({**models.model_of(machine.name, home, home.name), "name": HOME})
            return shown

        return await _do(machine, listed)

    def _shows(self, name: str) -> bool:
        return self.should_list(name) and (self.allow_hidden or not name.startswith("."))

    async def _fill(
        self,
        machine: BrowsedMachine,
        entry: Entry,
        model: dict[str, Any],
        format: str | None,
        *,
        content: bool,
        require_hash: bool,
    ) -> None:
        """Put a file's content and its hash into its model."""
        data = await read(machine, entry)
        if require_hash:
            model.update(models.hash_of(data))
        if content and model["type"] == "notebook":
            notebook, problem = await asyncio.to_thread(notebooks.read, data, model["path"])
            self.mark_trusted_cells(notebook, model["path"])
            model.update(content=notebook, format="json", mimetype=None)
            self.validate_notebook_model(model, problem)
        elif content:
            model["content"], model["format"] = models.content_of(data, format, model["path"])
            unknown = "text/plain" if model["format"] == "text" else "application/octet-stream"
            model["mimetype"] = model["mimetype"] or unknown

    # --- what comes to be

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file or notebook, whole or not at all, or make a folder; return its model without content."""
        path = path.strip("/")
        machine, place = self.place(path)
        kind, chunk = model.get("type"), model.get("chunk")
        if chunk in (None, 1):
            self._owner.run_pre_save_hooks(model=model, path=path)
        if kind is None:
            raise HTTPError(400, "No file type provided")
        message = None
        if kind == "directory":
            await self._make_folder(machine, place)
        elif chunk is not None:
            if kind != "file":
                raise HTTPError(400, f'File type "{kind}" is not supported for large file transfer')
            size = await self._uploads.take(machine, place, chunk, models.data_of(model, path))
            if chunk != LAST:
                return models.model_of(machine.name, Entry(place.path, FILE, size, 0, NEW_FILE_MODE), place.path)
        elif kind in ("notebook", "file"):
            if kind == "notebook":
                notebook, data, message = await asyncio.to_thread(notebooks.written, model, path)
                self.check_and_sign(notebook, path)
            else:
                data = models.data_of(model, path)
            await write(machine, await target_of(machine, place.path), data)
            if kind == "notebook" and not await self.checkpoints.list_checkpoints(path):
                await self.create_checkpoint(path)
        else:
            raise HTTPError(400, f"Unhandled contents type: {kind}")
        saved = await self.get(path, content=False)
        if message:
            saved["message"] = message
        self.emit(data={"action": "save", "path": path})
        return saved

    async def _make_folder(self, machine: BrowsedMachine, place: Place) -> None:
        def make(files: RemoteFiles) -> None:
            (found,) = files.look([place.path])
            files.do_one("folders", "paths", found.name if isinstance(found, Entry) else found)

        await _do(machine, make)

    async def increment_filename(self, filename: str, path: str = "", insert: str = "") -> str:
        """Return a name that nothing has in that folder. The folder is asked for once."""
        machine, place = self.place(path)
        stem, dot, ending = filename.rpartition(".")
        if ending != "ipynb":
            stem, dot, ending = filename.partition(".")

        def taken(files: RemoteFiles) -> set[str]:
            return {shown_name(each.name) for each in itertools.islice(files.listed(place.path), MAX_LISTED)}

        names = await _do(machine, taken)
        numbers: list[int | str] = ["", *range(1, len(names) + 2)]
        candidates = (f"{stem}{insert if number else ''}{number}{dot}{ending}" for number in numbers)
        return next(name for name in candidates if name not in names)

    async def delete_file(self, path: str) -> None:
        """Remove a file, a link, or a folder: an empty one, unless the user's settings say all."""
        machine, place = self.place(path)
        everything = bool(getattr(self._owner, "always_delete_dir", False))

        def remove(files: RemoteFiles) -> None:
            (found,) = files.look([place.path], follow=False)
            if not isinstance(found, Entry):
                raise HTTPError(404, f"File or directory does not exist: {path}")
            if found.kind == FOLDER and everything:
                inside = [each.name for each in itertools.islice(files.walked(found.name), MAX_REMOVED + 1)]
                if len(inside) > MAX_REMOVED:
                    raise HTTPError(413, f"In {path} there are more than {MAX_REMOVED:,} files: too many to remove.")
                files.do("remove", "paths", [f"{found.name}/{name}" for name in reversed(inside)])
            files.do_one("remove", "paths", found.name)

        await _do(machine, remove)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Move a file or folder to where nothing is, on the same machine."""
        machine, old = self.place(old_path)
        _other, new = self.place(new_path)
        if old == new:
            return

        def rename(files: RemoteFiles) -> None:
            found, taken = files.look([old.path, new.path], follow=False)
            if not isinstance(found, Entry):
                raise HTTPError(404, f"File or directory does not exist: {old_path}")
            if isinstance(taken, Entry) and taken.name.lower() != found.name.lower():
                raise HTTPError(409, f"File already exists: {new_path}")
            target = taken.name if isinstance(taken, Entry) else taken
            files.carrier.call("rename", {"path": found.name, "target": target})

        await _do(machine, rename)

    # --- links

    async def resolve_on(self, name: str, path: str) -> str | None:
        """Return the path here of a file that a machine names; None where it has none that may be opened.

        Args:
            name: The machine's name.
            path: As a traceback there has it. One that begins in a folder that nobody knows has no answer.
        """
        machine = self.machines.machine(name)
        (found,) = await _do(machine, lambda files: files.glance([path]))
        if found is None or found.kind != FILE:
            return None
        there = api_path(name, found.name)
        return None if await self.is_hidden(there) and not self.allow_hidden else there


async def _do(machine: BrowsedMachine, work: Callable[[RemoteFiles], T]) -> T:
    """Do work on a machine. Raises HTTPError."""
    with told():
        return await machine.do(work)
