"""Copies values between the variables of the other machine and those of local cells, for commands and for %%local."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.agent.values.versions import versions
from rpyc_kernel.errors import CopyStoppedError, DialCancelledError, RpycKernelError, ValueRefusedError
from rpyc_kernel.kernel.commands.expressions import named_expressions
from rpyc_kernel.kernel.outcomes import Copied
from rpyc_kernel.kernel.ports import CellStream
from rpyc_kernel.link import listing
from rpyc_kernel.values import exchange, progress
from rpyc_kernel.values.describe import described, size_text

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable, Sequence

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.commands.expressions import NamedExpression
    from rpyc_kernel.kernel.sessions.session import RemoteSession

T = TypeVar("T")

MAX_BYTES = 256 << 20  # that are copied without a question
PICKLED = "{} can only be pickled. Reading a pickle runs whatever code {} has put into it, on this machine, as you."
MAX_LABEL_CHARS = 30  # of the names in front of a bar


async def pull_named(
    context: CommandContext, named: Sequence[NamedExpression], max_bytes: int | None, *, pickle: bool = False
) -> Copied:
    """Copy values of expressions there into variables here. Raises a RpycKernelError; nothing was assigned then."""
    session = await context.sessions.resolve(context.cell)
    words, started = " ".join(each.name for each in named), time.monotonic()
    peer = await context.blocking(lambda _cancel: versions())
    content = {"expressions": [each.expression for each in named], "peer": peer, "pickle": pickle}
    offer = await offered(context, session, content, named, pickle=pickle)
    try:
        await allow(context, session, offer.nbytes, max_bytes, f"%pull {words}", up=False)
    except RpycKernelError:
        await context.blocking(lambda _cancel: exchange.forget(session, offer.name))
        raise
    values = await carry(context, named, offer.nbytes, partial(exchange.take, session, offer, session.name))
    made = dict(zip([each.name for each in named], values, strict=True))
    context.local_names.update(made)
    seconds = time.monotonic() - started
    return Copied(session.name, "here", [described(name, value) for name, value in made.items()], offer.nbytes, seconds)


async def offered(
    context: CommandContext,
    session: RemoteSession,
    content: dict[str, Any],
    named: Sequence[NamedExpression],
    *,
    pickle: bool,
) -> exchange.Offer:
    """Have a machine pack values, by a ``pull_request`` of that content, and return what it offers.

    Raises:
        CopyStoppedError: The stop button has ended it.
        RpycKernelError: A value isn't there, or can't be copied.
    """
    reply = await context.request("pull_request", content)
    if reply.get("ename") == "KeyboardInterrupt":
        raise CopyStoppedError
    offer = exchange.offer_of(reply, len(named), session.name, may_pickle=pickle)
    if offer.pickled:
        pickles = ", ".join(named[index].name for index in sorted(offer.pickled) if index < len(named))
        context.output.say(PICKLED.format(pickles, session.name), context.cell.msg_id, "stderr")
    return offer


async def push_named(context: CommandContext, named: Sequence[NamedExpression], max_bytes: int | None) -> Copied:
    """Copy values of expressions here into variables there. Raises a RpycKernelError; nothing was assigned then."""
    session = await context.sessions.resolve(context.cell)
    started = time.monotonic()
    values = {each.name: evaluate(each.expression, context.local_names) for each in named}
    peer = await context.blocking(lambda cancel: exchange.peer_of(session, cancel))
    parts = await context.carrying(lambda _cancel: exchange.pack_all(values, peer))
    nbytes = sum(part.nbytes for part in parts)
    await allow(context, session, nbytes, max_bytes, f"%push {' '.join(values)}", up=True)
    content = await carry(context, named, nbytes, partial(exchange.put, session, parts))
    reply = await context.request("push_request", content)
    if reply.get("status") != "ok":
        raise CopyStoppedError if reply.get("ename") == "KeyboardInterrupt" else exchange.refusal(reply, session.name)
    seconds = time.monotonic() - started
    return Copied("here", session.name, [described(*each) for each in values.items()], nbytes, seconds)


async def around(
    run: Callable[[], Awaitable[dict[str, Any]]],
    context: CommandContext,
    inputs: Sequence[str],
    outputs: Sequence[str],
    max_bytes: int | None,
) -> dict[str, Any]:
    """Run a local cell with copies of variables from there, and give variables of its own back.

    Args:
        run: Runs it, and returns the content of its reply.
        context: The cell's.
        inputs: The variables there of which it gets copies before.
        outputs: The variables of which the machine gets copies afterwards, unless the cell has failed.
        max_bytes: The bytes that are copied without a question.

    Raises:
        RpycKernelError: Something can't be copied.
    """
    wanted, given = named_expressions(inputs, None, "-i"), named_expressions(outputs, None, "-o")
    if wanted:
        await pull_named(context, wanted, max_bytes)
    reply = await run()
    if given and reply["status"] == "ok":
        await push_named(context, given, max_bytes)
    return reply


async def allow(
    context: CommandContext, session: RemoteSession, nbytes: int, max_bytes: int | None, what: str, *, up: bool
) -> None:
    """Ask the user before much is copied. Raises DialCancelledError where the answer is no."""
    if nbytes <= (MAX_BYTES if max_bytes is None else max_bytes):
        return
    rate = await context.blocking(lambda cancel: exchange.rate(session, cancel, up=up))
    duration = listing.duration(nbytes / rate)
    question = (
        f"{what} copies {size_text(nbytes)}, which takes about {duration} at the {size_text(rate)}/s of this link. "
        "Copy it?"
    )
    if not await context.confirm(question, f"--max {size_text(nbytes + 1).replace(' ', '')} copies it"):
        raise ValueRefusedError("Nothing was copied.")


async def carry(
    context: CommandContext,
    names: Sequence[NamedExpression],
    nbytes: int,
    carry: Callable[[threading.Event, Callable[[int], None]], T],
) -> T:
    """Carry values, with a bar from the second second on."""

    def work(cancel: threading.Event) -> T:
        what = ", ".join(each.name for each in names)[:MAX_LABEL_CHARS]
        with progress.shown(what, nbytes, CellStream(context.output, context.cell.msg_id)) as show:
            return carry(cancel, show)

    try:
        return await context.carrying(work)
    except DialCancelledError:
        raise CopyStoppedError from None


def evaluate(expression: str, names: dict[str, Any]) -> Any:
    """Return the value of an expression of local cells. Raises ValueRefusedError where it has none."""
    try:
        return eval(compile(expression.strip(), f"<{expression}>", "eval"), names)  # noqa: S307 - the user's own
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - of the user's expression, which may be exit()
        if isinstance(error, NameError) and expression.isidentifier():
            raise ValueRefusedError(
                f"There is no variable {expression} here: local cells have none of that name."
            ) from None
        text = f"{expression} can't be evaluated here: {type(error).__name__}: {error}"
        raise ValueRefusedError(text) from None
