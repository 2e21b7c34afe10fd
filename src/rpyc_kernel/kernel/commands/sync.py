"""``%sync``: a folder on the machine where cells run, or on several, becomes like one here, also before each cell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError, CopyStoppedError, ParallelError, RpycKernelError, TransferError
from rpyc_kernel.kernel.commands.files import carry
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.kernel.commands.targets import SEVERAL, sessions_of
from rpyc_kernel.kernel.parallel import wait_up

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.files.sync import FolderSync, Synced
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
    SEVERAL,
    examples=("%sync project --dry-run", "%sync . --watch --targets all", "%sync project /srv/project --delete"),
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
    targets: str | None,
) -> Synced | str | None:
    """Sync a folder."""
    several = targets is not None
    if watch and (no_watch or dry_run):
        raise CommandError(f"--watch and --{'no-watch' if no_watch else 'dry-run'} of %sync exclude each other.")
    from rpyc_kernel.files.sync import MAX_FILE_BYTES, FolderSync, whole  # noqa: PLC0415 - most notebooks sync nothing

    if no_watch:  # also of a folder that has gone, which no cell would run with
        path = whole(folder)
        sessions = await sessions_of(context, targets) if several else [await context.sessions.resolve(context.cell)]
        was = [session.watched.pop(path, None) for session in sessions]
        return f"{path} is watched no longer." if any(was) else f"{path} was not watched."

    def made() -> FolderSync:  # one for each machine: it keeps what is there
        return FolderSync(folder, target, delete=delete, max_file=MAX_FILE_BYTES if max is None else max)

    folders = made()
    if several:
        todo = {session: made() for session in await sessions_of(context, targets)}
        return await _everywhere(context, todo, dry=dry_run, watch=watch)
    session = await context.sessions.resolve(context.cell)

    def work(cancel: threading.Event, tell: Callable[[str], None]) -> Synced:
        return folders.run(session, session.name, cancel, dry=dry_run, tell=tell)

    synced = await carry(context, session, work)
    if watch:
        session.watched[folders.folder] = folders
    return synced


async def _everywhere(
    context: CommandContext, todo: dict[RemoteSession, FolderSync], *, dry: bool, watch: bool
) -> str | None:
    """Sync a folder of several machines at once. One that fails holds up no other, and the error names it."""
    output, msg_id, told = context.output, context.cell.msg_id, False
    failures: dict[str, str] = {}

    async def one(session: RemoteSession, folders: FolderSync) -> str:
        def tell(text: str) -> None:
            nonlocal told
            told = True
            output.line(msg_id, f"{session.label}: {text}")

        try:
            await wait_up(session)
            synced = await context.carrying(
                lambda cancel: folders.run(session, session.label, cancel, dry=dry, tell=tell)
            )
        except CopyStoppedError:
            raise
        except RpycKernelError as error:
            failures[session.label] = str(error)
            return f"{session.label}: not synced"
        if watch:
            session.watched[folders.folder] = folders
        return str(synced)

    done = await asyncio.gather(*(one(*each) for each in todo.items()), return_exceptions=True)
    if stopped := next((each for each in done if isinstance(each, BaseException)), None):
        raise stopped
    text = "\n".join(map(str, done))
    if told or failures:
        output.line(msg_id, text)
    if failures:
        raise ParallelError(failures, len(todo))
    return None if told else text


async def refresh(session: RemoteSession, blocking: Carrying, output: CellOutput, msg_id: str) -> None:
    """Sync the folders of a session that are watched, before a cell runs.

    Raises:
        TransferError: One can't be synced; the cell would run with what was there before.
        RpycKernelError: The link is lost for good.
    """
    said: list[str] = []

    def work(cancel: threading.Event) -> None:
        for folder, watched in [*session.watched.items()]:
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
