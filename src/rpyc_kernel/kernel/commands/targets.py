"""The option ``--targets`` of commands: which of the notebook's machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError
from rpyc_kernel.hosts.saved import ALL
from rpyc_kernel.kernel.commands.spec import Kind, Option, shorten

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.sessions.session import RemoteSession

TARGETS = Option("targets", Kind.TEXT, "which machines; all of the notebook's without this", "NAME,NAME", short="t")
SEVERAL = Option("targets", Kind.TEXT, "on several machines at once, or on all: all", "NAME,NAME", short="t")
MAX_LABEL_CHARS = 100


def check_label(name: str) -> None:
    """Raise CommandError where a machine can't be called *name*: no ``--targets`` could mean it."""
    if name == ALL or "," in name or name != name.strip() or not name.isprintable() or len(name) > MAX_LABEL_CHARS:
        raise CommandError(
            f"A machine can't be called {shorten(name)!r}: a name has at most {MAX_LABEL_CHARS} characters that can "
            "be seen, no comma, and is not all, which --targets takes for all machines."
        )


async def sessions_of(context: CommandContext, targets: str | None) -> list[RemoteSession]:
    """Return the sessions of those names, each once; without any and for ``all``, all of the notebook's.

    Raises:
        CommandError: There is no name, or no machine of one.
        RpycKernelError: One can't be reached.
    """
    if targets is None or targets == ALL:
        found = [session for session in context.sessions.hosts().sessions if not session.closed]
        return found or [await context.sessions.resolve(context.cell)]
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if not names:
        raise CommandError("--targets takes names of machines: --targets pi,gpu. %hosts lists them.")
    return list(dict.fromkeys([await context.sessions.named(name) for name in names]))
