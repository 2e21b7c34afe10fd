"""The user's own `ContentsManager`, whatever its class, with machines beside what it has.

A method of it that gets a path on a machine passes it on to `MachineContents`; any other path is its own affair, and
what it returns is returned as it is: a value, or an awaitable where the class is an asynchronous one. Jupyter's
handlers take either.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager, copy_pat
from tornado.web import HTTPError

from rpyc_kernel.contents.manager import MachineContents
from rpyc_kernel.contents.models import machine_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BEGIN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # a machine's folder never changes: pages would draw it again
_only_here: ContextVar[bool] = ContextVar("only_here", default=False)
_BY_PATH = {  # methods, and which argument has the path
    "create_checkpoint": ("path", 0),
    "delete": ("path", 0),
    "delete_checkpoint": ("path", 1),
    "dir_exists": ("path", 0),
    "exists": ("path", 0),
    "file_exists": ("path", 0),
    "increment_filename": ("path", 1),
    "is_hidden": ("path", 0),
    "list_checkpoints": ("path", 0),
    "new": ("path", 1),
    "new_untitled": ("path", 0),
    "restore_checkpoint": ("path", 1),
    "save": ("path", 1),
    "trust_notebook": ("path", 0),
}


class WithMachines:
    """What is mixed into a `ContentsManager`, and goes before it."""

    _machine_contents: MachineContents | None = None

    @property
    def machine_contents(self) -> MachineContents:
        """The contents of machines."""
        if self._machine_contents is None:
            self._machine_contents = MachineContents(cast(ContentsManager, self))
        return self._machine_contents

    def on_machine(self, path: str) -> bool:
        """Tell whether a path is one on a machine. Raises HTTPError 404 where it begins with one and can be none."""
        try:
            return not _only_here.get() and self.machine_contents.machines.place(path) is not None
        except ValueError:
            raise HTTPError(404, f"No such file or directory: {path}") from None

    def get(self, path: str, *args: Any, **options: Any) -> Any:
        """Return the model of a file or folder; in the top one are the machines."""
        if self.on_machine(path):
            return self.machine_contents.get(path, *args, **options)
        if path.strip("/"):
            return super().get(path, *args, **options)  # type: ignore[misc]
        with _nothing_but_here():
            model = super().get(path, *args, **options)  # type: ignore[misc]
        return self._with_machines_later(model) if inspect.isawaitable(model) else self._with_machines(model)

    async def _with_machines_later(self, model: Any) -> Any:
        with _nothing_but_here():
            model = await model
        return self._with_machines(model)

    def _with_machines(self, model: Any) -> Any:
        content = model.get("content")
        if isinstance(content, list):
            names = {each.get("name") for each in content}
            machines = [name for name in sorted(self.machine_contents.machines.targets()) if f"{name}:" not in names]
            model = {**model, "content": [*content, *(machine_model(name, _BEGIN) for name in machines)]}
        return model

    def get_kernel_path(self, path: str, model: Any = None) -> Any:
        """Return the folder here in which a notebook's kernel starts: for one on a machine, the top one."""
        if self.on_machine(path):
            return ""
        return super().get_kernel_path(path, model=model)  # type: ignore[misc]

    def rename(self, old_path: str, new_path: str) -> Any:
        """Move a file or folder, but not from one machine to another."""
        machines = self.machine_contents.machines
        if not (self.on_machine(old_path) or self.on_machine(new_path)):
            return super().rename(old_path, new_path)  # type: ignore[misc]
        old, new = machines.place(old_path), machines.place(new_path)
        if old is None or new is None or old.machine != new.machine:
            raise HTTPError(400, f"{old_path} can't be moved to another machine. Copy it there, then delete it here.")
        return self.machine_contents.rename(old_path, new_path)

    def update(self, model: dict[str, Any], path: str) -> Any:
        """Move a file or folder to the path of its model."""
        new_path = model.get("path", path)
        if not (self.on_machine(path) or self.on_machine(new_path)):
            return super().update(model, path)  # type: ignore[misc]
        return self._update_there(path.strip("/"), new_path.strip("/"))

    async def _update_there(self, path: str, new_path: str) -> Any:
        if path != new_path:
            await ensure_async(self.rename(path, new_path))
        return await ensure_async(self.get(new_path, content=False))

    def copy(self, from_path: str, to_path: str | None = None) -> Any:
        """Copy a file, also from one machine to another."""
        if self.on_machine(from_path) or (to_path is not None and self.on_machine(to_path)):
            return self._copy_between(from_path.strip("/"), to_path)
        return super().copy(from_path, to_path)  # type: ignore[misc]

    async def _copy_between(self, from_path: str, to_path: str | None) -> Any:
        manager: Any = self
        folder, _slash, name = from_path.rpartition("/")
        model = await ensure_async(manager.get(from_path))
        if model["type"] == "directory":
            raise HTTPError(400, "Can't copy directories")
        target = folder if to_path is None else to_path.strip("/")
        if await ensure_async(manager.dir_exists(target)):
            name = copy_pat.sub(".", model["name"])
            name = await ensure_async(manager.increment_filename(name, target, insert="-Copy"))
            target = f"{target}/{name}"
        saved = await ensure_async(manager.save({"type": "file", **_content(model)}, target))
        manager.emit(data={"action": "copy", "path": target, "source_path": from_path})
        return saved


@contextlib.contextmanager
def _nothing_but_here() -> Iterator[None]:
    """Within it, no path is on a machine: the top folder may have one of that very name in it."""
    token = _only_here.set(True)
    try:
        yield
    finally:
        _only_here.reset(token)


def _content(model: dict[str, Any]) -> dict[str, Any]:
    return {key: model[key] for key in ("type", "format", "content")}


def _by_path(name: str, argument: str, place: int) -> Callable[..., Any]:
    def method(self: WithMachines, *args: Any, **options: Any) -> Any:
        path = args[place] if len(args) > place else options.get(argument, "")
        if isinstance(path, str) and self.on_machine(path):
            return getattr(self.machine_contents, name)(*args, **options)
        return getattr(super(WithMachines, self), name)(*args, **options)

    method.__name__ = name
    method.__doc__ = f"Do what `ContentsManager.{name}` does, for a path here or on a machine."
    return method


for _name, (_argument, _place) in _BY_PATH.items():
    setattr(WithMachines, _name, _by_path(_name, _argument, _place))


def with_machines(base: type[ContentsManager]) -> type[ContentsManager]:
    """Return a class that is *base*, and has machines beside."""
    if issubclass(base, WithMachines):
        return base
    return type(f"{base.__name__}WithMachines", (WithMachines, base), {"__module__": __name__})
