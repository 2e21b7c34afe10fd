"""``$connect``, ``$exec``, ``%%local`` and ``%disconnect``: where cells run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.hosts.target import find, find_tls
from rpyc_kernel.kernel.commands.registry import add, command
from rpyc_kernel.kernel.commands.spec import CommandSpec, Kind, Option, Positional
from rpyc_kernel.kernel.commands.targets import check_label

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.outcomes import Connected, Disconnected

FILES = ("cafile", "certfile", "keyfile")


@command(
    "connect",
    "Runs the lines below it, and the cells after, on another machine's Python. To where the notebook already is, it "
    "keeps the session.",
    Positional(
        "address",
        "host, host:port, rpyc://, ssh:// or unix:// address, local:, service:NAME, or a saved name",
        suggests="machine",
    ),
    Option("new", Kind.FLAG, "begin a fresh session, even where this notebook has one"),
    Option("cwd", Kind.TEXT, "the folder there that cells start in", "DIR"),
    Option("env", Kind.PAIRS, "set an environment variable there; may be given again", "K=V"),
    Option(
        "python",
        Kind.TEXT,
        "the Python there that runs the cells: a path or, over ssh:// and local:, an environment's name",
        "PATH",
    ),
    Option("keep", Kind.DURATION, "how long the session outlives the connection: 30m, 2h, 1d, 0", "TIME"),
    Option("name", Kind.TEXT, "what %%on, %use and %sessions call it; another name is another session", "NAME"),
    Option("registry", Kind.TEXT, "for service:NAME: the registry to ask, host or host:port", "HOST"),
    Option(
        "cafile", Kind.TEXT, "for rpycs://: authorities that sign certificates, instead of a pairing", "FILE", "file"
    ),
    Option("certfile", Kind.TEXT, "for rpycs://: a certificate of this machine", "FILE", "file"),
    Option("keyfile", Kind.TEXT, "for rpycs://: its key", "FILE", "file"),
    spellings=("$", "%"),
    examples=('$connect("192.168.43.44")', "%connect ssh://pi@board --cwd /srv/data --env LANG=C.UTF-8 --keep 2h"),
)
async def connect(
    context: CommandContext,
    address: str,
    *,
    new: bool,
    registry: str | None,
    keep: float | None,
    **options: str | dict[str, str] | None,
) -> Connected:
    """Run what follows on that machine."""
    check_label(str(options.get("name") or ""))
    changes: dict[str, object] = {name: value for name, value in options.items() if value}
    if keep is not None:
        changes.update(keep=keep, kept=True)
    files: dict[str, str] = {name: str(changes.pop(name)) for name in FILES if name in changes}
    if files:
        from rpyc_kernel.transport.ways.rpycs import with_files  # noqa: PLC0415 - few need it

        address, changes = str(with_files(find_tls(address), files)), find(address).config(changes)
    connected = await context.sessions.connect(address, changes, new=new, registry=registry)
    if keep:
        connected = connected._replace(warnings=(*connected.warnings, *connected.session.warnings))
    return connected


add(
    CommandSpec(
        "exec",
        ("$",),
        "Runs code here, in the local IPython, which sees none of the other machine's variables.",
        (Positional("code", "the code, in quotes; three quotes on each side let it span lines"),),
        examples=('$exec("import os; print(os.getcwd())")',),
        local_code=True,
    )
)
add(
    CommandSpec(
        "local",
        ("%%",),
        "Runs the whole cell here, in the local IPython, which sees none of the other machine's variables but those "
        "that it is given copies of.",
        options=(
            Option("input", Kind.NAMES, "variables there of which it gets copies", "NAME,NAME", short="i"),
            Option(
                "output",
                Kind.NAMES,
                "variables of which the other machine gets copies afterwards",
                "NAME,NAME",
                short="o",
            ),
            Option("max", Kind.SIZE, "how much may be copied without a question", "SIZE"),
        ),
        examples=("%%local", "%%local -i df -o cleaned"),
        local_code=True,
    )
)


@command(
    "disconnect",
    "Leaves a machine. The session there goes on for as long as it is kept.",
    Positional("name", "which machine; without it, the one where cells run", required=False, suggests="connected"),
    Option("end", Kind.FLAG, "end the session there too, with its variables"),
    examples=("%disconnect --end", "%disconnect gpu"),
)
async def disconnect(context: CommandContext, name: str | None, *, end: bool) -> Disconnected:
    """Leave the machine."""
    return await context.sessions.disconnect(name or context.cell.machine or None, end=end)
