"""``%sync``: a folder on the machine where cells run becomes like one here, once or before each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError, CopyStoppedError, TransferError
from rpyc_kernel.kernel.commands.files import carry
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.files.sync import Synced
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.ports import Carrying, CellOutput
    from rpyc_kernel.kernel.sessions.session import RemoteSession


@command(
    "sync",
    "Makes a folder there like one here: sends what has changed, without what git ignores. Imports find what is in it.",
    Positional("folder", "the folder here", suggests="file"),
    Positional(
        "target",
        "the folder there; without it, one of the same name in the session's folder",
        required=False,
        suggests="remote file",
    ),
    Option("delete", Kind.FLAG, "remove there what isn't here"),
    Option("dry-run", Kind.FLAG, "only say what would be done, why, and where"),
    Option("watch", Kind.FLAG, "do it again before each cell, where something has changed"),
    Option("no-watch", Kind.FLAG, "watch the folder no longer"),
    Option("max", Kind.SIZE, "leave larger files here; without it 100M; ten times that in all", "SIZE"),
    examples=("%sync project --dry-run", "%sync . --watch", "%sync project /srv/project --delete"),
)
async def sync(
    context: CommandContext,
    folder: str,
    target: str | None,
    *,
    delete: bool,
    dry_run: bool,
    watch: bool,
    no_watch: bool,
    max: int | None,
) -> Synced | str | None:
    """Sync a folder."""
    if watch and (no_watch or dry_run):
        raise CommandError(f"--watch and --{'no-watch' if no_watch else 'dry-run'} of %sync exclude each other.")
    from rpyc_kernel.files.sync import MAX_FILE_BYTES, FolderSync, whole  # noqa: PLC0415 - most notebooks sync nothing

    if no_watch:  # also of a folder that has gone, which no cell would run with
        path = whole(folder)
        was = (await context.sessions.resolve(context.cell)).watched.pop(path, None)
        return f"{path} is watched no longer." if was else f"{path} was not watched."
    folders = FolderSync(folder, target, delete=delete, max_file=MAX_FILE_BYTES if max is None else max)
    session = await context.sessions.resolve(context.cell)

    def work(cancel: threading.Event, tell: Callable[[str], None]) -> Synced:
        return folders.run(session, session.name, cancel, dry=dry_run, tell=tell)

    synced = await carry(context, session, work)
    if watch:
        session.watched[folders.folder] = folders
    return synced


async def refresh(session: RemoteSession, blocking: Carrying, output: CellOutput, msg_id: str) -> None:
    """Sync the folders of a session that are watched, before a cell runs.

    Raises:
        TransferError: One can't be synced; the cell would run with what was there before.
        RpycKernelError: The link is lost for good.
    """
    said: list[str] = []

    def work(cancel: threading.Event) -> None:
        for folder, watched in session.watched.items():
            try:
                synced = watched.refresh(session, session.name, cancel)
            except CopyStoppedError:
                raise
            except TransferError as error:
                raise TransferError(f"{error}\n%sync {folder} --no-watch lets cells run without it.") from None
            if synced is not None:
                said.append(str(synced))

    await blocking.carrying(work)
    if said:
        output.line(msg_id, "\n".join(said))
