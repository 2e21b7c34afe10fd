"""``%put`` and ``%get``: files to the machine where cells run, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.files.plan import CopiedFiles
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.sessions.session import RemoteSession

RECURSIVE = Option("recursive", Kind.FLAG, "copy folders too, with all that is in them", short="r")
HERE = "."

Done = TypeVar("Done")


@command(
    "put",
    "Copies files from here to the machine where cells run; the last name is where they go, without it the session's "
    "folder.",
    Positional(
        "files",
        "files here, also *.csv and the like, and then a folder or a new name there",
        many=True,
        suggests="file",
        suggests_more="either file",
    ),
    RECURSIVE,
    examples=("%put data.csv", "%put *.csv ~/data", "%put -r project /srv"),
)
async def put_files(context: CommandContext, files: list[str], *, recursive: bool) -> CopiedFiles | None:
    """Copy files there."""
    from rpyc_kernel.files.put import put  # noqa: PLC0415 - most notebooks copy nothing

    sources, target = _split(files)
    session = await context.sessions.resolve(context.cell)

    def work(cancel: threading.Event, tell: Callable[[str], None]) -> CopiedFiles:
        return put(session, session.name, sources, target, cancel, recursive=recursive, tell=tell)

    return await carry(context, session, work)


@command(
    "get",
    "Copies files from the machine where cells run; the last name is where they go, without it the notebook's folder.",
    Positional(
        "files",
        "files there, also *.csv and the like, and then a folder or a new name here",
        many=True,
        suggests="remote file",
        suggests_more="either file",
    ),
    RECURSIVE,
    examples=("%get result.npy", "%get ~/data/*.csv data", "%get -r /srv/project ."),
)
async def get_files(context: CommandContext, files: list[str], *, recursive: bool) -> CopiedFiles | None:
    """Copy files here."""
    from rpyc_kernel.files.get import get  # noqa: PLC0415

    sources, target = _split(files)
    session = await context.sessions.resolve(context.cell)

    def work(cancel: threading.Event, tell: Callable[[str], None]) -> CopiedFiles:
        return get(session, session.name, sources, target, cancel, recursive=recursive, tell=tell)

    return await carry(context, session, work)


def _split(files: list[str]) -> tuple[list[str], str]:
    """Return what is copied, and where it goes."""
    return (files[:-1], files[-1]) if len(files) > 1 else (files, HERE)


async def carry(
    context: CommandContext,
    session: RemoteSession,
    work: Callable[[threading.Event, Callable[[str], None]], Done],
) -> Done | None:
    """Copy, and say in the cell's quiet line how far it is, where it takes long."""
    output, msg_id = context.output, context.cell.msg_id
    said = False

    def tell(text: str) -> None:
        nonlocal said
        said = True
        output.line(msg_id, f"{session.name}: {text}")

    try:
        done = await context.carrying(lambda cancel: work(cancel, tell))
    except RpycKernelError:
        if said:
            output.line(msg_id, f"{session.name}: not all was copied.")
        raise
    if not said:
        return done
    output.line(msg_id, str(done))
    return None
