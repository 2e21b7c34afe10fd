"""Copies values to and from several of the notebook's machines at once: broadcast, scatter, gather."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.agent.values.versions import versions
from rpyc_kernel.errors import CopyStoppedError, DialCancelledError, ParallelError, RpycKernelError
from rpyc_kernel.kernel import copies
from rpyc_kernel.kernel.outcomes import Copied
from rpyc_kernel.kernel.parallel import wait_up
from rpyc_kernel.values import exchange, pieces
from rpyc_kernel.values.at_once import ask_kept
from rpyc_kernel.values.describe import described
from rpyc_kernel.values.sharing import Sharing, assign_made

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.commands.expressions import NamedExpression
    from rpyc_kernel.kernel.sessions.session import RemoteSession

T = TypeVar("T")

STOPPED = (CopyStoppedError, DialCancelledError)
NOTHING_ASSIGNED = "Nothing was assigned on any of them."
NOTHING_COPIED = "Nothing was copied."
SOME_ASSIGNED = "On the others it was assigned."


async def push_all(
    context: CommandContext,
    sessions: Sequence[RemoteSession],
    named: Sequence[NamedExpression],
    max_bytes: int | None,
    *,
    scattered: bool = False,
) -> Copied:
    """Copy values of expressions here into variables of several machines.

    Nothing is assigned anywhere before all machines have the values and have made them.

    Args:
        context: The cell's.
        sessions: The machines.
        named: The expressions.
        max_bytes: The bytes that are copied without a question, to all of them together.
        scattered: Whether each machine gets a part of each value, in order, instead of all of it.

    Raises:
        ParallelError: It has failed on some of them; the sentence says where what was assigned.
        RpycKernelError: A value can't be had or copied.
    """
    started = time.monotonic()
    values = {each.name: copies.evaluate(each.expression, context.local_names) for each in named}
    of_each = [values] * len(sessions)
    if scattered:
        parts = {name: pieces.split(value, len(sessions), name) for name, value in values.items()}
        of_each = [{name: of_name[index] for name, of_name in parts.items()} for index in range(len(sessions))]
    await _gather(sessions, wait_up, NOTHING_ASSIGNED)
    packed = await _pack(context, sessions, of_each)
    nbytes = sum(part.nbytes for parts in packed for part in parts)
    what = f"{'%scatter' if scattered else '%push'} {' '.join(values)}"
    await copies.allow(context, sessions[0], nbytes, max_bytes, what, up=True)
    drafts: dict[RemoteSession, str] = {}
    sharing = Sharing(dict(zip(sessions, packed, strict=True)))

    def bring(session: RemoteSession, cancel: threading.Event, show: Callable[[int], None]) -> dict[str, Any]:
        content = sharing.put(session, cancel, show)
        drafts[session] = content["draft"]
        return content

    async def make(session: RemoteSession) -> None:
        if session not in sharing.made:
            await _push(context, session, {**contents[session], "hold": True})

    async def assign(session: RemoteSession) -> None:
        if session not in assigned:
            await _push(context, session, {"made": drafts[session]})

    try:
        contents = await _carry(context, sessions, named, nbytes, bring, NOTHING_ASSIGNED)
        await _gather(sessions, make, NOTHING_ASSIGNED)
    except BaseException:
        await _forget(context, drafts)
        raise
    made = {session: drafts[session] for session in sessions if session in sharing.made}
    try:
        assigned = await context.carrying(lambda cancel: assign_made(made, cancel)) if made else set()
    except DialCancelledError:
        raise CopyStoppedError from None
    await _gather(sessions, assign, SOME_ASSIGNED if len(sessions) > 1 else "")
    seconds = time.monotonic() - started
    said = [described(*each) for each in values.items()]
    return Copied("here", "", said, nbytes, seconds, tuple(session.label for session in sessions))


async def pull_all(
    context: CommandContext,
    sessions: Sequence[RemoteSession],
    named: Sequence[NamedExpression],
    max_bytes: int | None,
    *,
    pickle: bool = False,
    concat: bool = False,
) -> Copied:
    """Copy values of expressions of several machines into variables here, which were not assigned where it fails.

    Args:
        context: The cell's.
        sessions: The machines.
        named: The expressions.
        max_bytes: The bytes that are copied without a question, from all of them together.
        pickle: Whether values may be pickles, which run code of the other machines here.
        concat: Whether the values of a name are put one behind the other, in the order of the machines; otherwise each
            name becomes a dictionary, by the machines' names.

    Raises:
        ParallelError: It has failed on some of them.
        RpycKernelError: It was refused, or values can't be put together.
    """
    started = time.monotonic()
    await _gather(sessions, wait_up, NOTHING_COPIED)
    peer = await context.blocking(lambda _cancel: versions())
    content = {"expressions": [each.expression for each in named], "peer": peer, "pickle": pickle}
    offers: dict[RemoteSession, exchange.Offer] = {}

    async def offer(session: RemoteSession) -> None:
        offers[session] = await copies.offered(context.on(session), session, content, named, pickle=pickle)

    def take(session: RemoteSession, cancel: threading.Event, show: Callable[[int], None]) -> list[Any]:
        return exchange.take(session, offers[session], session.name, cancel, show)

    try:
        await _gather(sessions, offer, NOTHING_COPIED)
        nbytes = sum(each.nbytes for each in offers.values())
        what = f"%pull {' '.join(each.name for each in named)}"
        await copies.allow(context, sessions[0], nbytes, max_bytes, what, up=False)
        taken = await _carry(context, sessions, named, nbytes, take, NOTHING_COPIED)
    except BaseException:
        await _forget(context, {session: each.name for session, each in offers.items()})
        raise
    made: dict[str, Any] = {}
    for index, each in enumerate(named):
        of_all = {session.label: taken[session][index] for session in sessions}
        made[each.name] = pieces.joined([*of_all.values()], each.name) if concat else of_all
    context.local_names.update(made)
    seconds = time.monotonic() - started
    said = [described(name, value) for name, value in made.items()]
    return Copied("", "here", said, nbytes, seconds, tuple(session.label for session in sessions))


async def _push(context: CommandContext, session: RemoteSession, content: dict[str, Any]) -> None:
    reply = await context.on(session).request("push_request", content)
    if reply.get("status") != "ok":
        raise CopyStoppedError if reply.get("ename") == "KeyboardInterrupt" else exchange.refusal(reply, session.name)


async def _pack(
    context: CommandContext, sessions: Sequence[RemoteSession], of_each: Sequence[dict[str, Any]]
) -> list[list[exchange.Part]]:
    """Pack the values of each machine: once for all that have the same versions of all that matters."""
    peers = await context.carrying(lambda cancel: _peers(sessions, cancel))
    checked = _checked(sessions, peers, NOTHING_ASSIGNED)
    done: dict[tuple[int, frozenset[tuple[str, str]]], list[exchange.Part]] = {}

    def pack(_cancel: threading.Event) -> list[list[exchange.Part]]:
        packed = []
        for session, values in zip(sessions, of_each, strict=True):
            key = id(values), frozenset(checked[session].items())
            if key not in done:
                done[key] = exchange.pack_all(values, checked[session])
            packed.append(done[key])
        return packed

    return await context.carrying(pack)


def _peers(sessions: Sequence[RemoteSession], cancel: threading.Event) -> list[dict[str, str] | RpycKernelError]:
    """Ask all for the versions of what matters there."""
    answers = ask_kept("values.versions", {session: {} for session in sessions}, cancel)
    rest = [session for session in sessions if session not in answers]
    asked = _threads(rest, lambda session: exchange.peer_of(session, cancel), cancel) if rest else []
    found: dict[RemoteSession, dict[str, str] | RpycKernelError] = dict(zip(rest, asked, strict=True))
    found.update({session: exchange.peer_told(answer) for session, answer in answers.items()})
    return [found[session] for session in sessions]


async def _carry(
    context: CommandContext,
    sessions: Sequence[RemoteSession],
    named: Sequence[NamedExpression],
    nbytes: int,
    of_one: Callable[[RemoteSession, threading.Event, Callable[[int], None]], T],
    then: str,
) -> dict[RemoteSession, T]:
    """Carry the values of all machines at once, with one bar for all of it."""

    def carry(cancel: threading.Event, show: Callable[[int], None]) -> list[T | RpycKernelError]:
        carried, lock = dict.fromkeys(sessions, 0), threading.Lock()

        def tell(session: RemoteSession, done: int) -> None:
            with lock:
                carried[session] = done
                show(sum(carried.values()))

        return _threads(sessions, lambda session: of_one(session, cancel, partial(tell, session)), cancel)

    return _checked(sessions, await copies.carry(context, named, nbytes, carry), then)


async def _gather(sessions: Sequence[RemoteSession], do: Callable[[RemoteSession], Awaitable[T]], then: str) -> None:
    """Do something for all of them at once. Raises an error that names those where it has failed."""

    async def one(session: RemoteSession) -> RpycKernelError | None:
        try:
            await do(session)
        except RpycKernelError as error:
            return error
        return None

    _checked(sessions, await asyncio.gather(*map(one, sessions)), then)


def _threads(
    sessions: Sequence[RemoteSession], do: Callable[[RemoteSession], T], cancel: threading.Event
) -> list[T | RpycKernelError]:
    """Do something for all of them at once, each on a thread. The first failure ends the others."""

    def one(session: RemoteSession) -> T | RpycKernelError:
        try:
            return do(session)
        except RpycKernelError as error:
            cancel.set()
            return error

    with ThreadPoolExecutor(len(sessions), "several") as threads:
        return list(threads.map(one, sessions))


def _checked(
    sessions: Sequence[RemoteSession], results: Sequence[T | RpycKernelError], then: str
) -> dict[RemoteSession, T]:
    """Return the results by session. Raises an error that names those where it has failed."""
    errors = {
        session.label: result
        for session, result in zip(sessions, results, strict=True)
        if isinstance(result, RpycKernelError)
    }
    failures = {label: str(error) for label, error in errors.items() if not isinstance(error, STOPPED)}
    if failures:
        raise ParallelError(failures, len(sessions), then)
    if errors:
        raise CopyStoppedError
    return dict(zip(sessions, results, strict=True))  # type: ignore[arg-type]


async def _forget(context: CommandContext, held: dict[RemoteSession, str]) -> None:
    """Have the machines let go of what nobody wants any more."""
    with contextlib.suppress(RpycKernelError):
        await context.blocking(
            lambda cancel: (
                _threads([*held], lambda session: exchange.forget(session, held[session]), cancel) if held else None
            )
        )
